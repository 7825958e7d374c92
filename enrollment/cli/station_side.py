"""Asks the station's own code, in a process of its own, for what needs no daemon: a client may not import it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Final

DIAGNOSTICS: Final = "enrollment.service.diagnostics"
TIMEOUT_S: Final = 60.0


class StationSideFailed(Exception):
    """The process did not answer as it should; the message says how it ended."""


def ask(arguments: Sequence[str]) -> dict[str, Any]:
    """Run `python -m enrollment.service.diagnostics ARGUMENTS`; the JSON object that it prints.

    Raises StationSideFailed.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", DIAGNOSTICS, *arguments],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StationSideFailed(f"{DIAGNOSTICS}: {type(error).__name__}") from error
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:]
        raise StationSideFailed(f"{DIAGNOSTICS}: status {done.returncode}: {' '.join(last)}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
