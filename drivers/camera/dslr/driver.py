"""A reflex or mirrorless camera over libgphoto2, on USB or the network: live view where the body has it, and stills.

See README.md here for what it was proven on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from drivers.camera.dslr.address import parse_address
from drivers.camera.dslr.remote import RemoteBody
from drivers.camera.dslr.session import Session
from drivers.errors import CaptureTimedOut, DeviceNotReady, UnsupportedDevice
from drivers.frame import Frame
from drivers.spi import CameraCapabilities, CameraSetting, CancelToken, DeviceIdentity, SettingState

_OPEN_TIMEOUT_S = 15.0  # the process takes its time to start, and a body on the network to wake up
_FIRST_FRAME_TIMEOUT_S = 5.0
_SETTING_TIMEOUT_S = 10.0
_CALL_LIMIT_S = 8.0  # the library itself gives up after 5 s on the network
_DOWNLOAD_LIMIT_S = 60.0  # the largest picture over a weak wireless network

T = TypeVar("T")


class Dslr:
    """A camera at ptpip://host[:port], gphoto2:serial:NUMBER or gphoto2:usb:...; implements StillCamera.

    call_limit_s, download_limit_s: how long the library may take for one call, and for one that fetches a picture.
    Raises UnsupportedDevice for another kind of address.
    """

    def __init__(
        self, address: str, *, call_limit_s: float = _CALL_LIMIT_S, download_limit_s: float = _DOWNLOAD_LIMIT_S
    ) -> None:
        self._address = parse_address(address)
        self._limits = {"call_limit_s": call_limit_s, "download_limit_s": download_limit_s}
        self._session: Session | None = None
        self._identity = DeviceIdentity("", self._address.host, self._address.serial, "")
        self._capabilities = CameraCapabilities(0, 0, 0.0)

    @property
    def identity(self) -> DeviceIdentity:
        return self._identity

    @property
    def capabilities(self) -> CameraCapabilities:
        """Of the live view; zeros before the first open, and for a body without one."""
        return self._capabilities

    def open(self) -> None:
        if self._session is not None:
            return
        session = Session(self._address, RemoteBody(**self._limits))
        try:
            session.wait_open(_OPEN_TIMEOUT_S)
            self._capabilities = _look(session)
        except BaseException:
            session.stop()
            raise
        self._identity = session.identity
        self._session = session

    def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.stop()

    def latest(self, *, newer_than: int = 0, timeout_s: float, cancel: CancelToken) -> Frame:
        """As Camera.latest. Raises UnsupportedDevice where the body gives no live view."""
        session = self._opened()
        if not session.has_live_view:
            session.frames.raise_failure()
            raise UnsupportedDevice("this camera gives no live view: it takes stills alone")
        return session.frames.newer_than(newer_than, timeout_s, cancel)

    def take_still(self, *, timeout_s: float, cancel: CancelToken) -> Frame:
        return self._opened().take_still(timeout_s, cancel)

    def settings(self) -> Mapping[CameraSetting, SettingState]:
        return self._ask(RemoteBody.settings)

    def change_setting(self, setting: CameraSetting, value: str) -> None:
        self._ask(lambda body: body.change(setting, value))

    def _ask(self, task: Callable[[RemoteBody], T]) -> T:
        return self._opened().ask(task, _SETTING_TIMEOUT_S, CancelToken())

    def _opened(self) -> Session:
        if self._session is None:
            raise DeviceNotReady("the camera is not open")
        return self._session


def _look(session: Session) -> CameraCapabilities:
    """Wait for the first frame, whose size no property tells."""
    if not session.has_live_view:
        return CameraCapabilities(0, 0, 0.0)
    try:
        first = session.frames.newer_than(0, _FIRST_FRAME_TIMEOUT_S, CancelToken())
    except CaptureTimedOut as error:
        raise DeviceNotReady("the camera connects, but shows no picture") from error
    height, width = first.pixels.shape[:2]
    return CameraCapabilities(width, height, 0.0)
