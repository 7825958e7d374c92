"""A picture scanner on two ports: USB/IP for the driver, HTTP for the hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from firmware_stubs.frame_scanner.firmware import FrameScannerFirmware
from firmware_stubs.scanner.glass import Glass
from firmware_stubs.scanner.sensor import Look
from firmware_stubs.scanner.stub import GlassScanner
from firmware_stubs.scanner.two_ports import PortOptions

# Empty, a real FS81 varies by about 48 grey levels squared within a block.
_LOOK: Final = Look(level=225.0, falloff=12.0, columns=0.0, specks=6.5, noise=2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameScannerOptions(PortOptions):
    """serial, picture_ms, noise (grey levels): None takes the model's own."""

    firmware: type[FrameScannerFirmware]
    serial: str | None = None
    picture_ms: float | None = None
    noise: float | None = None


class FrameScannerStub(GlassScanner[Glass, FrameScannerFirmware]):
    """Runs while entered, on the event loop that entered it."""

    MODES = frozenset({"lit", "off"})

    def __init__(self, options: FrameScannerOptions) -> None:
        firmware = options.firmware
        serial = firmware.SERIAL if options.serial is None else options.serial
        look = _LOOK if options.noise is None else replace(_LOOK, noise=options.noise)
        super().__init__(
            options,
            lambda seed, faults: Glass(firmware.SIZE, look, seed, faults),
            lambda glass, around: firmware(serial, glass, around),
            model=firmware.NAME,
            serial=serial,
            laid_size=firmware.SIZE,
            picture_ms=firmware.PICTURE_MS if options.picture_ms is None else options.picture_ms,
            fault_kinds=firmware.FAULTS,
        )
