"""The bench of synthetic beside real prints: two fingers of two impressions, and its judge of distributions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("nbis", reason="needs the bench extra")
from bench.realism import ks_distance, main  # it needs nbis at import

DATA = Path(__file__).parents[4] / "shared" / "data" / "fingerprints"


def test_distance_of_samples_is_the_share_that_lies_apart() -> None:
    low, high = np.arange(10.0), np.arange(10.0) + 100.0
    assert ks_distance(low, low[::-1]) == 0.0
    assert ks_distance(low, high) == ks_distance(high, low) == 1.0
    assert ks_distance(low, np.concatenate([low, low, high, high])) == pytest.approx(0.5)


@pytest.mark.needs_shared
@pytest.mark.skipif(not DATA.is_dir(), reason="no ../shared/data")
def test_the_bench_measures_synthetic_beside_real_and_draws_both(tmp_path: Path) -> None:
    options = ["--fingers", "2", "--impressions", "2", "--severity", "normal", "--out", str(tmp_path)]
    ran = CliRunner().invoke(main, ["--data", str(DATA), *options])
    assert ran.exit_code == 0, ran.output
    report = json.loads((tmp_path / "realism.json").read_text())["normal"]
    assert report["synthetic"]["images"] == report["real"]["images"] == 4
    assert report["synthetic"]["own_truth"]["recall"] > 0.5
    assert report["real"]["own_truth"] is None
    genuine, impostor = (report["synthetic"]["quantiles"][f"own {kind}"] for kind in ("genuine", "impostor"))
    assert genuine[0] > impostor[-1]
    assert 0.0 <= report["ks"]["own impostor"] <= 1.0
    assert "KS" in ran.output
    assert (tmp_path / "realism.png").read_bytes().startswith(b"\x89PNG")
