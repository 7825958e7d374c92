"""A U.are.U scanner on two ports: USB/IP for the driver, HTTP for the hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from firmware_stubs.scanner.faults import CableFault, OpticalFault
from firmware_stubs.scanner.glass import Glass
from firmware_stubs.scanner.sensor import Look
from firmware_stubs.scanner.stub import GlassScanner
from firmware_stubs.scanner.two_ports import PortOptions
from firmware_stubs.uru4000.faults import Fault
from firmware_stubs.uru4000.firmware import Mode, Uru4000
from firmware_stubs.uru4000.models import HEIGHT, U_ARE_U_4500, WIDTH, Model

FAULTS: Final[tuple[Enum, ...]] = (*Fault, *OpticalFault, *CableFault)
_LOOK: Final = Look(level=236.0, falloff=8.0, columns=1.0, specks=1.5, noise=1.2, ghost=12.0)
_IMAGE_MS: Final = 128.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannerOptions(PortOptions):
    """serial, image_ms (MODE=20 to the image), noise (grey levels): None takes the model's own.

    A sensor without noise shows what lies on it pixel for pixel, which no real one does.
    """

    model: Model = U_ARE_U_4500
    serial: str | None = None
    image_ms: float | None = None
    noise: float | None = None


class ScannerStub(GlassScanner[Glass, Uru4000]):
    """Runs while entered, on the event loop that entered it."""

    MODES = frozenset(mode.name.lower() for mode in Mode) | {"low_power"}

    def __init__(self, options: ScannerOptions) -> None:
        model = options.model
        serial = model.default_serial if options.serial is None else options.serial
        look = _LOOK if options.noise is None else replace(_LOOK, noise=options.noise)
        super().__init__(
            options,
            lambda seed, faults: Glass((WIDTH, HEIGHT), look, seed, faults),
            lambda glass, around: Uru4000(model, serial, glass, around),
            model=model.name,
            serial=serial,
            laid_size=(WIDTH, HEIGHT),
            picture_ms=_IMAGE_MS if options.image_ms is None else options.image_ms,
            fault_kinds=FAULTS,
        )
