"""Where a reflex camera is.

ptpip://host[:15740]        on the network, PTP/IP
gphoto2:serial:0123456      on USB, named by its serial number: the same one wherever it is plugged in
gphoto2:usb:001,004         on USB, at one address, which the next plug-in changes
gphoto2:usb:                on USB, the only one
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urldefrag, urlsplit

from drivers.errors import UnsupportedDevice

PTPIP_PORT = 15740

_USB_PORT = re.compile(r"usb:(\d{3},\d{3})?")


@dataclass(frozen=True, slots=True)
class DslrAddress:
    """One of: host and port; serial; usb_port ("usb:" for the only camera)."""

    host: str = ""
    port: int = 0
    serial: str = ""
    usb_port: str = ""


def parse_address(address: str) -> DslrAddress:
    """Read an address. Raises UnsupportedDevice for another kind."""
    place = urldefrag(address).url
    scheme, _, rest = place.partition(":")
    if scheme == "ptpip":
        try:
            url = urlsplit(place)
            host, port = url.hostname, url.port
        except ValueError as error:
            raise UnsupportedDevice("not an address of a camera") from error
        if host:
            return DslrAddress(host=host, port=port or PTPIP_PORT)
    elif scheme == "gphoto2":
        if rest.startswith("serial:") and len(rest) > len("serial:"):
            return DslrAddress(serial=rest.removeprefix("serial:"))
        if _USB_PORT.fullmatch(rest):
            return DslrAddress(usb_port=rest)
    raise UnsupportedDevice("not an address of a reflex camera: ptpip://host, gphoto2:serial:NUMBER or gphoto2:usb:")
