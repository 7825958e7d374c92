"""A disk that is full, or may not be written: the store says so, keeps what it acknowledged, and goes on afterwards."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

WORKER = Path(__file__).with_name("worker_on_a_bad_disk.py")
OWN_MOUNTS = ["unshare", "--mount", "--map-root-user"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that another user may enter, which pytest's own may not."""
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)
        Path(made).chmod(0o700)


def met_by_worker(kind: str, folder: Path, before: list[str]) -> Any:
    command = [*before, sys.executable, str(WORKER), kind, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def require_kept_and_went_on(met: Any) -> None:
    assert met["before"] > 2, "it failed too early to show anything"
    assert met["readable"] == [1] * met["before"], "what was acknowledged must be readable while the disk is full"
    assert met["kept"] == [110_000] * (met["before"] + 1), "and all of it, and the next one, after that"


def test_full_disk_is_told_and_after_room_was_made_it_goes_on(folder: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run([*OWN_MOUNTS, "true"], check=False).returncode != 0:
        pytest.skip("this system lets nobody make a small disk")
    met = met_by_worker("full", folder, OWN_MOUNTS)
    assert met["facts"]["file"] == str(folder / "station.db")
    assert "free space" in met["facts"]["remedy"]
    require_kept_and_went_on(met)


def test_file_that_may_not_grow_is_told_and_after_the_limit_is_gone_it_goes_on(folder: Path) -> None:
    met = met_by_worker("limit", folder, [])
    assert met["facts"]["file"] == str(folder / "station.db")
    assert met["facts"]["remedy"]
    require_kept_and_went_on(met)


def test_folder_that_may_not_be_written_is_named_with_a_remedy(folder: Path) -> None:
    met = met_by_worker("readonly", folder, [])["met"]
    assert [facts["file"] for facts in met] == [str(folder / "station.db"), str(folder / "another.db")]
    assert all("writ" in facts["remedy"] for facts in met)
