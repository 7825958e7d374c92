"""The driver's side of the process that runs libgphoto2: the calls of `library.Body`, each with a limit in time.

A call that takes longer ends the process, and with it whatever the library is waiting for. The next body has a new one.
"""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from dataclasses import asdict
from typing import Any

from drivers import errors
from drivers.camera.dslr import pipe
from drivers.camera.dslr.address import DslrAddress
from drivers.camera.dslr.pipe import Content, Message
from drivers.errors import DeviceNotReady, DeviceStalled, DriverError
from drivers.spi import CameraSetting, DeviceIdentity, SettingState

_START_LIMIT_S = 10.0  # for Python and the library, from a cold disk
_CLOSE_LIMIT_S = 1.0
_EXIT_LIMIT_S = 5.0  # a process that was killed is gone at once, unless the system itself hangs in its USB call

_KINDS = {
    kind.reason: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DriverError)
}

_logger = logging.getLogger(__name__)


class RemoteBody:
    """One body in a process of its own. One thread calls; `kill` may come from another.

    call_limit_s, download_limit_s: how long the library may take for one call, and for one that fetches a picture.
    Every call raises DriverError as `library.Body` does, and DeviceStalled where it took too long or the process ended.
    """

    def __init__(self, *, call_limit_s: float, download_limit_s: float) -> None:
        """Start the process. Raises DeviceNotReady where the system starts none."""
        self._call_limit_s = call_limit_s
        self._download_limit_s = download_limit_s
        self._channel, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "drivers.camera.dslr.process"],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                )
        except OSError as error:
            self._channel.close()
            raise DeviceNotReady("the process that speaks with the camera cannot be started") from error

    def open(self, address: DslrAddress) -> DeviceIdentity:
        """Connect, and return what the body says of itself."""
        answer = self._call("open", _START_LIMIT_S + self._call_limit_s, address=asdict(address))
        return DeviceIdentity(**answer.said["value"])

    def close(self) -> None:
        """Let go of the body, kindly if the library can, and end the process. Never raises; idempotent."""
        try:
            self._channel.shutdown(socket.SHUT_WR)
            self._process.wait(_CLOSE_LIMIT_S)
        except (OSError, subprocess.TimeoutExpired):
            self.kill()
        self._channel.close()
        try:
            self._process.wait(_EXIT_LIMIT_S)
        except subprocess.TimeoutExpired:
            _logger.warning("the process %d of a reflex camera does not end", self._process.pid)

    def kill(self) -> None:
        """End the process now: a call that waits for it fails."""
        self._process.kill()

    def preview(self) -> Content | None:
        answer = self._call("preview")
        return answer.content if answer.said["value"] else None

    def release_shutter(self) -> None:
        self._call("release_shutter")

    def next_file(self, wait_s: float) -> tuple[bool, tuple[str, str] | None]:
        happened, path = self._call("next_file", wait_s=wait_s).said["value"]
        return happened, None if path is None else (path[0], path[1])

    def download(self, folder: str, name: str) -> Content:
        return self._call("download", self._download_limit_s, folder=folder, name=name).content

    def delete(self, folder: str, name: str) -> bool:
        return bool(self._call("delete", folder=folder, name=name).said["value"])

    def settings(self) -> dict[CameraSetting, SettingState]:
        offered = self._call("settings").said["value"]
        return {
            CameraSetting(name): SettingState(state["value"], tuple(state["choices"]))
            for name, state in offered.items()
        }

    def change(self, setting: CameraSetting, value: str) -> None:
        self._call("change", setting=setting.value, value=value)

    def _call(self, call: str, limit_s: float | None = None, **arguments: Any) -> Message:
        limit_s = self._call_limit_s if limit_s is None else limit_s
        try:
            self._channel.settimeout(limit_s)
            pipe.send(self._channel, Message({"call": call} | arguments))
            answer = pipe.receive(self._channel, limit_s)
        except TimeoutError as error:
            self.kill()
            raise DeviceStalled("the camera's library does not come back", call=call, limit_s=limit_s) from error
        except (EOFError, OSError) as error:
            self.kill()
            raise DeviceStalled("the process that speaks with the camera ended", call=call) from error
        if "error" in answer.said:
            raise _KINDS[answer.said["error"]](answer.said["message"], **answer.said["facts"])
        return answer
