"""Starts and stops what a station is made of: device models, registry, daemon; each a process with a log of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import IO, Any, Final

READY_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 10.0


class ProcessFailed(Exception):
    """A process ended, or did not become ready; the message carries the end of its log."""


@dataclass(slots=True)
class Running:
    """A process that said it is ready; `ready` is the JSON line with which it said so."""

    name: str
    process: subprocess.Popen[str]
    log: Path
    ready: Mapping[str, Any] = field(default_factory=dict)

    def stop(self) -> None:
        """Ask it to end, and make it end. Idempotent."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def launch(
    name: str, module: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str] = MappingProxyType({})
) -> Running:
    """Start `python -m module` without waiting for it; call `await_ready` next. environment: beside our own."""
    with log.open("w", encoding="utf-8") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
        )
    return Running(name, process, log)


def await_ready(running: Running, timeout_s: float = READY_TIMEOUT_S) -> Running:
    """Wait for the line {"ready": true, ...} on its standard output. Raises ProcessFailed."""
    lines: SimpleQueue[str] = SimpleQueue()

    def read(stream: IO[str]) -> None:
        for line in stream:
            lines.put(line)
        lines.put("")

    stream = running.process.stdout
    if stream is None:
        raise ProcessFailed(f"{running.name} was started without a pipe")
    threading.Thread(target=read, args=(stream,), name=f"{running.name}-stdout", daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=timeout_s)
        except Empty:
            running.kill()
            raise ProcessFailed(
                f"{running.name} was not ready after {timeout_s:.0f} s:\n{_tail(running.log)}"
            ) from None
        if not line:
            status = running.process.wait()
            raise ProcessFailed(f"{running.name} ended with status {status}:\n{_tail(running.log)}")
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict) and said.get("ready") is True:
            running.ready = said
            return running


def run_to_end(module: str, arguments: Sequence[str]) -> str:
    """Run `python -m module` and return its standard output. Raises ProcessFailed."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, timeout=READY_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        raise ProcessFailed(f"{module} {arguments[0]} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout
