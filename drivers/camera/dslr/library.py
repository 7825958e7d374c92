"""libgphoto2 as one camera body needs it; nothing else imports the library, and nothing here before a body is opened.

Every call blocks, on the network for about 5 s where the camera says nothing, and none can be interrupted. Two of them,
`file_delete` and `exit`, keep Python's lock meanwhile: only the process of a body may call (`process`). A CameraFile
must stay in a variable while its memory is read: the view does not hold it.
"""

from __future__ import annotations

import importlib
import logging
import socket
from typing import Any

from drivers.camera.dslr.address import DslrAddress
from drivers.errors import (
    CardFull,
    DeviceAccessDenied,
    DeviceBusy,
    DeviceError,
    DeviceGone,
    DeviceNotFound,
    DeviceNotReady,
    DeviceStalled,
    PictureRefused,
    UnsupportedDevice,
)
from drivers.spi import CameraSetting, DeviceIdentity, SettingState

MAX_RANGE_STEPS = 200

# gphoto2/gphoto2-result.h and gphoto2-port-result.h
_UNSUPPORTED = -6
_BUSY = -110
_ERRORS: dict[int, tuple[type[DeviceError], str]] = {
    -5: (DeviceNotFound, "no camera at this USB address"),
    _UNSUPPORTED: (UnsupportedDevice, "the camera cannot do this"),
    -7: (DeviceGone, "the camera ended its connection"),
    -10: (DeviceStalled, "the camera does not answer"),
    -34: (DeviceGone, "the connection to the camera is lost"),
    -35: (DeviceGone, "the connection to the camera is lost"),
    -36: (DeviceGone, "the connection to the camera is lost"),
    -37: (DeviceGone, "the connection to the camera is lost"),
    -52: (DeviceNotFound, "no camera at this USB address"),
    -53: (DeviceBusy, "another program holds the camera: end gvfs-gphoto2-volume-monitor, or whatever shows its files"),
    -60: (DeviceAccessDenied, "the system does not give the camera: see the udev rules"),
    -105: (DeviceNotFound, "no camera that the library knows answers"),
    _BUSY: (DeviceNotReady, "the camera is busy"),
    -115: (CardFull, "the camera's card is full"),
}
# The names of one setting differ from maker to maker.
_WIDGETS = {
    CameraSetting.EXPOSURE_TIME: ("shutterspeed", "shutterspeed2", "exptime"),
    CameraSetting.APERTURE: ("aperture", "f-number"),
    CameraSetting.ISO: ("iso",),
    CameraSetting.EXPOSURE_COMPENSATION: ("exposurecompensation",),
    CameraSetting.ZOOM: ("zoom", "digitalzoom"),
}
_SERIAL_WIDGETS = ("serialnumber", "eosserialnumber")

_logger = logging.getLogger(__name__)


