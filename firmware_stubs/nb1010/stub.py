"""A scanner on two ports: USB/IP for the driver, HTTP for the hand."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.nb1010.faults import Fault
from firmware_stubs.nb1010.firmware import Nb1010, Surroundings
from firmware_stubs.nb1010.sensor import LAID_SIZE, Sensor
from firmware_stubs.uru4000.control import ControlServer, FaultOrder, Refused, State
from firmware_stubs.uru4000.faults import Faults
from firmware_stubs.usbip.server import Export, UsbIpServer


@dataclass(frozen=True, slots=True)
class Nb1010Options:
    """port, control_port: 0 takes any free one. image_ms: the 90 messages of an image.

    serial: "" as on the real ones; it also seeds the sensor's dead pixels, its dirt, its noise and what chance decides.
    faults: armed from the start.
    """

    serial: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    control_port: int = 0
    image_ms: float = 128.0
    bus_id: str = "1-1"
    faults: tuple[FaultOrder, ...] = ()


class Nb1010Stub:
    """Runs while entered, on the event loop that entered it."""

    def __init__(self, options: Nb1010Options) -> None:
        self._options = options
        self._faults = Faults()
        for order in options.faults:
            self._faults.arm(order.kind, order.times, order.after)
        self._changed = asyncio.Condition()
        self._notifying: set[asyncio.Task[None]] = set()
        self._closing = False
        seed = zlib.crc32(options.serial.encode())
        self._sensor = Sensor(seed, self._faults)
        self._device = Nb1010(
            options.serial,
            Surroundings(
                self._sensor,
                self._faults,
                options.image_ms / 1000.0,
                seed,
                on_change=self._on_change,
                unplug=self._cut_cable,
            ),
        )
        self._export = Export(options.bus_id, self._device)
        self._server = UsbIpServer([self._export])
        self._control: ControlServer | None = None
        self.url = ""
        self.control_url = ""

    async def __aenter__(self) -> Self:
        options = self._options
        port = await self._server.start(options.host, options.port)
        self._control = ControlServer(options.host, options.control_port, self, asyncio.get_running_loop())
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
        return LAID_SIZE

    async def lay(self, picture: NDArray[np.uint8]) -> State:
        self._sensor.lay(picture)
        return self._state()

    async def lift(self) -> State:
        self._sensor.lift()
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
            message = f"not within {timeout_s:g} s; {self._device.polls} questions for a finger so far"
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
        self._device.power_lost()
        self._on_change()

    def _state(self) -> State:
        return {
            "platen": self._sensor.occupied,
            "polls": self._device.polls,
            "images_sent": self._device.images_sent,
            "attached": self._export.plugged,
            "imported": self._export.imported,
            "model": "nb1010",
            "serial": self._options.serial,
            "faults": self._faults.armed(),
        }

    def _holds(self, condition: str) -> bool:
        kind, _, count = condition.partition(":")
        match kind:
            case "imported":
                return self._export.imported
            case "released":
                return not self._export.imported
            case "polls":
                return self._device.polls >= int(count)
            case _:
                return self._device.images_sent >= int(count)

    def _on_change(self) -> None:
        task = asyncio.get_running_loop().create_task(self._notify())
        self._notifying.add(task)
        task.add_done_callback(self._notifying.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _require_condition(condition: str) -> None:
    kind, _, count = condition.partition(":")
    counted = kind in {"images", "polls"} and count.isascii() and count.isdigit() and len(count) <= 9
    if not counted and condition not in {"imported", "released"}:
        raise Refused(HTTPStatus.BAD_REQUEST, "BAD_QUERY", "until: imported, released, images:N or polls:N")
