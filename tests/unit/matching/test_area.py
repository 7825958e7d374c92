from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.area import SIDES, supports
from enrollment.core.fingerprint.compiled.arrays import MOST
from enrollment.core.fingerprint.compiled.description import enclose
from enrollment.core.fingerprint.compiled.scoring import covered
from enrollment.core.fingerprint.matching_parameters import MATCHING

SQUARE = np.array([[0, 100, 100, 0], [0, 0, 100, 100]], np.float32)
FOUR = np.array([4])
MARGIN = MATCHING.overlap_margin_px


def polygon_of(points: NDArray[np.float32]) -> NDArray[np.float32]:
    polygon = np.zeros(SIDES, np.float32)
    enclose(points, polygon)
    return polygon


def share_inside(points: NDArray[np.float32], polygon: NDArray[np.float32]) -> float:
    """Share of up to MOST points, (2, N), that lie in a polygon grown by the margin."""
    x, y, weights = np.zeros((3, MOST), np.float32)
    count = points.shape[1]
    x[:count], y[:count], weights[:count] = *points, 1.0 / count
    return float(covered(x, y, weights, polygon, np.zeros(MOST, np.float32)))


def is_inside(x: float, y: float) -> bool:
    return share_inside(np.array([[x], [y]], np.float32), polygon_of(SQUARE)) == 1.0


def test_points_of_a_square_lie_in_its_polygon() -> None:
    assert is_inside(50, 50)
    assert is_inside(99, 1)


def test_the_polygon_is_grown_by_the_margin_and_no_more() -> None:
    assert is_inside(99.0 + MARGIN, 50)
    assert not is_inside(101.0 + MARGIN, 50)
    assert not is_inside(50, -1.0 - MARGIN)
    assert not is_inside(99.0 + MARGIN, 99.0 + MARGIN)  # a corner grows along its diagonal: further than a side does


def test_every_point_lies_in_the_polygon_around_them_all() -> None:
    points = np.random.default_rng(3).normal(0, 80, (2, MOST)).astype(np.float32)
    polygon = polygon_of(points) - np.float32(MARGIN) + np.float32(0.01)
    assert abs(share_inside(points, polygon) - 1.0) < 1e-5


def test_both_ways_of_making_polygons_make_the_same() -> None:
    points = np.random.default_rng(5).normal(0, 80, (2, 3, 40)).astype(np.float32)
    counts = np.array([40, 3, 17])
    together = supports(points, counts)
    for row, count in enumerate(counts):
        assert np.allclose(polygon_of(np.ascontiguousarray(points[:, row, :count])), together[row], atol=1e-3)


def test_padding_has_no_part_in_a_polygon() -> None:
    square = SQUARE[:, None]
    padded = np.concatenate([square, np.full((2, 1, 3), 900, np.float32)], axis=2)
    assert np.array_equal(supports(padded, FOUR), supports(square, FOUR))
