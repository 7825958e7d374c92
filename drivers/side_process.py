"""A process of a driver's own, for a library that hangs, crashes or keeps Python's lock: there it harms nobody else.

It is `python -m MODULE` of ours, with one end of a pair of sockets as its standard input; it ends when the other end
closes, however the driver's process ended. What is said is of `pipe`.
"""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from typing import Any, Final

from drivers import errors, pipe
from drivers.errors import DeviceNotReady, DriverError
from drivers.pipe import Message

_CLOSE_LIMIT_S: Final = 1.0
_EXIT_LIMIT_S: Final = 5.0  # a process that was killed is gone at once, unless the system itself hangs in its call

_KINDS = {
    kind.reason: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DriverError)
}

_logger = logging.getLogger(__name__)


class SideProcess:
    """One process. One thread asks; `kill` may come from another."""

    def __init__(self, module: str) -> None:
        """Start it. Raises DeviceNotReady where the system starts none."""
        self._module = module
        self.channel, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", module], stdin=theirs.fileno(), stdout=subprocess.DEVNULL
                )
        except OSError as error:
            self.channel.close()
            raise DeviceNotReady("the process that speaks with the device cannot be started") from error

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def ask(self, request: Message, limit_s: float) -> Message:
        """The answer to a request.

        Raises the DriverError that the answer tells of; TimeoutError beyond limit_s, EOFError or OSError where the
        process has ended. After one of these three it is killed.
        """
        self.send(request, limit_s)
        return self.receive(limit_s)

    def send(self, request: Message, limit_s: float) -> None:
        """A request whose answer is received later: they come in order. Raises as `ask` does."""
        try:
            self.channel.settimeout(limit_s)
            pipe.send(self.channel, request)
        except OSError:
            self.kill()
            raise

    def receive(self, limit_s: float) -> Message:
        """The answer to the oldest request that has none yet. Raises as `ask` does."""
        try:
            answer = pipe.receive(self.channel, limit_s)
        except (EOFError, OSError):
            self.kill()
            raise
        if "error" in answer.said:
            raise error_of(answer.said)
        return answer

    def close(self) -> None:
        """Ask it to end, wait, and kill it where it does not. Never raises; idempotent."""
        try:
            self.channel.shutdown(socket.SHUT_WR)
            self._process.wait(_CLOSE_LIMIT_S)
        except (OSError, subprocess.TimeoutExpired):
            self.kill()
        self.channel.close()
        try:
            self._process.wait(_EXIT_LIMIT_S)
        except subprocess.TimeoutExpired:
            _logger.warning("the process %d (%s) does not end", self._process.pid, self._module)

    def kill(self) -> None:
        """End it now: who waits for its answer fails."""
        self._process.kill()


def told(error: DriverError) -> Message:
    """An error as the process answers it."""
    return Message({"error": error.reason, "message": str(error), "facts": error.facts})


def error_of(said: dict[str, Any]) -> DriverError:
    """The error that such an answer tells of."""
    return _KINDS[said["error"]](said["message"], **said["facts"])
