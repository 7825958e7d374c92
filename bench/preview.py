"""Preview frames a second, and the daemon's memory, while half of the clients stop reading."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from typing import Any

import grpc
from rich.console import Console
from rich.progress import track

from bench.processes import resident_mib
from enrollment.cli.connection import Station, connect
from enrollment.cli.demo.station import DemoStation
from enrollment.cli.lease import held_lease
from enrollment.v1 import capture_pb2, device_pb2

CLIENTS = (1, 4, 16)
CAMERA_FPS = 30.0  # of the camera's model
MEMORY_EVERY_S = 0.1


def watch(
    station: Station, request: capture_pb2.WatchPreviewRequest, stop: threading.Event, counted: list[int]
) -> None:
    """Read pictures until told to stop; count them."""
    call = station.capture.WatchPreview(request)
    number = 0
    try:
        for _picture in call:
            number += 1
            if stop.is_set():
                break
    except grpc.RpcError:
        if not stop.is_set():
            raise
    finally:
        call.cancel()
        counted.append(number)


def measure_previews(demo: DemoStation, station: Station, seconds: int, console: Console) -> list[dict[str, Any]]:
    """One run for each number of clients; every client has a connection of its own."""
    daemon = demo.daemon.process.pid
    devices = station.devices.ListDevices(device_pb2.ListDevicesRequest(kind=device_pb2.DEVICE_KIND_CAMERA)).devices
    rows = []
    with held_lease(station, devices[0].device_id, client_name="bench") as lease:
        request = capture_pb2.WatchPreviewRequest(lease=lease, max_frames_per_second=30)
        next(iter(station.capture.WatchPreview(request, timeout=10.0)))  # the camera is open and warm
        for clients in CLIENTS:
            stalled = clients // 2
            stop, counted = threading.Event(), list[int]()
            with ExitStack() as stack:
                connections = [stack.enter_context(connect(demo.socket, demo.token)) for _ in range(clients)]
                idle = [other.capture.WatchPreview(request) for other in connections[:stalled]]
                for call in idle:
                    next(iter(call))  # one picture, then never again
                readers = [
                    threading.Thread(target=watch, args=(other, request, stop, counted), daemon=True)
                    for other in connections[stalled:]
                ]
                before = resident_mib(daemon)
                for reader in readers:
                    reader.start()
                memory = []
                for _ in track(
                    range(round(seconds / MEMORY_EVERY_S)), f"{clients} clients", console=console, transient=True
                ):
                    time.sleep(MEMORY_EVERY_S)
                    memory.append(resident_mib(daemon))
                stop.set()
                for reader in readers:
                    reader.join(5)
                for call in idle:
                    call.cancel()
            a_second = sum(counted) / len(readers) / seconds
            rows.append(
                {
                    "clients": clients,
                    "stalled": stalled,
                    "frames_a_second": a_second,
                    "ratio_to_camera": a_second / CAMERA_FPS,
                    "memory_before_mib": before,
                    "memory_after_mib": memory[-1],
                    "memory_most_mib": max(memory),
                    "memory_mib": memory,
                }
            )
    return rows
