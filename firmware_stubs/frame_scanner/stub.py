"""A picture scanner on two ports: USB/IP for the driver, HTTP for the hand."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.frame_scanner.faults import Fault
from firmware_stubs.frame_scanner.firmware import FrameScannerFirmware, Surroundings
from firmware_stubs.frame_scanner.glass import Glass
from firmware_stubs.uru4000.control import ControlServer, FaultOrder, Refused, State
from firmware_stubs.uru4000.faults import Faults
from firmware_stubs.usbip.server import Export, UsbIpServer

_OFF: Final = "off"
_LIT: Final = "lit"


@dataclass(frozen=True, slots=True)
class FrameScannerOptions:
    """port, control_port: 0 takes any free one. serial: None takes the model's own. picture_ms: None takes its own.

    The serial number also seeds the glass, its dirt, the noise and what chance decides. faults: armed from the start.
    """

    firmware: type[FrameScannerFirmware]
    serial: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    control_port: int = 0
    picture_ms: float | None = None
    bus_id: str = "1-1"
    faults: tuple[FaultOrder, ...] = ()


class FrameScannerStub:
    """Runs while entered, on the event loop that entered it."""

    def __init__(self, options: FrameScannerOptions) -> None:
        self._options = options
        firmware = options.firmware
        self._serial = firmware.SERIAL if options.serial is None else options.serial
        self._faults = Faults()
        seed = zlib.crc32(self._serial.encode())
        self._glass = Glass(firmware.SIZE, seed, self._faults)
        for order in options.faults:
            self._arm(order)
        self._changed = asyncio.Condition()
        self._notifying: set[asyncio.Task[None]] = set()
        self._closing = False
        picture_ms = firmware.PICTURE_MS if options.picture_ms is None else options.picture_ms
        self._device = firmware(
            firmware.describe(self._serial),
            Surroundings(
                self._glass,
                self._faults,
                picture_ms / 1000.0,
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
        return self._options.firmware.FAULTS

    @property
    def picture_size(self) -> tuple[int, int]:
        return self._options.firmware.SIZE

    async def lay(self, picture: NDArray[np.uint8]) -> State:
        self._glass.lay(picture)
        return self._state()

    async def lift(self) -> State:
        self._glass.lift()
        return self._state()

    async def platen_png(self) -> bytes:
        done, png = cv2.imencode(".png", self._glass.picture())
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
            message = f"not within {timeout_s:g} s; the lamp is {_LIT if self._device.lit else _OFF}"
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
        self._arm(order)
        return self._state()

    async def disarm(self) -> State:
        self._faults.clear()
        return self._state()

    def _arm(self, order: FaultOrder) -> None:
        self._glass.prepare(order.kind)
        self._faults.arm(order.kind, order.times, order.after)

    def _cut_cable(self) -> None:
        self._export.unplug()
        self._device.power_lost()
        self._on_change()

    def _state(self) -> State:
        return {
            "mode": _LIT if self._device.lit else _OFF,
            "platen": self._glass.occupied,
            "images_sent": self._device.pictures_sent,
            "attached": self._export.plugged,
            "imported": self._export.imported,
            "model": self._device.NAME,
            "serial": self._serial,
            "faults": self._faults.armed(),
        }

    def _holds(self, condition: str) -> bool:
        match condition:
            case "imported":
                return self._export.imported
            case "released":
                return not self._export.imported
            case "lit":
                return self._device.lit
            case "off":
                return not self._device.lit
            case _:
                return self._device.pictures_sent >= int(condition.removeprefix("images:"))

    def _on_change(self) -> None:
        task = asyncio.get_running_loop().create_task(self._notify())
        self._notifying.add(task)
        task.add_done_callback(self._notifying.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _require_condition(condition: str) -> None:
    count = condition.removeprefix("images:")
    counted = count != condition and count.isascii() and count.isdigit() and len(count) <= 9
    if not counted and condition not in {_LIT, _OFF, "imported", "released"}:
        raise Refused(HTTPStatus.BAD_REQUEST, "BAD_QUERY", "until: lit, off, imported, released or images:N")
