"""A firmware model as a process, and its hand."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import click


class Model:
    """One model. arguments: of `python -m firmware_stubs`."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "firmware_stubs", *arguments, "--until-stdin-closes"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self._process.stdout is None:
            raise click.ClickException("no pipe")
        ready = json.loads(self._process.stdout.readline())
        self.url: str = ready["url"]
        self._control: str = ready["control"]

    def send(self, method: str, path: str, body: bytes | None = None) -> Any:
        return json.loads(self.fetch(path, method, body))

    def fetch(self, path: str, method: str = "GET", body: bytes | None = None) -> bytes:
        request = urllib.request.Request(self._control + path, data=body, method=method)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            content: bytes = answer.read()
        return content

    def fail(self, kind: str, times: int = 1) -> None:
        self.send("PUT", "/fault", json.dumps({"kind": kind, "times": times}).encode())

    def stop(self) -> None:
        self._process.communicate(timeout=10)


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[Model]:
    """A model that ends with the block."""
    model = Model(*arguments)
    try:
        yield model
    finally:
        model.stop()
