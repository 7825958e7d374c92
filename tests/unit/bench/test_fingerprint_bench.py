"""The bench on real prints: two fingers of three impressions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.fingerprint import main
from bench.print_sets import find_sets, resolution_of

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
    images, rates = report["images"][PRINTS.name], report["systems"]["ours"]["sets"][PRINTS.name]
    assert (images["count"], images["failed"]["ours"], rates["genuine"], rates["impostor"]) == (6, 0, 6, 9)
    assert rates["eer"] == rates["fmr1000"] == 0.0
    assert report["systems"]["ours"]["mean_eer"]["high"] == 0.0
    assert report["differences"] == []
    assert sum(images["stage_ms"].values()) == pytest.approx(images["ms"]["ours"], rel=0.5)
    assert all(0 < rate["low"] <= rate["per_s"] <= rate["high"] for rate in report["rates"].values())
    for name in ("fingerprint-det.png", "fingerprint-discard.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.needs_shared
@pytest.mark.skipif(not PRINTS.is_dir(), reason="no ../shared/data")
def test_the_peer_is_measured_on_the_same_pairs(tmp_path: Path) -> None:
    pytest.importorskip("nbis", reason="nbis-py is of the bench extra")
    data = tmp_path / "data" / PRINTS.name
    data.mkdir(parents=True)
    for finger in (101, 102):
        for impression in (1, 2):
            shutil.copy(PRINTS / f"{finger}_{impression}.tif", data)
    options = ["--data", str(data.parent), "--out", str(tmp_path / "out"), "--peer", "nbis", "--draws", "10"]
    ran = CliRunner().invoke(main, options)
    assert ran.exit_code == 0, ran.output
    report = json.loads((tmp_path / "out" / "fingerprint.json").read_text())
    peer = report["systems"]["mindtct + bozorth3"]["sets"][PRINTS.name]
    assert (peer["genuine"], peer["impostor"], peer["eer"]) == (2, 4, 0.0)
    assert {(one["matcher"], one["quality"]) for one in report["discard"]} == {
        (matcher, quality) for matcher in report["systems"] for quality in ("our score", "NFIQ 2")
    }


def test_half_of_the_fingers_can_be_chosen_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "SET"
    folder.mkdir()
    for finger in (101, 102, 103, 104):
        for impression in (1, 2):
            (folder / f"{finger}_{impression}.tif").touch()
    (odd,) = find_sets(tmp_path, None, "odd")
    (even,) = find_sets(tmp_path, None, "even")
    assert [path.stem for path in odd.paths] == ["101_1", "101_2", "103_1", "103_2"]
    assert [path.stem for path in even.paths] == ["102_1", "102_2", "104_1", "104_2"]
    assert even.fingers.tolist() == [0, 0, 1, 1]


def test_a_set_of_one_finger_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "SET").mkdir()
    for impression in (1, 2):
        (tmp_path / "SET" / f"101_{impression}.tif").touch()
    ran = CliRunner().invoke(main, ["--data", str(tmp_path)])
    assert ran.exit_code == 2
    assert "two fingers" in ran.output


def test_a_set_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["--data", str(tmp_path), "--sets", "NOWHERE"])
    assert ran.exit_code == 2
    assert "NOWHERE" in ran.output


def test_the_sets_that_are_not_at_500_ppi_are_known() -> None:
    assert resolution_of("FVC2004_DB3_B") == 512.0
    assert resolution_of("FVC2002_DB2_A") == 569.0
    assert resolution_of("FVC2002_DB1_B") == 500.0
