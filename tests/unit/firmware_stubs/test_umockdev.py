"""The second bus, where there is none: what it says without Debian's bindings. With them: tests/buses."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from firmware_stubs.umockdev.process import PACKAGES


@pytest.mark.skipif(importlib.util.find_spec("gi") is not None, reason="this very Python has the bindings")
def test_python_without_the_bindings_is_told_which_packages_have_them() -> None:
    command = [sys.executable, "-m", "firmware_stubs.umockdev", "usbip://127.0.0.1:3240/1-1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert PACKAGES in done.stderr
