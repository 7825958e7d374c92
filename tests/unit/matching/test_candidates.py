"""Candidate pairs of both sides' choice."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.fingerprint.compiled.arrays import MOST
from enrollment.core.fingerprint.compiled.candidates import choose, leading, name, products_of, similarity
from enrollment.core.fingerprint.matching_parameters import MATCHING

DIMENSIONS = 16
products = products_of(DIMENSIONS)


def chosen(ours: NDArray[np.int8], theirs: NDArray[np.int8]) -> list[tuple[int, int, float]]:
    """Our minutia, theirs and how alike, of each pair, most alike first."""
    found = np.empty((MOST, MOST), np.int32)
    best, of_ours, order = np.empty(2 * MOST, np.int32), np.empty(2 * MOST, np.int32), np.empty(MOST, np.int32)
    products(ours.astype(np.int16), theirs, len(ours), len(theirs), found)
    pairs = choose(found, len(ours), len(theirs), best, of_ours)
    count = leading(best, pairs, MOST, order)
    return [(int(of_ours[k]), int(name(best[k])), float(similarity(best[k]))) for k in order[:count]]


@pytest.mark.parametrize(("ours", "theirs"), [(12, 30), (30, 12), (MOST, 20), (20, MOST), (1, 1)])
def test_each_minutia_of_either_side_is_paired_with_the_one_most_like_it(ours: int, theirs: int) -> None:
    rng = np.random.default_rng(3)
    a, b = (rng.integers(-60, 60, (count, DIMENSIONS)).astype(np.int8) for count in (ours, theirs))
    alike = a.astype(np.int64) @ b.T.astype(np.int64)
    wanted = {(i, int(alike[i].argmax())) for i in range(ours)} | {
        (int(alike[:, j].argmax()), j) for j in range(theirs)
    }
    wanted_by_likeness = sorted(wanted, key=lambda pair: -alike[pair])[:MOST]
    pairs = chosen(a, b)
    assert {(i, j) for i, j, _ in pairs} == set(wanted_by_likeness)
    for i, j, value in pairs:
        assert value == pytest.approx(alike[i, j] / MATCHING.descriptor_scale**2, abs=1e-3)
    assert [value for _, _, value in pairs] == sorted((value for _, _, value in pairs), reverse=True)
