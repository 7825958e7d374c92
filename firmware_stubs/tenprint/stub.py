"""A ten-print scanner on two ports: USB/IP for the driver, HTTP for the hand.

The hand's paths are those of scanner.hand, and

    PUT    /platen?person=S&position=P&impression=K            a person's slap: P is 13, 14 or 15
    PUT    /platen?person=S&position=P&impression=K&roll_ms=T  a person's finger, 1 to 10, rolled within T milliseconds
    GET    /state?until=U                                      "off", "idle", "streaming", "sending" (a frame),
                                                               "imported", "released", "images:N", "commands:N"
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import ClassVar, Final, Protocol
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.scanner.hand import ControlHandler, Controlled, Refused, State
from firmware_stubs.scanner.two_ports import PortOptions, TwoPorts
from firmware_stubs.tenprint import hands
from firmware_stubs.tenprint.description import DEFAULT_SERIAL
from firmware_stubs.tenprint.faults import FAULTS
from firmware_stubs.tenprint.firmware import RATE, WIRE_BYTES_S, Surroundings, TenPrintFirmware
from firmware_stubs.tenprint.layout import HEIGHT, WIDTH
from firmware_stubs.tenprint.sensor import Sensor

MAX_ROLL_MS: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TenPrintOptions(PortOptions):
    """serial: also seeds the sensor. rate: frames a second. wire_bytes_s: of the bus; 0 for one that takes no time."""

    serial: str = DEFAULT_SERIAL
    rate: float = RATE
    wire_bytes_s: float = WIRE_BYTES_S


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
            return self._await(self.device.lay(hands.slap_picture(person, position, impression)))
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
    MODES = frozenset({"off", "idle", "streaming", "sending"})

    def __init__(self, options: TenPrintOptions) -> None:
        super().__init__(options)
        self._options = options
        self._sensor = Sensor(zlib.crc32(options.serial.encode()))
        around = Surroundings(self._on_change, self._cut_cable, options.rate, options.wire_bytes_s)
        self._device = TenPrintFirmware(options.serial, self._sensor, self._faults, around)
        self._connect(self._device)

    @property
    def fault_kinds(self) -> Collection[Enum]:
        return FAULTS

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

    def _mode(self) -> str:
        return self._device.mode

    def _is_in(self, mode: str) -> bool:
        return self._device.sending if mode == "sending" else super()._is_in(mode)

    def _counts(self) -> Mapping[str, int]:
        return {"images": self._device.images_sent, "commands": self._device.commands}

    def _own_state(self) -> State:
        return {
            "platen": self._sensor.occupied,
            "images_sent": self._device.images_sent,
            "commands": self._device.commands,
            "lights": list(self._device.lights),
            "beeps": self._device.beeps,
            "defects": self._sensor.defects.told(),
            "model": "tenprint",
            "serial": self._options.serial,
        }
