"""DiagnosticsService: the daemon's own state. What is not built yet answers NOT_IMPLEMENTED."""

# ruff: noqa: N802  the methods' names are the API's

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from enrollment.service.capture.studio import Studio
from enrollment.service.outbox.sealer import CLOCK_OFFSET_SETTING
from enrollment.service.rpc import messages
from enrollment.service.store.store import Store
from enrollment.v1 import diagnostics_pb2, diagnostics_pb2_grpc

DISTRIBUTION = "enrollment-workstation"


@dataclass(slots=True)
class Vitals:
    """What the daemon knows of itself. started_s: monotonic, when the process began; start_ms: 0 until ready."""

    station_id: str
    folder: Path
    started_s: float
    registry_reachable: Callable[[], bool]
    start_ms: float = 0.0


class DiagnosticsServicer(diagnostics_pb2_grpc.DiagnosticsServiceServicer):
    """Status over gRPC."""

    def __init__(self, studio: Studio, store: Store, vitals: Vitals) -> None:
        self._studio = studio
        self._store = store
        self._vitals = vitals

    async def GetStatus(
        self, request: diagnostics_pb2.GetStatusRequest, context: Any
    ) -> diagnostics_pb2.GetStatusResponse:
        studio, vitals = self._studio, self._vitals
        ledger = await studio.stored(self._store.outbox.ledger)
        station_minus_registry_ms = await studio.stored(self._store.settings.get, CLOCK_OFFSET_SETTING)
        free_bytes = (await studio.stored(shutil.disk_usage, vitals.folder)).free
        return diagnostics_pb2.GetStatusResponse(
            version=_version(),
            station_id=vitals.station_id,
            uptime=messages.duration(studio.clock.monotonic() - vitals.started_s),
            resident_bytes=resident_bytes(),
            disk_free_bytes=free_bytes,
            station_time=messages.timestamp(studio.clock.now()),
            clock_offset=None
            if station_minus_registry_ms is None
            else messages.duration(-int(station_minus_registry_ms) / 1000),
            registry_reachable=vitals.registry_reachable(),
            packages_waiting=ledger.sealed - ledger.acknowledged,
            devices_attached=sum(device.attached for device in studio.inventory.devices()),
            start_ms=vitals.start_ms,
        )


def resident_bytes() -> int:
    """Resident memory of this process; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def process_started_s() -> float:
    """When this process began, on the monotonic clock; now, where the system does not tell."""
    try:
        ticks = int(Path("/proc/self/stat").read_text("ascii").rpartition(")")[2].split()[19])
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return time.monotonic()
    return time.monotonic() - max(0.0, age_s)


def _version() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return ""
