"""An NB-1010-U on two ports: USB/IP for the driver, HTTP for the hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from firmware_stubs.nb1010.faults import Fault
from firmware_stubs.nb1010.firmware import Nb1010
from firmware_stubs.nb1010.sensor import LAID_SIZE, LOOK, Sensor
from firmware_stubs.scanner.faults import CableFault, OpticalFault
from firmware_stubs.scanner.hand import State
from firmware_stubs.scanner.stub import GlassScanner
from firmware_stubs.scanner.two_ports import PortOptions

FAULTS: Final[tuple[Enum, ...]] = (*Fault, *OpticalFault, *CableFault)
_IMAGE_MS: Final = 128.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Nb1010Options(PortOptions):
    """serial: "" as on the real ones. image_ms (all rows), noise (grey levels): None takes the model's own."""

    serial: str = ""
    image_ms: float | None = None
    noise: float | None = None


class Nb1010Stub(GlassScanner[Sensor, Nb1010]):
    """Runs while entered, on the event loop that entered it."""

    def __init__(self, options: Nb1010Options) -> None:
        look = LOOK if options.noise is None else replace(LOOK, noise=options.noise)
        super().__init__(
            options,
            lambda seed, faults: Sensor(look, seed, faults),
            lambda sensor, around: Nb1010(options.serial, sensor, around),
            model="nb1010",
            serial=options.serial,
            laid_size=LAID_SIZE,
            picture_ms=_IMAGE_MS if options.image_ms is None else options.image_ms,
            fault_kinds=FAULTS,
        )

    def _counts(self) -> Mapping[str, int]:
        return {**super()._counts(), "polls": self._device.polls}

    def _own_state(self) -> State:
        return {**super()._own_state(), "polls": self._device.polls}
