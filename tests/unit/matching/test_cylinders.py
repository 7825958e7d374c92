from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.learn_projection import cylinders_of
from enrollment.core.fingerprint.area import supports
from enrollment.core.fingerprint.compiled.cylinders import CELL_COUNT, CYLINDER_SIZE, cover
from enrollment.core.fingerprint.matching_parameters import CYLINDER

AHEAD_CELL = (26.25, 8.75)  # a cell's centre: the side of a cell is 17.5


def cylinders(points: NDArray[np.float32], directions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Those of one template: (2, N), (N,) to (N, CYLINDER_SIZE)."""
    return cylinders_of(points, directions)[0]


def cells_on_finger(
    points: NDArray[np.float32], directions: NDArray[np.float32], polygon: NDArray[np.float32]
) -> NDArray[np.bool_]:
    known = np.empty((len(directions), CELL_COUNT), bool)
    for row, (x, y, direction) in enumerate(zip(*points, directions, strict=True)):
        cover(x, y, np.cos(direction), np.sin(direction), polygon, known[row])
    return known


def polygon_around(points: NDArray[np.float32]) -> NDArray[np.float32]:
    polygon: NDArray[np.float32] = supports(points[:, None], np.array([points.shape[1]]))[0]
    return polygon


def normal_cdf(x: float) -> float:
    return 0.5 * (1.0 + math.erf(x / math.sqrt(2.0)))


def squashed(mass: float) -> float:
    return 1.0 / (1.0 + math.exp(-CYLINDER.squash_gain * (mass - CYLINDER.squash_middle)))


def test_the_grid_is_cut_to_the_disc() -> None:
    assert CELL_COUNT == 52
    assert CYLINDER_SIZE == 312


@pytest.mark.parametrize("own", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("difference_deg", [30.0, -90.0, 150.0])
def test_a_neighbour_at_the_centre_of_a_cell_has_the_value_of_the_formula(own: float, difference_deg: float) -> None:
    difference = math.radians(difference_deg)
    ahead, aside = AHEAD_CELL
    east = math.cos(own) * ahead - math.sin(own) * aside
    south = math.sin(own) * ahead + math.cos(own) * aside
    points = np.array([[100.0, 100.0 + east], [50.0, 50.0 + south]], np.float32)
    values = cylinders(points, np.array([own, own - difference], np.float32))[0].reshape(CELL_COUNT, CYLINDER.slots)

    half = math.pi / CYLINDER.slots / CYLINDER.direction_sigma
    centred = squashed(normal_cdf(half) - normal_cdf(-half))
    slot = round((difference_deg + 150.0) / 60.0)
    cell, loudest = np.unravel_index(values.argmax(), values.shape)
    assert loudest == slot
    assert values[cell, slot] == pytest.approx(centred, abs=2e-3)
    sideways = squashed(math.exp(-0.5 * (17.5 / CYLINDER.position_sigma_px) ** 2) * 0.5454)
    assert np.sort(values[:, slot])[-2] == pytest.approx(sideways, abs=2e-3)


def test_a_lonely_minutia_has_an_empty_cylinder() -> None:
    values = cylinders(np.zeros((2, 1), np.float32), np.zeros(1, np.float32))
    assert values == pytest.approx(squashed(0.0))


def test_a_neighbour_out_of_reach_changes_nothing() -> None:
    points = np.array([[0.0, 140.0], [0.0, 0.0]], np.float32)
    assert cylinders(points, np.zeros(2, np.float32)) == pytest.approx(squashed(0.0), abs=1e-4)


def test_turning_and_shifting_the_template_leaves_its_cylinders() -> None:
    rng = np.random.default_rng(5)
    points = rng.uniform(0, 200, (2, 30)).astype(np.float32)
    directions = rng.uniform(0, math.tau, 30).astype(np.float32)
    turn = np.array([[0.8, -0.6], [0.6, 0.8]], np.float32)
    turned = cylinders(turn @ points + 40, directions + np.float32(math.atan2(0.6, 0.8)))
    assert turned == pytest.approx(cylinders(points, directions), abs=0.02)


def test_cells_beyond_the_margin_of_the_finger_are_unknown() -> None:
    points = np.array([[0.0, 200.0, 200.0, 0.0], [0.0, 0.0, 200.0, 200.0]], np.float32)
    polygon = polygon_around(points)
    middle = np.array([[100.0], [100.0]], np.float32)
    known = cells_on_finger(np.concatenate([points, middle], axis=1), np.zeros(5, np.float32), polygon)
    assert known[4].all()
    corner = known[0]
    assert 0 < corner.sum() < CELL_COUNT
    # the cells of the corner (0, 0) that are known lie to the south-east of (-25, -25): 17.5 px cells, 5 of 8 each way
    assert corner.sum() == pytest.approx((5 / 8) ** 2 * 64, abs=6)


def test_which_cells_are_unknown_turns_with_the_minutia() -> None:
    points = np.array([[0.0, 200.0, 100.0], [0.0, 0.0, 10.0]], np.float32)
    south = cells_on_finger(points, np.full(3, 0.5 * math.pi, np.float32), polygon_around(points))
    east = cells_on_finger(points, np.zeros(3, np.float32), polygon_around(points))
    assert not np.array_equal(south[0], east[0])
    assert south[0].sum() == pytest.approx(east[0].sum(), abs=2)
