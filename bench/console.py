"""Where benchmarks print: wide enough for every table, for figures that are cut off were measured for nothing."""

from __future__ import annotations

import os
import sys
from typing import Final

from rich.console import Console

WIDTH: Final = 150  # columns of a file or a pipe, which rich takes for 80


def bench_console() -> Console:
    """The terminal as it is; a file or a pipe WIDTH wide, unless COLUMNS says otherwise."""
    fixed = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if fixed else WIDTH)
