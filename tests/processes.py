"""Other processes, as tests handle them."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

_PAUSED_S: Final = 10.0


def pause(process: int) -> None:
    """Stop it, all of its threads, until it is sent SIGCONT. After the signal alone a thread on another core may go on.

    Raises TimeoutError where one still runs after ten seconds, and OSError where there is no such process.
    """
    os.kill(process, signal.SIGSTOP)
    until = time.monotonic() + _PAUSED_S
    while any(_stat(task)[0] != "T" for task in Path(f"/proc/{process}/task").iterdir()):
        if time.monotonic() > until:
            raise TimeoutError(f"process {process} still runs after SIGSTOP")
        time.sleep(0.001)


def children_of(parent: int, module: str) -> list[int]:
    """The processes that this one has started to run a module."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):  # it has just ended
            if int(_stat(folder)[1]) == parent and module.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def _stat(folder: Path) -> list[str]:
    """The fields of proc(5) after the name in brackets: its state, its parent..."""
    return (folder / "stat").read_text().rpartition(")")[2].split()
