from __future__ import annotations

from enrollment.core.fingerprint import FingerprintImage, compare, extract
from enrollment.core.fingerprint.false_match import score_at
from firmware_stubs.fingers import Condition, Sensor, SensorStyle, make_impression, make_master

HIGH_AND_LEFT = Condition(
    pressure=0.14,
    wetness=0.96,
    coverage=0.72,
    rotation_deg=-11.63,
    displacement_px=(-88.0, -135.0),
    traction_px=(7.0, 8.0),
    torsion_deg=4.99,
    bulge_px=1.73,
    noise=3.95,
    contrast=0.94,
    tilt_px=-67.73,
)
HIGH_AND_RIGHT = Condition(
    pressure=0.48,
    dryness=0.24,
    coverage=0.88,
    rotation_deg=-7.44,
    displacement_px=(126.0, -68.0),
    traction_px=(-12.0, -1.0),
    torsion_deg=-3.94,
    bulge_px=1.08,
    noise=2.87,
    contrast=0.92,
    tilt_px=75.3,
)


def test_prints_that_share_a_thin_band_match() -> None:
    """By the number of minutiae that find a place a chance pose wins here: judged by that alone they scored 0.06."""
    finger = make_master(5_000_201)
    one = make_impression(finger, 4, condition=HIGH_AND_LEFT, sensor=Sensor(SensorStyle.THERMAL_SWEEP))
    other = make_impression(finger, 5, condition=HIGH_AND_RIGHT, sensor=Sensor(SensorStyle.OPTICAL_WHITE))
    assert compare(*(extract(FingerprintImage(print_.pixels)) for print_ in (one, other))) > score_at(1e-4)
