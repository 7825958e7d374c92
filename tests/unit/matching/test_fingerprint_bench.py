"""The bench on real prints: two fingers of three impressions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.fingerprint import main, resolution_of

PRINTS = Path(__file__).parents[4] / "shared" / "data" / "fingerprints" / "FVC2002_DB1_B"


@pytest.mark.needs_shared
@pytest.mark.skipif(not PRINTS.is_dir(), reason="no ../shared/data")
def test_the_bench_tells_two_fingers_apart_and_writes_its_report(tmp_path: Path) -> None:
    data = tmp_path / "data" / PRINTS.name
    data.mkdir(parents=True)
    for finger in (101, 102):
        for impression in (1, 2, 3):
            shutil.copy(PRINTS / f"{finger}_{impression}.tif", data)
    out = tmp_path / "out"
    ran = CliRunner().invoke(main, ["--data", str(data.parent), "--sets", PRINTS.name, "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    assert PRINTS.name in ran.output
    report = json.loads((out / "fingerprint.json").read_text())
    (result,) = report["sets"]
    assert (result["images"], result["failed"], result["genuine"], result["impostor"]) == (6, 0, 6, 9)
    assert result["eer"] == result["fmr1000"] == 0.0
    assert report["speed"]["gallery_per_s"] > 0
    assert (out / "fingerprint-det.png").read_bytes().startswith(b"\x89PNG")


def test_a_set_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["--data", str(tmp_path), "--sets", "NOWHERE"])
    assert ran.exit_code == 2
    assert "NOWHERE" in ran.output


def test_the_sets_that_are_not_at_500_ppi_are_known() -> None:
    assert resolution_of("FVC2004_DB3_B") == 512.0
    assert resolution_of("FVC2002_DB2_A") == 569.0
    assert resolution_of("FVC2002_DB1_B") == 500.0
