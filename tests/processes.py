"""Other processes, as tests handle them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Final

_PAUSED_S: Final = 10.0


def pause(process: int) -> None:
    """Stop it, all of its threads, until it is sent SIGCONT. After the signal alone a thread on another core may go on.

    Raises TimeoutError where one still runs after ten seconds, and OSError where there is no such process.
    """
    os.kill(process, signal.SIGSTOP)
    until = time.monotonic() + _PAUSED_S
    while any(_state(task) != "T" for task in Path(f"/proc/{process}/task").iterdir()):
        if time.monotonic() > until:
            raise TimeoutError(f"process {process} still runs after SIGSTOP")
        time.sleep(0.001)


def _state(task: Path) -> str:
    """One letter of proc(5), the field after the name in brackets."""
    return (task / "stat").read_text().rpartition(")")[2].split()[0]
