"""Subjects for galleries of any size: one synthetic finger each, by number, so that none needs to be kept.

Every subject is a finger of its own, drawn from a seed of its own (bench/toy_templates.py): minutiae alone, no image,
no perturbed copy of another's. One impression is enrolled, 42 minutiae on average, so that speeds and memory are those
of real templates. Another one of the same finger is searched with, of which only a part was caught: whole impressions
of this model are found without fail, and a rate that is always 100 % tells nothing. Error rates say how a search
behaves as the gallery grows, not how often real fingers are missed or confused.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from bench.toy_templates import draw_finger, draw_impression
from enrollment.core.fingerprint import FingerprintTemplate

SEED: Final = 20_260_101
TURN: Final = 0.5  # radians either way: a finger on a platen
CAUGHT: Final = (0.3, 1.0)  # share of the minutiae of a probe; by hand, so that some are missed


def enrolled(subject: int) -> FingerprintTemplate:
    """The impression of a subject that lies in the gallery."""
    rng = np.random.default_rng([SEED, subject])
    return draw_impression(draw_finger(rng), rng, TURN).template


def probe(subject: int) -> FingerprintTemplate:
    """Another impression of the same finger: the minutiae nearest to one of them, a share of CAUGHT of all."""
    rng = np.random.default_rng([SEED, subject])
    finger = draw_finger(rng)
    draw_impression(finger, rng, TURN)
    whole = draw_impression(finger, rng, TURN).template
    middle = whole.positions[rng.integers(len(whole))]
    caught = math.ceil(rng.uniform(*CAUGHT) * len(whole))
    near = np.sort(np.argsort(np.hypot(*(whole.positions - middle).T))[:caught])
    return FingerprintTemplate(
        positions=whole.positions[near],
        directions=whole.directions[near],
        kinds=whole.kinds[near],
        reliabilities=whole.reliabilities[near],
        size=whole.size,
    )
