"""Compiled functions: what is kept is current, and where nothing can be kept they work all the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import enrollment.core.fingerprint.compiled
from enrollment.core.fingerprint.compiled.arithmetic import cos_of_turns, exp
from enrollment.core.fingerprint.compiled.kernel import CONSTANTS_OF

SOURCES = Path(enrollment.core.fingerprint.compiled.__path__[0])
FOLDERS = "from enrollment.core.fingerprint.compiled import kernel; print(kernel._cache_folder())"


def cache_folder(**environment: str) -> str:
    """Ask a process of its own where it would keep machine code."""
    told = subprocess.run(
        [sys.executable, "-c", FOLDERS], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return told.stdout.strip()


def test_every_module_that_kernels_take_constants_from_makes_what_was_kept_stale() -> None:
    imported = {
        name
        for path in SOURCES.glob("*.py")
        for name in re.findall(r"^from enrollment\.core\.fingerprint\.(\w+) import", path.read_text(), re.MULTILINE)
    }
    assert imported - {"compiled"} == set(CONSTANTS_OF)


def test_machine_code_is_kept_where_the_environment_says(tmp_path: Path) -> None:
    folder = Path(cache_folder(NUMBA_CACHE_DIR=str(tmp_path / "kept")))
    assert folder.parent == tmp_path / "kept"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_where_nothing_can_be_kept_there_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert cache_folder(NUMBA_CACHE_DIR=str(tmp_path / "file" / "below")) == "None"


@pytest.mark.parametrize("x", [0.0, -0.3, -1.0, -7.5, -29.0, 3.0])
def test_the_exponential_is_right_to_five_digits(x: float) -> None:
    assert exp(np.float32(x)) == pytest.approx(np.exp(x), rel=1e-5)


def test_the_exponential_of_very_little_is_next_to_nothing() -> None:
    assert 0.0 < exp(np.float32(-1e6)) < 1e-12


def test_the_cosine_of_turns_is_right_to_four_digits() -> None:
    for turns in np.linspace(-0.5, 0.5, 41, dtype=np.float32):
        assert cos_of_turns(turns) == pytest.approx(np.cos(2 * np.pi * turns), abs=1e-4)
