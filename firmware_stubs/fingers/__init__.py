"""Synthetic fingers: prints by seed, with exact minutiae, for a platen that no real finger may touch.

    finger_image(person_finger_seed(person_seed=7, position=2), impression=0)

A master is one finger; an impression is one touch of it. The same seeds give the same pixels in every process.
Slaps of a hand and rolled prints of the same masters: `slap`, `hand`, `rolled`.
Method and figures: growth of ridges by flow-steered Gabor filters, minutiae read as residues of the phase.
"""

from firmware_stubs.fingers.condition import DRY, GOOD, PARTIAL, WET, Condition, Severity
from firmware_stubs.fingers.impression import Impression, finger_image, make_impression
from firmware_stubs.fingers.master import Master, make_master, person_finger_seed
from firmware_stubs.fingers.minutiae import Minutiae
from firmware_stubs.fingers.patterns import PLAIN_SIZE, ROLLED_SIZE, Pattern
from firmware_stubs.fingers.sensor import Sensor, SensorStyle

__all__ = [
    "DRY",
    "GOOD",
    "PARTIAL",
    "PLAIN_SIZE",
    "ROLLED_SIZE",
    "WET",
    "Condition",
    "Impression",
    "Master",
    "Minutiae",
    "Pattern",
    "Sensor",
    "SensorStyle",
    "Severity",
    "finger_image",
    "make_impression",
    "make_master",
    "person_finger_seed",
]
