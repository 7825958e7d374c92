"""The driver's side of the process that runs libgphoto2: the calls of `library.Body`, each with a limit in time.

A call that takes longer ends the process, and with it whatever the library is waiting for. The next body has a new one.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from drivers.camera.dslr.address import DslrAddress
from drivers.errors import DeviceStalled
from drivers.pipe import Content, Message
from drivers.side_process import SideProcess
from drivers.spi import CameraSetting, DeviceIdentity, SettingState

_START_LIMIT_S = 10.0  # for Python and the library, from a cold disk


class RemoteBody:
    """One body in a process of its own. One thread calls; `kill` may come from another.

    call_limit_s, download_limit_s: how long the library may take for one call, and for one that fetches a picture.
    Every call raises DriverError as `library.Body` does, and DeviceStalled where it took too long or the process ended.
    """

    def __init__(self, *, call_limit_s: float, download_limit_s: float) -> None:
        """Start the process. Raises DeviceNotReady where the system starts none."""
        self._call_limit_s = call_limit_s
        self._download_limit_s = download_limit_s
        self._process = SideProcess("drivers.camera.dslr.process")

    def open(self, address: DslrAddress) -> DeviceIdentity:
        """Connect, and return what the body says of itself."""
        answer = self._call("open", _START_LIMIT_S + self._call_limit_s, address=asdict(address))
        return DeviceIdentity(**answer.said["value"])

    def close(self) -> None:
        """Let go of the body, kindly if the library can, and end the process. Never raises; idempotent."""
        self._process.close()

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
            return self._process.ask(Message({"call": call} | arguments), limit_s)
        except TimeoutError as error:
            raise DeviceStalled("the camera's library does not come back", call=call, limit_s=limit_s) from error
        except (EOFError, OSError) as error:
            raise DeviceStalled("the process that speaks with the camera ended", call=call) from error
