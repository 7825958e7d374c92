"""DiagnosticsService: the daemon's own state, checks, self-tests, wire logs, counters."""

# ruff: noqa: N802  the methods' names are the API's

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from enrollment.service.capture.studio import Studio
from enrollment.service.config import StationConfig
from enrollment.service.devices.inventory import shown
from enrollment.service.diagnostics.checks import run_checks, this_machine
from enrollment.service.diagnostics.metrics import Metrics, gauge, gauges
from enrollment.service.diagnostics.prometheus_text import encode
from enrollment.service.diagnostics.running_checks import RunningState, SeenDevice
from enrollment.service.diagnostics.self_test import self_test
from enrollment.service.diagnostics.wire_log import tapped
from enrollment.service.outbox.sealer import CLOCK_OFFSET_SETTING
from enrollment.service.rpc import messages, requests
from enrollment.service.rpc.authentication import operator_id
from enrollment.service.store.outbox_rows import PackageState
from enrollment.service.store.store import Store
from enrollment.v1 import diagnostics_pb2, diagnostics_pb2_grpc

DISTRIBUTION: Final = "enrollment-workstation"
WIRES: Final = ("usb:", "usbip:", "pcsc:")  # addresses whose transfers pass through our own transport


@dataclass(slots=True)
class Vitals:
    """What the daemon knows of itself. started_s: monotonic, when the process began; start_ms: 0 until ready."""

    station_id: str
    folder: Path
    started_s: float
    registry_reachable: Callable[[], bool]
    start_ms: float = 0.0


class DiagnosticsServicer(diagnostics_pb2_grpc.DiagnosticsServiceServicer):
    """Everything for technicians over gRPC."""

    def __init__(self, studio: Studio, store: Store, config: StationConfig, vitals: Vitals, metrics: Metrics) -> None:
        self._studio = studio
        self._store = store
        self._config = config
        self._vitals = vitals
        self._metrics = metrics
        self._checking = asyncio.Lock()

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

    async def RunChecks(
        self, request: diagnostics_pb2.RunChecksRequest, context: Any
    ) -> diagnostics_pb2.RunChecksResponse:
        studio = self._studio
        await studio.inventory.first_scan()
        async with self._checking:  # on a thread of its own: a camera that is away must not hold up what is stored
            state = await self._state()
            machine = this_machine(studio.clock.now())
            findings = await asyncio.to_thread(run_checks, machine, self._config, state)
        return diagnostics_pb2.RunChecksResponse(findings=[messages.finding(finding) for finding in findings])

    async def _state(self) -> RunningState:
        studio, outbox = self._studio, self._store.outbox
        ledger = await studio.stored(outbox.ledger)
        head = await studio.stored(outbox.next_to_send)
        offset_ms = await studio.stored(self._store.settings.get, CLOCK_OFFSET_SETTING)
        is_refused = head is not None and head.state is PackageState.REFUSED
        return RunningState(
            now=studio.clock.now(),
            devices=[
                SeenDevice(device.device_id, device.kind, device.attached, device.problem)
                for device in studio.inventory.devices()
            ],
            unreachable=studio.inventory.unreachable,
            sends=self._config.registry is not None,
            registry_reachable=self._vitals.registry_reachable(),
            waiting=ledger.sealed - ledger.acknowledged,
            oldest=None if head is None else head.sealed_at,
            refused=head.problem if head is not None and is_refused else "",
            refused_sequence=0 if head is None else head.sequence,
            offset_ms=None if offset_ms is None else int(offset_ms),
        )

    async def RunDeviceSelfTest(
        self, request: diagnostics_pb2.RunDeviceSelfTestRequest, context: Any
    ) -> AsyncGenerator[diagnostics_pb2.RunDeviceSelfTestResponse, None]:
        lease_id = requests.name(request.lease.lease_id, "lease.lease_id", required=False)
        studio = self._studio
        lease = studio.leases.require(lease_id, request.lease.fencing_token, operator_id=operator_id())
        device = studio.inventory.get(lease.device_id)
        async with aclosing(self_test(studio, lease, device)) as events:
            async for event in events:
                yield messages.self_test_event(event)

    async def TraceDevice(
        self, request: diagnostics_pb2.TraceDeviceRequest, context: Any
    ) -> AsyncGenerator[diagnostics_pb2.TraceDeviceResponse, None]:
        device_id = requests.name(request.device_id, "device_id")
        await self._studio.inventory.first_scan()
        address = shown(self._studio.inventory.get(device_id).found.address)
        with tapped(device_id) as tap:
            yield _trace_line(0.0, f"-- listening to {device_id} at {address}")
            if not address.startswith(WIRES):
                yield _trace_line(0.0, "-- this driver's library keeps its wire to itself: no transfer will be shown")
            async with aclosing(tap.lines()) as lines:
                async for line in lines:
                    yield _trace_line(line.at_s, line.text)

    async def GetMetrics(
        self, request: diagnostics_pb2.GetMetricsRequest, context: Any
    ) -> diagnostics_pb2.GetMetricsResponse:
        studio, vitals = self._studio, self._vitals
        ledger = await studio.stored(self._store.outbox.ledger)
        free_bytes = (await studio.stored(shutil.disk_usage, vitals.folder)).free
        devices = studio.inventory.devices()
        families = [
            *self._metrics.families(),
            gauges(
                "enroll_packages",
                "Packages of the station, by where they are.",
                ("state",),
                {
                    ("waiting",): ledger.sealed - ledger.acknowledged - ledger.refused,
                    ("refused",): ledger.refused,
                    ("acknowledged",): ledger.acknowledged,
                },
            ),
            gauges(
                "enroll_device_attached",
                "1 for a device that is attached now.",
                ("device", "driver"),
                {(device.device_id, device.found.driver): float(device.attached) for device in devices},
            ),
            gauges(
                "enroll_device_generation",
                "How often a device was attached since the daemon started.",
                ("device", "driver"),
                {(device.device_id, device.found.driver): float(device.generation) for device in devices},
            ),
            gauge(
                "enroll_registry_reachable", "1 when the registry answered the last try.", vitals.registry_reachable()
            ),
            gauge("enroll_uptime_seconds", "Since the daemon started.", studio.clock.monotonic() - vitals.started_s),
            gauge("enroll_resident_bytes", "Resident memory of the daemon.", resident_bytes()),
            gauge("enroll_disk_free_bytes", "Free space where dossiers are kept.", free_bytes),
        ]
        return diagnostics_pb2.GetMetricsResponse(prometheus_text=encode(families))


def _trace_line(at_s: float, text: str) -> diagnostics_pb2.TraceDeviceResponse:
    return diagnostics_pb2.TraceDeviceResponse(time=messages.duration(at_s), line=text)


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
