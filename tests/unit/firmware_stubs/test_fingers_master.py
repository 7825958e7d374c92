"""The finger itself: determinism, classes, and minutiae that are really where they are said to be."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys

import numpy as np
import pytest

from firmware_stubs.fingers import Master, Pattern, make_master, person_finger_seed
from firmware_stubs.fingers.growth import Quadrature
from firmware_stubs.fingers.minutiae import find_minutiae
from firmware_stubs.fingers.noise import smooth_noise, stream
from firmware_stubs.fingers.patterns import FREQUENCIES, draw_pattern

MM_PER_PIXEL = 25.4 / 500

DIGEST_PROGRAM = """
import hashlib
from firmware_stubs.fingers import make_impression, make_master
master = make_master(11)
print(hashlib.sha256(master.skin.relief.tobytes() + make_impression(master, 3).pixels.tobytes()).hexdigest())
"""


def test_same_seed_in_another_process_gives_the_same_finger() -> None:
    digests = {
        subprocess.run([sys.executable, "-c", DIGEST_PROGRAM], check=True, capture_output=True, text=True).stdout
        for _ in range(2)
    }
    assert len(digests) == 1
    assert len(digests.pop().strip()) == hashlib.sha256().digest_size * 2


def test_other_seed_gives_another_finger(masters: dict[Pattern, Master]) -> None:
    other = make_master(1040, pattern=Pattern.ARCH)
    agreement = np.corrcoef(other.cosine.ravel(), masters[Pattern.ARCH].cosine.ravel())[0, 1]
    assert abs(agreement) < 0.3


@pytest.mark.parametrize("pattern", list(Pattern))
def test_every_class_has_fields_in_their_ranges(masters: dict[Pattern, Master], pattern: Pattern) -> None:
    master = masters[pattern]
    assert master.pattern is pattern
    skin = master.skin
    for field in (master.cosine, master.orientation, master.period, skin.relief, skin.units, skin.pores):
        assert field.shape == (560, 416)
        assert field.dtype == np.float32
        assert np.isfinite(field).all()
    assert -1.0 <= master.cosine.min() < -0.99
    assert 0.99 < master.cosine.max() <= 1.0
    assert master.orientation.min() >= 0.0
    assert master.orientation.max() < math.pi
    assert 7.5 < np.median(master.period) < 11.5
    assert master.period.min() >= 5.0
    assert master.period.max() <= 16.0
    assert np.abs(skin.units).max() <= 1.0
    assert skin.pores.min() >= 0.0


@pytest.mark.parametrize(
    ("pattern", "turns"),
    [
        (Pattern.ARCH, 0),
        (Pattern.TENTED_ARCH, 1),
        (Pattern.LEFT_LOOP, 1),
        (Pattern.RIGHT_LOOP, 1),
        (Pattern.WHORL, 2),
        (Pattern.DOUBLE_LOOP, 2),
    ],
)
def test_flow_round_the_middle_turns_as_often_as_the_class_has_cores(
    masters: dict[Pattern, Master], pattern: Pattern, turns: int
) -> None:
    # The Poincare index on a circle that takes in the cores and leaves out the deltas.
    angle = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    x, y = 208 + 58 * np.cos(angle), 246.4 + 58 * np.sin(angle)
    doubled = 2 * masters[pattern].orientation[np.rint(y).astype(int), np.rint(x).astype(int)]
    steps = np.angle(np.exp(1j * (np.roll(doubled, -1) - doubled)))
    assert round(float(steps.sum()) / (2 * np.pi)) == turns


def test_left_and_right_loop_open_to_their_side(masters: dict[Pattern, Master]) -> None:
    # Below the core the ridges of a left loop run down to the left, those of a right loop down to the right.
    def slant(pattern: Pattern) -> float:
        orientation = masters[pattern].orientation[290:330, 180:236]
        return float(np.sin(2 * orientation).mean())

    assert slant(Pattern.LEFT_LOOP) < 0 < slant(Pattern.RIGHT_LOOP)


@pytest.mark.parametrize("pattern", list(Pattern))
def test_minutiae_are_as_dense_as_in_nature(masters: dict[Pattern, Master], pattern: Pattern) -> None:
    minutiae = masters[pattern].minutiae
    density = len(minutiae) / (416 * 560 * MM_PER_PIXEL**2)
    assert 0.10 < density < 0.35
    assert 0.25 < minutiae.bifurcations.mean() < 0.75


def test_minutiae_lie_inside_with_directions_in_range(masters: dict[Pattern, Master]) -> None:
    for master in masters.values():
        positions, directions = master.minutiae.positions, master.minutiae.directions
        assert positions.min() > 4.0
        assert (positions < np.array([412.0, 556.0])).all()
        assert directions.min() >= 0.0
        assert directions.max() < 2 * math.pi


def test_minutia_points_along_the_ridge_into_what_begins_there(masters: dict[Pattern, Master]) -> None:
    # Just ahead of an ending there is a ridge, ahead of a bifurcation a valley; just behind, the reverse.
    # Where a ridge steps aside by half its breadth it is neither; those few have the type of what is more.
    shares = []
    for master in masters.values():
        minutiae = master.minutiae
        ahead = np.stack([np.cos(minutiae.directions), np.sin(minutiae.directions)], axis=1)
        steps = np.array([3, 5, 7, -3, -5, -7])[:, None, None]
        columns, rows = np.moveaxis(np.rint(minutiae.positions + steps * ahead).astype(int), 2, 0)
        relief = master.cosine[rows, columns]
        begins = np.where(minutiae.bifurcations, -1, 1)
        shares.append((np.mean(relief[:3].sum(axis=0) * begins > 0), np.mean(relief[3:].sum(axis=0) * begins < 0)))
    assert np.min(shares) > 0.85
    assert np.mean(shares) > 0.9


@pytest.mark.parametrize("gauge", [0.0, np.pi])
@pytest.mark.parametrize("charge", [1, -1])
@pytest.mark.parametrize("tilt", [0.0, 0.7, 2.5])
def test_dislocation_in_a_plane_wave_is_found_where_it_was_put(tilt: float, charge: int, gauge: float) -> None:
    y, x = np.indices((120, 140), dtype=np.float64)
    at = np.array([70.3, 61.6])
    normal = np.array([-np.sin(tilt + gauge), np.cos(tilt + gauge)])
    phase = 2 * np.pi / 9 * ((x - at[0]) * normal[0] + (y - at[1]) * normal[1])
    phase += charge * np.arctan2(y - at[1], x - at[0]) + 0.3
    quadrature = Quadrature(np.cos(phase).astype(np.float32), np.sin(phase).astype(np.float32))
    orientation = np.full(x.shape, tilt + gauge, np.float32)
    found = find_minutiae(quadrature, orientation, np.zeros((0, 2), np.float32))
    assert len(found) == 1
    assert np.linalg.norm(found.positions[0] - at) <= 0.75
    # Counted along the normal there is one cycle more on the side of (cos, sin), turned by the charge.
    expected = np.mod(tilt + gauge + (0 if charge > 0 else np.pi), 2 * np.pi)
    assert abs(np.angle(np.exp(1j * (found.directions[0] - expected)))) < 1e-4


def test_minutia_at_a_core_is_left_out() -> None:
    y, x = np.indices((80, 80), dtype=np.float64)
    phase = 2 * np.pi / 9 * y + np.arctan2(y - 40.4, x - 40.4)
    quadrature = Quadrature(np.cos(phase).astype(np.float32), np.sin(phase).astype(np.float32))
    orientation = np.zeros(x.shape, np.float32)
    assert len(find_minutiae(quadrature, orientation, np.array([[44, 44]], np.float32))) == 0
    assert len(find_minutiae(quadrature, orientation, np.array([[60, 44]], np.float32))) == 1


def test_classes_come_as_often_as_in_nature() -> None:
    drawn = [draw_pattern(stream(seed, "pattern")) for seed in range(4000)]
    for pattern, frequency in FREQUENCIES.items():
        assert drawn.count(pattern) / len(drawn) == pytest.approx(frequency, abs=0.025)


def test_smooth_noise_has_the_deviation_that_was_asked_for() -> None:
    for sigma in (1.0, 2.8, 14.0):
        field = smooth_noise(stream(1, "noise"), (700, 600), sigma, 0.5)
        assert field.shape == (700, 600)
        assert field.std() == pytest.approx(0.5, rel=0.15)


def test_ten_fingers_of_a_person_differ_and_come_back() -> None:
    seeds = [person_finger_seed(7, position) for position in range(1, 11)]
    assert len(set(seeds)) == 10
    assert seeds == [person_finger_seed(7, position) for position in range(1, 11)]
    assert not set(seeds) & {person_finger_seed(8, position) for position in range(1, 11)}


@pytest.mark.parametrize(("person", "position"), [(7, 0), (7, 11), (-1, 1)])
def test_person_or_position_that_cannot_be_is_refused(person: int, position: int) -> None:
    with pytest.raises(ValueError, match=r"position|negative"):
        person_finger_seed(person, position)


def test_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        make_master(-1)


@pytest.mark.parametrize("size", [(416, 561), (400, 560), (4096, 560)])
def test_master_of_an_impossible_size_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="multiples of 16"):
        make_master(1, size=size)


def test_cores_and_deltas_are_where_the_flow_turns(masters: dict[Pattern, Master]) -> None:
    angle = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    for pattern, count in ((Pattern.ARCH, 0), (Pattern.LEFT_LOOP, 1), (Pattern.DOUBLE_LOOP, 2)):
        master = masters[pattern]
        assert len(master.cores) == len(master.deltas) == count
        for points, turn in ((master.cores, 1), (master.deltas, -1)):
            for x, y in points:
                ring = np.rint([y + 12 * np.sin(angle), x + 12 * np.cos(angle)]).astype(int)
                doubled = 2 * master.orientation[ring[0], ring[1]]
                steps = np.angle(np.exp(1j * (np.roll(doubled, -1) - doubled)))
                assert round(float(steps.sum()) / (2 * np.pi)) == turn
