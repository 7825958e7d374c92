"""Subjects for galleries of any size: one synthetic finger each, by number, so that none needs to be kept.

Every subject is a finger of its own, drawn from a seed of its own (bench/toy_templates.py): minutiae alone, no image,
no perturbed copy of another's. One impression is enrolled and another one of the same finger is searched with. They
hold 42 minutiae on average, so that speeds and memory are those of real templates; error rates are not: they say how
the search behaves as the gallery grows, not how often real fingers are confused.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from bench.toy_templates import draw_finger, draw_impression
from enrollment.core.fingerprint import FingerprintTemplate

SEED: Final = 20_260_101
TURN: Final = 0.5  # radians either way: a finger on a platen


def enrolled(subject: int) -> FingerprintTemplate:
    """The impression of a subject that lies in the gallery."""
    rng = np.random.default_rng([SEED, subject])
    return draw_impression(draw_finger(rng), rng, TURN).template


def probe(subject: int) -> FingerprintTemplate:
    """Another impression of the same finger."""
    rng = np.random.default_rng([SEED, subject])
    finger = draw_finger(rng)
    draw_impression(finger, rng, TURN)
    return draw_impression(finger, rng, TURN).template
