from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np

from enrollment.core.fingerprint.described import describe
from enrollment.core.fingerprint.filter import outlines, promises
from enrollment.core.fingerprint.matching_parameters import FILTER, MATCHING
from enrollment.core.fingerprint.template import FingerprintTemplate

Impressions = list[list[FingerprintTemplate]]
Laid = Callable[..., FingerprintTemplate]


def promise(a: FingerprintTemplate, b: FingerprintTemplate) -> float:
    other = describe(b)
    return float(promises(describe(a), other, outlines(other), 1)[0])


def test_mates_promise_more_than_strangers(impressions: Impressions) -> None:
    mates = [promise(a, b) for finger in impressions for a, b in combinations(finger, 2)]
    strangers = [promise(a[0], b[1]) for a, b in combinations(impressions, 2)]
    assert np.median(mates) > 5.0 * np.median(strangers)
    assert min(mates) > np.median(strangers)
    assert max(mates) <= FILTER.candidates


def test_many_at_once_promise_what_each_does_alone(impressions: Impressions) -> None:
    others = [finger[1] for finger in impressions]
    described = describe(*others)
    together = promises(describe(impressions[0][0]), described, outlines(described), len(described))
    alone = [promise(impressions[0][0], other) for other in others]
    assert np.allclose(together, alone, rtol=1e-3, atol=1e-4)


def test_an_outline_is_of_unit_length_and_of_the_first_minutiae(impressions: Impressions) -> None:
    described = describe(impressions[0][0])
    outline = outlines(described)
    assert outline.shape == (1, FILTER.gallery_minutiae, FILTER.dimensions)
    taken = min(FILTER.gallery_minutiae, len(impressions[0][0]))
    assert not outline[0, taken:].any()
    lengths = np.linalg.norm(outline[0, :taken].astype(np.float64), axis=1) / MATCHING.descriptor_scale
    assert np.allclose(lengths, 1.0, atol=0.02)
    whole = described.descriptors[0, :taken, : FILTER.dimensions]
    assert ((outline[0, :taken].astype(float) * whole).sum(axis=1) > 0.0).all()


def test_nothing_promises_nothing(impressions: Impressions, laid: Laid) -> None:
    assert promise(laid([]), impressions[0][0]) == 0.0
    assert promise(impressions[0][0], laid([])) == 0.0
    described = describe(laid([]), impressions[0][0])
    few = promises(describe(impressions[0][1]), described, outlines(described), 2)
    assert few[0] == 0.0 < few[1]
