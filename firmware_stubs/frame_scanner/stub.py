"""A picture scanner on two ports: USB/IP for the driver, HTTP for the hand."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.frame_scanner.faults import Fault
from firmware_stubs.frame_scanner.firmware import FrameScannerFirmware, Surroundings
from firmware_stubs.frame_scanner.glass import Glass
from firmware_stubs.two_ports import TwoPorts, is_count
from firmware_stubs.uru4000.control import FaultOrder, Refused, State

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


class FrameScannerStub(TwoPorts):
    """Runs while entered, on the event loop that entered it."""

    def __init__(self, options: FrameScannerOptions) -> None:
        super().__init__(options)
        self._options = options
        firmware = options.firmware
        self._serial = firmware.SERIAL if options.serial is None else options.serial
        seed = zlib.crc32(self._serial.encode())
        self._glass = Glass(firmware.SIZE, seed, self._faults)
        for order in options.faults:
            self._glass.prepare(order.kind)
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
        self._connect(self._device)

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

    async def arm(self, order: FaultOrder) -> State:
        self._glass.prepare(order.kind)
        return await super().arm(order)

    def _picture(self) -> NDArray[np.uint8]:
        return self._glass.picture()

    def _cut_cable(self) -> None:
        self._export.unplug()
        self._device.power_lost()
        self._on_change()

    def _own_state(self) -> State:
        return {
            "mode": _LIT if self._device.lit else _OFF,
            "platen": self._glass.occupied,
            "images_sent": self._device.pictures_sent,
            "model": self._device.NAME,
            "serial": self._serial,
        }

    def _holds(self, condition: str) -> bool:
        match condition:
            case "lit":
                return self._device.lit
            case "off":
                return not self._device.lit
            case _:
                return self._device.pictures_sent >= int(condition.removeprefix("images:"))

    def _where(self) -> str:
        return f"the lamp is {_LIT if self._device.lit else _OFF}"

    def _require_condition(self, condition: str) -> None:
        if not is_count(condition, ("images",)) and condition not in {_LIT, _OFF}:
            raise Refused(HTTPStatus.BAD_REQUEST, "BAD_QUERY", "until: lit, off, imported, released or images:N")
