"""A scanner on two ports: USB/IP for the driver, HTTP for the hand."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.two_ports import TwoPorts, is_count
from firmware_stubs.uru4000.control import FaultOrder, Refused, State
from firmware_stubs.uru4000.faults import Fault
from firmware_stubs.uru4000.firmware import Mode, Uru4000
from firmware_stubs.uru4000.models import HEIGHT, U_ARE_U_4500, WIDTH, Model
from firmware_stubs.uru4000.platen import Platen

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


class ScannerStub(TwoPorts):
    """Runs while entered, on the event loop that entered it."""

    def __init__(self, options: ScannerOptions) -> None:
        super().__init__(options)
        self._options = options
        self._serial = options.serial if options.serial is not None else options.model.default_serial
        self._platen = Platen(self._serial)
        self._device = Uru4000(
            options.model,
            self._serial,
            self._platen,
            self._faults,
            image_s=options.image_ms / 1000.0,
            on_change=self._on_change,
            unplug=lambda: self._export.unplug(),
        )
        self._connect(self._device)

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

    def _picture(self) -> NDArray[np.uint8]:
        return self._platen.picture()

    def _own_state(self) -> State:
        return {
            "mode": self._device.mode,
            "platen": self._platen.occupied,
            "images_sent": self._device.images_sent,
            "model": self._options.model.name,
            "serial": self._serial,
        }

    def _holds(self, condition: str) -> bool:
        if condition in _MODES:
            return self._device.mode == condition
        return self._device.images_sent >= int(condition.removeprefix("images:"))

    def _where(self) -> str:
        return f"the mode is {self._device.mode}"

    def _require_condition(self, condition: str) -> None:
        if not is_count(condition, ("images",)) and condition not in _MODES:
            known = ", ".join(sorted(_MODES))
            raise Refused(HTTPStatus.BAD_REQUEST, "BAD_QUERY", f"until: {known}, imported, released or images:N")
