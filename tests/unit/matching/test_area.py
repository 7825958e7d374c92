from __future__ import annotations

import numpy as np

from enrollment.core.fingerprint.area import SIDES, inside, supports

SQUARE = np.array([[0, 100, 100, 0], [0, 0, 100, 100]], np.float32)[:, None]
FOUR = np.array([4])


def is_inside(x: float, y: float, margin_px: float = 0.0) -> bool:
    point = np.array([x, y], np.float32).reshape(2, 1, 1)
    return bool(inside(point, supports(SQUARE, FOUR), margin_px)[0, 0])


def test_points_of_a_square_lie_in_its_polygon_and_those_beyond_do_not() -> None:
    assert is_inside(50, 50)
    assert is_inside(99, 1)
    assert not is_inside(101, 50)
    assert not is_inside(50, -1)


def test_a_margin_grows_the_polygon_by_as_much() -> None:
    assert is_inside(109, 50, margin_px=10)
    assert not is_inside(111, 50, margin_px=10)
    assert not is_inside(109, 109, margin_px=10)  # a corner grows along its diagonal: 12.7 px away


def test_every_point_lies_in_the_polygon_around_them_all() -> None:
    points = np.random.default_rng(3).normal(0, 80, (2, 1, 200)).astype(np.float32)
    polygons = supports(points, np.array([200]))
    assert polygons.shape == (1, SIDES)
    assert inside(points, polygons, 0.01).all()


def test_padding_has_no_part_in_a_polygon() -> None:
    padded = np.concatenate([SQUARE, np.full((2, 1, 3), 900, np.float32)], axis=2)
    assert np.array_equal(supports(padded, FOUR), supports(SQUARE, FOUR))


def test_polygons_are_told_apart_in_a_batch() -> None:
    points = np.full((2, 2, 1), 150, np.float32)
    polygons = np.concatenate([supports(SQUARE, FOUR), supports(2 * SQUARE, FOUR)])
    assert inside(points, polygons, 0.0)[:, 0].tolist() == [False, True]
