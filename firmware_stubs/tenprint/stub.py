"""A ten-print scanner on two ports: USB/IP for the driver, HTTP for the hand.

The hand's paths are those of uru4000.control, and

    PUT    /platen?person=S&position=P&impression=K            a person's slap: P is 13, 14 or 15
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
from typing import ClassVar, Final, Protocol, Self
from urllib.parse import parse_qsl, urlsplit

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.tenprint import hands
from firmware_stubs.tenprint.description import DEFAULT_SERIAL
from firmware_stubs.tenprint.faults import Fault
from firmware_stubs.tenprint.firmware import RATE, WIRE_BYTES_S, Surroundings, TenPrintFirmware
from firmware_stubs.tenprint.layout import HEIGHT, WIDTH
from firmware_stubs.tenprint.sensor import Sensor
from firmware_stubs.uru4000.control import ControlHandler, Controlled, ControlServer, FaultOrder, Refused, State
from firmware_stubs.uru4000.faults import Faults
from firmware_stubs.usbip.server import Export, UsbIpServer

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


class TenPrintStub:
    """Runs while entered, on the event loop that entered it."""

    def __init__(self, options: TenPrintOptions) -> None:
        self._options = options
        self._sensor = Sensor(zlib.crc32(options.serial.encode()))
        self._faults = Faults()
        for order in options.faults:
            self._faults.arm(order.kind, order.times, order.after)
        self._changed = asyncio.Condition()
        self._notifying: set[asyncio.Task[None]] = set()
        self._closing = False
        around = Surroundings(self._on_change, self._cut_cable, options.rate, options.wire_bytes_s)
        self._device = TenPrintFirmware(options.serial, self._sensor, self._faults, around)
        self._export = Export(options.bus_id, self._device)
        self._server = UsbIpServer([self._export])
        self._control: ControlServer | None = None
        self.url = ""
        self.control_url = ""

    async def __aenter__(self) -> Self:
        options = self._options
        port = await self._server.start(options.host, options.port)
        loop = asyncio.get_running_loop()
        self._control = ControlServer(options.host, options.control_port, self, loop, _HandPort)
        self.url = f"usbip://{options.host}:{port}/{options.bus_id}"
        self.control_url = f"http://{options.host}:{self._control.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        await self._notify()
        if self._control is not None:
            await asyncio.to_thread(self._control.close)
        await self._server.close()

    # control.Controlled

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

    async def platen_png(self) -> bytes:
        done, png = cv2.imencode(".png", self._sensor.picture())
        assert done  # noqa: S101 - a uint8 picture always encodes
        return png.tobytes()

    async def state(self) -> State:
        return self._state()

    async def state_when(self, condition: str, timeout_s: float) -> State:
        _require_condition(condition)
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: self._closing or self._holds(condition))
        except TimeoutError:
            message = f"not within {timeout_s:g} s; the scanner is {self._device.mode}"
            raise Refused(HTTPStatus.REQUEST_TIMEOUT, "NOT_REACHED", message) from None
        return self._state()

    async def unplug(self) -> State:
        self._cut_cable()
        return self._state()

    async def plug(self) -> State:
        self._export.plug()
        self._on_change()
        return self._state()

    async def arm(self, order: FaultOrder) -> State:
        self._faults.arm(order.kind, order.times, order.after)
        return self._state()

    async def disarm(self) -> State:
        self._faults.clear()
        return self._state()

    def _cut_cable(self) -> None:
        self._export.unplug()
        self._on_change()

    def _state(self) -> State:
        return {
            "mode": self._device.mode,
            "platen": self._sensor.occupied,
            "images_sent": self._device.images_sent,
            "commands": self._device.commands,
            "lights": list(self._device.lights),
            "beeps": self._device.beeps,
            "attached": self._export.plugged,
            "imported": self._export.imported,
            "model": "tenprint",
            "serial": self._options.serial,
            "faults": self._faults.armed(),
        }

    def _holds(self, condition: str) -> bool:
        name, _, count = condition.partition(":")
        match name:
            case "imported":
                return self._export.imported
            case "released":
                return not self._export.imported
            case "sending":
                return self._device.sending
            case "images":
                return self._device.images_sent >= int(count)
            case "commands":
                return self._device.commands >= int(count)
            case _:
                return self._device.mode == condition

    def _on_change(self) -> None:
        task = asyncio.get_running_loop().create_task(self._notify())
        self._notifying.add(task)
        task.add_done_callback(self._notifying.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


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


def _require_condition(condition: str) -> None:
    name, _, count = condition.partition(":")
    counted = name in _COUNTS and count.isascii() and count.isdigit() and len(count) <= 9
    if not counted and condition not in _MODES:
        known = ", ".join(sorted(_MODES))
        raise Refused(HTTPStatus.BAD_REQUEST, "BAD_QUERY", f"until: {known}, images:N or commands:N")
