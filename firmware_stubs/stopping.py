"""When a stub's process is to end."""

from __future__ import annotations

import argparse
import os
import signal
import threading
from collections.abc import Callable


def when_asked_to_stop(arguments: argparse.Namespace, stop: Callable[[], object]) -> None:
    """Call `stop` on SIGTERM, SIGINT and, with --until-stdin-closes, at the end of standard input."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())
    if arguments.until_stdin_closes:
        threading.Thread(target=_watch_stdin, args=(stop,), name="stdin", daemon=True).start()


def _watch_stdin(stop: Callable[[], object]) -> None:
    try:
        while os.read(0, 4096):  # not sys.stdin: its lock would be held while the interpreter shuts down
            pass
    except OSError:
        pass
    stop()
