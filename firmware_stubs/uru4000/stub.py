"""A scanner on two ports: USB/IP for the driver, HTTP for the hand."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.uru4000.control import ControlServer, FaultOrder, Refused, State
from firmware_stubs.uru4000.faults import Fault, Faults
from firmware_stubs.uru4000.firmware import Mode, Uru4000
from firmware_stubs.uru4000.models import HEIGHT, U_ARE_U_4500, WIDTH, Model
from firmware_stubs.uru4000.platen import Platen
from firmware_stubs.usbip.server import Export, UsbIpServer

_MODES: Final = frozenset(mode.name.lower() for mode in Mode) | {"low_power"}


@dataclass(frozen=True, slots=True)
class ScannerOptions:
    """port, control_port: 0 takes any free one. serial: None takes the model's own. image_ms: MODE=20 to the image.

    faults: armed from the start.
    """

    model: Model = U_ARE_U_4500
    serial: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    control_port: int = 0
    image_ms: float = 128.0
    bus_id: str = "1-1"
    faults: tuple[FaultOrder, ...] = ()


class ScannerStub:
    """Runs while entered, on the event loop that entered it."""

    def __init__(self, options: ScannerOptions) -> None:
        self._options = options
        self._serial = options.serial if options.serial is not None else options.model.default_serial
        self._platen = Platen(self._serial)
        self._faults = Faults()
        for order in options.faults:
            self._faults.arm(order.kind, order.times, order.after)
        self._changed = asyncio.Condition()
        self._notifying: set[asyncio.Task[None]] = set()
        self._closing = False
        self._device = Uru4000(
            options.model,
            self._serial,
            self._platen,
            self._faults,
            image_s=options.image_ms / 1000.0,
            on_change=self._on_change,
            unplug=lambda: self._export.unplug(),
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
        return WIDTH, HEIGHT

    async def lay(self, picture: NDArray[np.uint8]) -> State:
        self._platen.lay(picture)
        self._device.lay_finger()
        return self._state()

    async def lift(self) -> State:
        if self._platen.occupied:
            self._platen.lift()
            self._device.lift_finger()
        return self._state()

    async def platen_png(self) -> bytes:
        done, png = cv2.imencode(".png", self._platen.picture())
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
            message = f"not within {timeout_s:g} s; the mode is {self._device.mode}"
            raise Refused(HTTPStatus.REQUEST_TIMEOUT, "NOT_REACHED", message) from None
        return self._state()

    async def unplug(self) -> State:
        self._export.unplug()
        self._on_change()
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

    def _state(self) -> State:
        return {
            "mode": self._device.mode,
            "platen": self._platen.occupied,
            "images_sent": self._device.images_sent,
            "attached": self._export.plugged,
            "imported": self._export.imported,
            "model": self._options.model.name,
            "serial": self._serial,
            "faults": self._faults.armed(),
        }

    def _holds(self, condition: str) -> bool:
        match condition:
            case "imported":
                return self._export.imported
            case "released":
                return not self._export.imported
            case _ if condition in _MODES:
                return self._device.mode == condition
            case _:
                return self._device.images_sent >= int(condition.removeprefix("images:"))

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
    if not counted and condition not in _MODES | {"imported", "released"}:
        known = ", ".join(sorted(_MODES))
        raise Refused(HTTPStatus.BAD_REQUEST, "BAD_QUERY", f"until: {known}, imported, released or images:N")
