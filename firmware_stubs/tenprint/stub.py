"""A ten-print scanner on two ports: USB/IP for the driver, HTTP for the hand.

The hand's paths are those of uru4000.control, and

    PUT    /platen?person=S&position=P&impression=K&missing=M  a person's slap: P is 13, 14 or 15; without finger M
    PUT    /platen?person=S&position=P&impression=K&roll_ms=T  a person's finger, 1 to 10, rolled within T milliseconds
    GET    /state?until=U                                      "off", "idle", "streaming", "sending" (a frame),
                                                               "imported", "released", "images:N", "commands:N"
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Final, Protocol
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.tenprint import hands
from firmware_stubs.tenprint.description import DEFAULT_SERIAL
from firmware_stubs.tenprint.faults import Fault
from firmware_stubs.tenprint.firmware import RATE, WIRE_BYTES_S, Surroundings, TenPrintFirmware
from firmware_stubs.tenprint.layout import HEIGHT, WIDTH
from firmware_stubs.tenprint.sensor import Sensor
from firmware_stubs.two_ports import TwoPorts, is_count
from firmware_stubs.uru4000.control import ControlHandler, Controlled, FaultOrder, Refused, State

MAX_ROLL_MS: Final = 60_000
_MODES: Final = frozenset({"off", "idle", "streaming", "sending", "imported", "released"})
_COUNTS: Final = ("images", "commands")


@dataclass(frozen=True, slots=True)
class TenPrintOptions:
    """port, control_port: 0 takes any free one. serial: also seeds the sensor. rate: frames a second.

    wire_bytes_s: of the bus; 0 for one that takes no time. faults: armed from the start.
    """

    serial: str = DEFAULT_SERIAL
    host: str = "127.0.0.1"
    port: int = 0
    control_port: int = 0
    rate: float = RATE
    wire_bytes_s: float = WIRE_BYTES_S
    bus_id: str = "1-1"
    faults: tuple[FaultOrder, ...] = ()


class _Rollable(Controlled, Protocol):
    async def lay_rolling(self, picture: NDArray[np.uint8], roll_s: float) -> State: ...


class _HandPort(ControlHandler):
    """The usual paths, and whole hands."""

    device: ClassVar[_Rollable]

    def _route(self, body: bytes) -> State | bytes:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        if (self.command, parts.path) != ("PUT", "/platen") or "person" not in query:
            return super()._route(body)
        numbers = {name: _whole(name, text) for name, text in query.items()}
        person, position = numbers["person"], numbers.get("position", 0)
        impression, roll_ms = numbers.get("impression", 0), numbers.get("roll_ms")
        if roll_ms is None and position in hands.SLAPS:
            missing = numbers.get("missing", 0)
            return self._await(self.device.lay(hands.slap_picture(person, position, impression, missing)))
        if roll_ms is not None and position in hands.FINGERS and 1 <= roll_ms <= MAX_ROLL_MS:
            picture = hands.rolled_picture(person, position, impression)
            return self._await(self.device.lay_rolling(picture, roll_ms / 1000))
        message = f"position is 13, 14 or 15, or 1 to 10 with roll_ms of 1 to {MAX_ROLL_MS}"
        raise Refused(HTTPStatus.BAD_REQUEST, "BAD_QUERY", message)


def _whole(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Refused(HTTPStatus.BAD_REQUEST, "BAD_QUERY", f"{name} must be a whole number of at most 18 digits")
    return int(text)


class TenPrintStub(TwoPorts):
    """Runs while entered, on the event loop that entered it."""

    HAND = _HandPort

    def __init__(self, options: TenPrintOptions) -> None:
        super().__init__(options)
        self._options = options
        self._sensor = Sensor(zlib.crc32(options.serial.encode()))
        around = Surroundings(self._on_change, self._cut_cable, options.rate, options.wire_bytes_s)
        self._device = TenPrintFirmware(options.serial, self._sensor, self._faults, around)
        self._connect(self._device)

    @property
    def fault_kinds(self) -> Collection[Fault]:
        return tuple(Fault)

    @property
    def picture_size(self) -> tuple[int, int]:
        return WIDTH, HEIGHT

    async def lay(self, picture: NDArray[np.uint8]) -> State:
        return await self.lay_rolling(picture, 0.0)

    async def lay_rolling(self, picture: NDArray[np.uint8], roll_s: float) -> State:
        self._sensor.lay(picture, asyncio.get_running_loop().time(), roll_s)
        self._on_change()
        return self._state()

    async def lift(self) -> State:
        self._sensor.lift()
        self._on_change()
        return self._state()

    def _picture(self) -> NDArray[np.uint8]:
        return self._sensor.picture()

    def _own_state(self) -> State:
        return {
            "mode": self._device.mode,
            "platen": self._sensor.occupied,
            "images_sent": self._device.images_sent,
            "commands": self._device.commands,
            "lights": list(self._device.lights),
            "beeps": self._device.beeps,
            "model": "tenprint",
            "serial": self._options.serial,
        }

    def _holds(self, condition: str) -> bool:
        name, _, count = condition.partition(":")
        match name:
            case "sending":
                return self._device.sending
            case "images":
                return self._device.images_sent >= int(count)
            case "commands":
                return self._device.commands >= int(count)
            case _:
                return self._device.mode == condition

    def _where(self) -> str:
        return f"the scanner is {self._device.mode}"

    def _require_condition(self, condition: str) -> None:
        if not is_count(condition, _COUNTS) and condition not in _MODES:
            known = ", ".join(sorted(_MODES))
            raise Refused(HTTPStatus.BAD_REQUEST, "BAD_QUERY", f"until: {known}, images:N or commands:N")
