"""The bench of synthetic beside real prints: two fingers of two impressions, and its judge of extractors."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench.truth_errors import Found, truth_errors
from firmware_stubs.fingers import Minutiae

DATA = Path(__file__).parents[4] / "shared" / "data" / "fingerprints"


def test_extractor_that_misses_invents_and_confuses_is_judged_so() -> None:
    positions = np.array([(20, 20), (60, 20), (100, 20), (140, 20)], np.float32)
    truth = Minutiae(positions, np.zeros(4, np.float32), np.array([True, True, False, False]))
    found = Found(
        np.array([(23, 24), (60, 20), (100, 20), (200, 200), (61, 26)], np.float32),
        np.array([math.radians(6.0), 2 * math.pi - math.radians(6.0), math.radians(6.0), 0, 0], np.float32),
        np.array([True, True, True, False, False]),
    )
    errors = truth_errors([(found, truth)])
    assert errors is not None
    assert (errors.precision, errors.recall) == (3 / 5, 3 / 4)
    assert errors.type_agreement == pytest.approx(2 / 3)
    assert errors.angle_median == pytest.approx(6.0, abs=1e-3)
    assert errors.distance_median == 0.0


def test_nothing_found_is_no_error_rate() -> None:
    nothing = np.zeros((0, 2), np.float32)
    truth = Minutiae(nothing, np.zeros(0, np.float32), np.zeros(0, bool))
    assert truth_errors([(Found(nothing, np.zeros(0, np.float32), np.zeros(0, bool)), truth)]) is None


@pytest.mark.needs_shared
@pytest.mark.skipif(not DATA.is_dir(), reason="no ../shared/data")
def test_the_bench_measures_synthetic_beside_real_and_draws_both(tmp_path: Path) -> None:
    pytest.importorskip("nbis", reason="needs the bench extra")
    from bench.realism import main  # it needs nbis at import

    options = ["--fingers", "2", "--impressions", "2", "--severity", "normal", "--out", str(tmp_path)]
    ran = CliRunner().invoke(main, ["--data", str(DATA), *options])
    assert ran.exit_code == 0, ran.output
    report = json.loads((tmp_path / "realism.json").read_text())["normal"]
    assert report["synthetic"]["images"] == report["real"]["images"] == 4
    assert report["synthetic"]["own_truth"]["recall"] > 0.5
    assert report["real"]["own_truth"] is None
    assert report["synthetic"]["own"]["genuine"] > report["synthetic"]["own"]["impostor_top"]
    assert (tmp_path / "realism.png").read_bytes().startswith(b"\x89PNG")
