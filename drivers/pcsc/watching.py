"""Which readers there are, now and at each change; runs in the process of `readers.Monitor`.

PC/SC tells of readers that come and go through one named \\\\?PnP?\\Notification. A watch ends with the service, and
then looks for it again and again; where there is none that costs one refused connection a look.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from drivers.errors import DeviceError
from drivers.pcsc import codes
from drivers.pcsc.library import ANY_CHANGE, Library
from drivers.pcsc.names import parse_name
from drivers.side_process import told

_SERVICE_AWAY_S: Final = 0.25
_SETTLES_S: Final = 0.05  # a reader of two slots comes as two; and a service that always sees a change costs little
_SLICE_S: Final = 1.0  # what came between listing and watching is seen then


def describe(library: Library, only: str = "") -> list[dict[str, Any]]:
    """Every reader: its present name, and its vendor and serial number where it tells them. Raises CardServiceGone.

    only: the one of this name. Asking a reader takes it from others for a moment, so nobody else's is asked.
    """
    wanted = (name for name in library.readers() if only in ("", name))
    return [{"name": name} | _attributes(library, name) for name in wanted]


def watch(library: Library, tell: Callable[[dict[str, Any]], None]) -> None:
    """Tell {"readers": [...], "problem": ERROR or {}} at once and whenever it changes, until `tell` raises.

    In between {} is told every second: who hears nothing knows that the service hangs.
    """
    before: dict[str, Any] = {}
    described: dict[str, dict[str, Any]] = {}
    while True:
        try:
            names = library.readers()
            described = {name: described.get(name) or {"name": name} | _attributes(library, name) for name in names}
            now: dict[str, Any] = {"readers": list(described.values()), "problem": {}}
        except DeviceError as error:
            described = {}
            now = {"readers": [], "problem": told(error).said}
        tell({} if now == before else now)
        before = now
        try:
            if now["problem"]:
                time.sleep(_SERVICE_AWAY_S)
            else:
                # The high word of this state counts the readers: one that came since they were listed is told at once.
                library.states({ANY_CHANGE: len(now["readers"]) << 16}, _SLICE_S)
                time.sleep(_SETTLES_S)
        except DeviceError:
            described = {}


def _attributes(library: Library, name: str) -> dict[str, Any]:
    """Asked of the reader itself only where its name tells no serial number: that needs a connection to it."""
    if parse_name(name).serial:
        return {"serial": parse_name(name).serial, "vendor": ""}
    scard = library.scard
    code, card, _ = scard.SCardConnect(library.context(), name, scard.SCARD_SHARE_DIRECT, 0)
    if code:
        if code & 0xFFFFFFFF != codes.SHARING_VIOLATION:
            library.readers()  # raises where the service is gone
        return {"serial": "", "vendor": ""}
    try:
        return {
            "serial": _text(scard.SCardGetAttrib(card, scard.SCARD_ATTR_VENDOR_IFD_SERIAL_NO)),
            "vendor": _text(scard.SCardGetAttrib(card, scard.SCARD_ATTR_VENDOR_NAME)),
        }
    finally:
        scard.SCardDisconnect(card, scard.SCARD_LEAVE_CARD)


def _text(answer: tuple[int, list[int]]) -> str:
    code, value = answer
    return "" if code else bytes(value).rstrip(b"\0").decode("utf-8", "replace").strip()
