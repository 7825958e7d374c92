"""Where checks look: the machine's files under a root, the station's configuration, and the time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from enrollment.service.config import StationConfig
from enrollment.service.diagnostics.findings import Finding

UsbIds = frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Machine:
    """root: / but in tests. usb_ids: of every device that a driver drives. now: the station's clock."""

    now: datetime
    usb_ids: UsbIds
    root: Path = Path("/")

    def read(self, path: str) -> str:
        """A file's text without white space around it; "" where it cannot be read."""
        try:
            return (self.root / path).read_text("utf-8", "replace").strip()
        except OSError:
            return ""


MachineCheck = Callable[[Machine], Iterable[Finding]]
StationCheck = Callable[[Machine, StationConfig], Iterable[Finding]]