class Body:
    """One connected camera. Raises DeviceError subclasses and nothing else."""

    def __init__(self, address: DslrAddress) -> None:
        """Connect. Raises UnsupportedDevice where the library is not installed."""
        try:
            self._gp: Any = importlib.import_module("gphoto2")
        except ImportError as error:
            raise UnsupportedDevice("the library of reflex cameras is missing: install the extra dslr") from error
        try:
            self._camera = self._connect(address)
        except self._gp.GPhoto2Error as error:
            failure = self._typed(error, DeviceNotFound, "no camera answers at this address")
            if isinstance(failure, DeviceGone):  # it never came
                failure = DeviceNotFound("no camera answers at this address", **failure.facts)
            raise failure from error

    @property
    def identity(self) -> DeviceIdentity:
        """What the body says of itself, "" where it says nothing."""
        return DeviceIdentity(
            self._text("manufacturer"), self._text("cameramodel"), self._serial(), self._text("deviceversion")
        )

    def preview(self) -> bytes | None:
        """One frame of live view as a JPEG; None where the camera has none just now. Raises UnsupportedDevice."""
        try:
            file = self._camera.capture_preview()
            return bytes(memoryview(file.get_data_and_size()))
        except self._gp.GPhoto2Error as error:
            if error.code in _ERRORS and error.code != _BUSY:
                raise self._typed(error) from error
            return None

    def release_shutter(self) -> None:
        """Take a picture; `next_file` tells when it is there."""
        try:
            self._camera.trigger_capture()
        except self._gp.GPhoto2Error as error:
            if isinstance(failure := self._typed(error, PictureRefused), DeviceGone | DeviceStalled):
                raise failure from error
            known, cards = self._gp.GP_STORAGEINFO_FREESPACEKBYTES, self._cards()
            if cards and all(card.fields & known and not card.freekbytes for card in cards):
                raise CardFull("the camera's card is full", gphoto2=error.code) from error
            busy = "the camera is busy" if error.code == _BUSY else "no focus, no light, or a lens or card that fails"
            raise PictureRefused(f"the camera refused to take a picture: {busy}", gphoto2=error.code) from error

    def next_file(self, wait_s: float) -> tuple[bool, tuple[str, str] | None]:
        """Wait for one event. Returns whether there was any, and the folder and name of a new file if it was that."""
        try:
            kind, told = self._camera.wait_for_event(max(1, int(1000 * wait_s)))
        except self._gp.GPhoto2Error as error:
            self._cards()
            raise self._typed(error) from error
        if kind == self._gp.GP_EVENT_FILE_ADDED:
            return True, (told.folder, told.name)
        return kind != self._gp.GP_EVENT_TIMEOUT, None

    def download(self, folder: str, name: str) -> bytes:
        """Read a file."""
        try:
            file = self._camera.file_get(folder, name, self._gp.GP_FILE_TYPE_NORMAL)
            return bytes(memoryview(file.get_data_and_size()))
        except self._gp.GPhoto2Error as error:
            raise self._typed(error) from error

    def delete(self, folder: str, name: str) -> bool:
        """Delete a file: a portrait does not stay on the card. What cannot be deleted is logged, and False."""
        try:
            self._camera.file_delete(folder, name)
        except self._gp.GPhoto2Error as error:
            _logger.warning("a picture stays on the camera's card: it cannot be deleted (gphoto2 %d)", error.code)
            return False
        return True

    def settings(self) -> dict[CameraSetting, SettingState]:
        """What this body offers."""
        found = {}
        for setting in CameraSetting:
            widget = self._setting_widget(setting)
            if widget is not None:
                found[setting] = self._state(widget)
        return found

    def change(self, setting: CameraSetting, value: str) -> None:
        """Set to one of the choices."""
        widget = self._setting_widget(setting)
        if widget is None or value not in self._state(widget).choices:
            raise UnsupportedDevice("the camera does not offer this value", setting=setting.value)
        try:
            widget.set_value(float(value) if widget.get_type() == self._gp.GP_WIDGET_RANGE else value)
            self._camera.set_single_config(widget.get_name(), widget)
        except self._gp.GPhoto2Error as error:
            raise self._typed(error, DeviceNotReady, "the camera refused the setting") from error

    def close(self) -> None:
        """End the connection, whatever state it is in."""
        try:
            self._camera.exit()
        except self._gp.GPhoto2Error as error:
            _logger.debug("closing a camera failed (gphoto2 %d)", error.code)

    def _cards(self) -> list[Any]:
        """What the body says of its cards. Raises DeviceGone, DeviceStalled where nobody is there to say anything.

        The first call that a lost connection breaks tells nothing but that it failed; the one after it knows.
        """
        for _ in range(2):
            try:
                return list(self._camera.get_storageinfo())
            except self._gp.GPhoto2Error as error:
                if isinstance(failure := self._typed(error), DeviceGone | DeviceStalled):
                    raise failure from error
        return []

    def _connect(self, address: DslrAddress) -> Any:
        if address.host:
            # The library takes IPv4 in digits alone, and without the second port it looks for events at 15740.
            port = f"ptpip:{_ipv4(address.host)}:{address.port}:{address.port}"
            return self._at("PTP/IP Camera", port)
        found = self._gp.Camera.autodetect()
        places = [(found.get_name(at), found.get_value(at)) for at in range(found.count())]
        places = [(model, port) for model, port in places if port.startswith("usb:")]
        if address.serial:
            return self._with_serial(places, address.serial)
        if address.usb_port != "usb:":
            places = [(model, port) for model, port in places if port == address.usb_port]
        if not places:
            raise DeviceNotFound("no reflex camera on USB")
        if len(places) > 1:
            raise UnsupportedDevice("more than one reflex camera on USB: name one by gphoto2:serial:NUMBER")
        return self._at(*places[0])

    def _with_serial(self, places: list[tuple[str, str]], serial: str) -> Any:
        for model, port in places:
            try:
                self._camera = self._at(model, port)
            except self._gp.GPhoto2Error as error:  # held by another program, perhaps: the next may be the one
                _logger.warning("the camera at %s cannot be asked for its serial number (gphoto2 %d)", port, error.code)
                continue
            if serial in (self._text(name) for name in _SERIAL_WIDGETS):
                return self._camera
            self.close()
        raise DeviceNotFound("no camera of this serial number on USB")

    def _at(self, model: str, port: str) -> Any:
        ports = self._gp.PortInfoList()
        ports.load()
        abilities = self._gp.CameraAbilitiesList()
        abilities.load()
        camera = self._gp.Camera()
        camera.set_port_info(ports[ports.lookup_path(port)])
        camera.set_abilities(abilities[abilities.lookup_model(model)])
        camera.init()
        return camera

    def _serial(self) -> str:
        return next(filter(None, map(self._text, _SERIAL_WIDGETS)), "")

    def _text(self, name: str) -> str:
        widget = self._widget(name)
        value = None if widget is None else widget.get_value()
        return value.strip() if isinstance(value, str) else ""

    def _widget(self, name: str) -> Any:
        """A property of the body; None where it has none of this name."""
        try:
            return self._camera.get_single_config(name)
        except self._gp.GPhoto2Error as error:
            if isinstance(failure := self._typed(error), DeviceGone | DeviceStalled):
                raise failure from error
            return None

    def _setting_widget(self, setting: CameraSetting) -> Any:
        return next((widget for name in _WIDGETS[setting] if (widget := self._widget(name)) is not None), None)

    def _state(self, widget: Any) -> SettingState:
        value = widget.get_value()
        choices: tuple[str, ...] = ()
        kind = widget.get_type()
        if kind == self._gp.GP_WIDGET_RANGE:
            low, high, step = widget.get_range()
            count = int((high - low) / step) + 1 if step > 0 else 0
            choices = tuple(f"{low + at * step:g}" for at in range(min(count, MAX_RANGE_STEPS)))
            value = f"{value:g}"
        elif kind in (self._gp.GP_WIDGET_RADIO, self._gp.GP_WIDGET_MENU):
            choices = tuple(widget.get_choice(at) for at in range(widget.count_choices()))
        return SettingState(str(value), () if widget.get_readonly() else choices)

    def _typed(
        self, error: Any, otherwise: type[DeviceError] = DeviceError, message: str = "the camera reports an error"
    ) -> DeviceError:
        kind, said = _ERRORS.get(error.code, (otherwise, message))
        return kind(said, gphoto2=error.code)


def _ipv4(host: str) -> str:
    try:
        return str(socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
    except (OSError, UnicodeError) as error:
        raise DeviceNotFound("the camera's name is not known on the network", host=host) from error
