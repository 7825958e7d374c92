"""A bus as a process of Debian's Python, for programs of any other; this module needs no gi."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from pathlib import Path
from typing import Final, Self

DEBIAN_PYTHON: Final = "/usr/bin/python3"
PACKAGES: Final = "umockdev gir1.2-umockdev-1.0 python3-gi"

_PROJECT: Final = Path(__file__).parents[2]
_NEEDS: Final = "import ctypes, gi; gi.require_version('UMockdev', '1.0'); ctypes.CDLL('libumockdev-preload.so.0')"


@functools.cache
def missing() -> str:
    """What this machine lacks for a bus; "" where it lacks nothing."""
    try:
        tried = subprocess.run([DEBIAN_PYTHON, "-c", _NEEDS], capture_output=True, timeout=30, check=False)
    except OSError:
        return f"{DEBIAN_PYTHON} is not there: the bus needs Debian's own Python"
    return "" if tried.returncode == 0 else f"the bus needs the Debian packages {PACKAGES}"


class BusProcess:
    """A bus while entered. exports: as the module's arguments. environment: what a program on this bus is started with.

    It must outlive the programs that it serves: umockdev aborts one whose device's other end is gone.
    """

    def __init__(self, *exports: str) -> None:
        command = [DEBIAN_PYTHON, "-m", "firmware_stubs.umockdev", "--until-stdin-closes", *exports]
        self._process = subprocess.Popen(
            command, cwd=_PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        line = self._process.stdout.readline()
        if not line:
            self._process.communicate()
            raise OSError("the bus did not start")
        self.environment: dict[str, str] = os.environ | json.loads(line)["environment"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)
