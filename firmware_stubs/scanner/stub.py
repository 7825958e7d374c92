"""A scanner of one finger on two ports: its glass, its electronics, and what both say of themselves."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.scanner.device import ScannerDevice, Surroundings
from firmware_stubs.scanner.faults import Faults
from firmware_stubs.scanner.glass import Glass
from firmware_stubs.scanner.hand import FaultOrder, State
from firmware_stubs.scanner.two_ports import PortOptions, TwoPorts

G = TypeVar("G", bound=Glass)
D = TypeVar("D", bound=ScannerDevice)


class GlassScanner(TwoPorts, Generic[G, D]):
    """Runs while entered, on the event loop that entered it.

    make_glass: from a seed and the faults. make_device: the electronics under it. picture_ms: of one on the wire.
    serial: also seeds the glass and what chance decides. laid_size: of what is laid, (width, height) at 500 ppi.
    model, fault_kinds: what the state and a refusal tell.
    """

    def __init__(
        self,
        options: PortOptions,
        make_glass: Callable[[int, Faults], G],
        make_device: Callable[[G, Surroundings], D],
        *,
        model: str,
        serial: str,
        laid_size: tuple[int, int],
        picture_ms: float,
        fault_kinds: Collection[Enum],
    ) -> None:
        super().__init__(options)
        seed = zlib.crc32(serial.encode())
        self._model, self._serial, self._laid_size, self._fault_kinds = model, serial, laid_size, fault_kinds
        self._glass = make_glass(seed, self._faults)
        for order in options.faults:
            self._glass.prepare(order.kind)
        around = Surroundings(self._faults, picture_ms / 1000.0, seed, self._on_change, self._cut_cable)
        self._device = make_device(self._glass, around)
        self._connect(self._device)

    @property
    def fault_kinds(self) -> Collection[Enum]:
        return self._fault_kinds

    @property
    def picture_size(self) -> tuple[int, int]:
        return self._laid_size

    async def lay(self, picture: NDArray[np.uint8]) -> State:
        self._glass.lay(picture)
        self._device.finger_laid()
        return self._state()

    async def lift(self) -> State:
        if self._glass.occupied:
            self._glass.lift()
            self._device.finger_lifted()
        return self._state()

    async def arm(self, order: FaultOrder) -> State:
        self._glass.prepare(order.kind)
        return await super().arm(order)

    def _picture(self) -> NDArray[np.uint8]:
        return self._glass.picture()

    def _mode(self) -> str:
        return self._device.mode

    def _counts(self) -> Mapping[str, int]:
        return {"images": self._device.pictures_sent}

    def _own_state(self) -> State:
        return {
            "platen": self._glass.occupied,
            "images_sent": self._device.pictures_sent,
            "outputs": sorted(self._device.outputs),
            "switched_on": dict(self._device.switched_on),
            "defects": self._glass.defects(),
            "model": self._model,
            "serial": self._serial,
        }
