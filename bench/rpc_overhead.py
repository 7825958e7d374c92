"""What one call to the daemon costs, beside a bare gRPC call over a Unix socket in the same run."""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
from collections.abc import Callable
from concurrent import futures
from multiprocessing.synchronize import Event
from pathlib import Path
from time import perf_counter

import grpc
from rich.console import Console
from rich.progress import track

from enrollment.cli.connection import Station
from enrollment.cli.demo.station import DemoStation
from enrollment.v1 import device_pb2, diagnostics_pb2, outbox_pb2

CALLS = 1000
WARM_UP_CALLS = 50


def serve_echo(socket: str, ready: Event, stop: Event) -> None:
    """A grpc server whose one method answers its request's bytes: the least that a call can cost here."""
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(
        lambda request, _context: request
    )
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("bench.Echo", {"Echo": handler})])
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    ready.set()
    stop.wait()
    server.stop(None).wait()


def time_call(call: Callable[[], object]) -> dict[str, float]:
    """Median and 99th percentile of CALLS calls in a row, milliseconds."""
    for _ in range(WARM_UP_CALLS):
        call()
    times = []
    for _ in range(CALLS):
        began = perf_counter()
        call()
        times.append(1000 * (perf_counter() - began))
    return {"p50_ms": statistics.median(times), "p99_ms": statistics.quantiles(times, n=100)[-1]}


def measure_calls(demo: DemoStation, station: Station, console: Console) -> dict[str, dict[str, float]]:
    """Time the daemon's cheap calls, health and the bare echo, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        socket = str(Path(folder) / "echo.sock")
        context = multiprocessing.get_context("spawn")
        ready, stop = context.Event(), context.Event()
        echo = context.Process(target=serve_echo, args=(socket, ready, stop), daemon=True)
        echo.start()
        ready.wait()
        try:
            with grpc.insecure_channel(f"unix:{socket}") as bare, grpc.insecure_channel(f"unix:{demo.socket}") as own:
                raw: grpc.UnaryUnaryMultiCallable[bytes, bytes] = bare.unary_unary("/bench.Echo/Echo")
                check: grpc.UnaryUnaryMultiCallable[bytes, bytes] = own.unary_unary("/grpc.health.v1.Health/Check")
                device_id = station.devices.ListDevices(device_pb2.ListDevicesRequest()).devices[0].device_id
                calls: dict[str, Callable[[], object]] = {
                    "bare gRPC echo": lambda: raw(b"x"),
                    "health Check": lambda: check(b""),
                    "ListDevices": lambda: station.devices.ListDevices(device_pb2.ListDevicesRequest()),
                    "GetDevice": lambda: station.devices.GetDevice(device_pb2.GetDeviceRequest(device_id=device_id)),
                    "GetLedger": lambda: station.outbox.GetLedger(outbox_pb2.GetLedgerRequest()),
                    "GetStatus": lambda: station.diagnostics.GetStatus(diagnostics_pb2.GetStatusRequest()),
                }
                return {
                    name: time_call(call)
                    for name, call in track(list(calls.items()), "calls", console=console, transient=True)
                }
        finally:
            stop.set()
            echo.join(10)
