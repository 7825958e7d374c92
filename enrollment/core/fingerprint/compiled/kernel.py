"""Compile functions to machine code with numba, and keep what was compiled.

A kernel is plain Python over arrays and float32 scalars. `NUMBA_DISABLE_JIT=1` in the environment runs all of them as
Python: slow, and the way to step through them.

Inside a kernel nothing checks an index: whoever calls an entry has made sure of shapes and counts.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar, cast

import numba

CONSTANTS_OF: Final = ("area", "matching_parameters", "projection", "template", "wave_map")
"""Modules of the package above whose constants are compiled into kernels."""

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function that other kernels call. It is compiled with the entries that need it."""
    return cast(Callable[P, R], numba.njit(fastmath=True, error_model="numpy", nogil=True)(function))


def entry(*arguments: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a kernel that Python calls, compiled at once, or read from what an earlier process compiled.

    arguments: types of numba's, of the arguments.

    numba takes what it kept for current as long as the entry's own file is unchanged, whatever kernels and constants
    it calls for: a folder for each state of all sources prevents that. Where no folder can be written to, every process
    compiles for itself.
    """

    def compiled(function: Callable[P, R]) -> Callable[P, R]:
        folder, settings = _cache_folder(), vars(numba.config)
        before = settings["CACHE_DIR"]
        settings["CACHE_DIR"] = str(folder or before)
        try:
            decorate = numba.njit(arguments, cache=folder is not None, fastmath=True, error_model="numpy", nogil=True)
            return cast(Callable[P, R], decorate(function))
        finally:
            settings["CACHE_DIR"] = before

    return compiled


def read_only(*arrays: tuple[Any, int]) -> Sequence[Any]:
    """Name the types of contiguous arrays, of a type of numba's and a number of axes each, that are not written to."""
    return [numba.types.Array(dtype, axes, "C", readonly=True) for dtype, axes in arrays]


@cache
def _cache_folder() -> Path | None:
    """Find a folder to keep machine code in; None where there is none.

    In this order: $NUMBA_CACHE_DIR, beside this file, the user's own cache. Whoever can write there runs code here.
    """
    here, sources = Path(__file__).parent, hashlib.sha256()
    for path in sorted([*here.glob("*.py"), *(here.parent / f"{name}.py" for name in CONSTANTS_OF)]):
        sources.update(path.read_bytes())
    named = os.environ.get("NUMBA_CACHE_DIR")
    own = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "enrollment"
    for root in [Path(named)] if named else [here / "__pycache__", own]:
        folder = root / f"kernels-{sources.hexdigest()[:16]}"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return None
