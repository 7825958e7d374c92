"""A station to measure: device models and the daemon as processes, no registry; a client's way in, and its devices."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from enrollment.cli.connection import Station
from enrollment.cli.demo.processes import Running, await_ready, launch, run_to_end
from enrollment.cli.demo.station import DAEMON, STUBS
from enrollment.v1 import device_pb2


@dataclass(frozen=True, slots=True)
class BenchStation:
    """A running station. socket, token: what a client needs. models: by the names that they were given."""

    socket: Path
    token: str
    daemon: Running
    models: Mapping[str, Running]

    @property
    def pid(self) -> int:
        """The daemon's."""
        return self.daemon.process.pid


@contextmanager
def station_of(models: Mapping[str, Sequence[str]]) -> Iterator[BenchStation]:
    """Run a daemon with these device models (name -> arguments of `python -m firmware_stubs`); all end with the block.

    Raises ProcessFailed.
    """
    with tempfile.TemporaryDirectory(prefix="bench") as name, ExitStack() as stack:
        folder = Path(name)

        def start(name: str, module: str, arguments: Sequence[str]) -> Running:
            running = launch(name, module, arguments, folder / f"{name}.log")
            stack.callback(running.stop)
            return running

        started = {name: start(name, STUBS, [*command, "--until-stdin-closes"]) for name, command in models.items()}
        addresses = [str(await_ready(model).ready["url"]) for model in started.values()]
        devices = [option for address in addresses for option in ("--device", address)]
        state = ["--folder", str(folder / "station"), "--station", "BENCH", *devices, "--json"]
        config = str(json.loads(run_to_end(DAEMON, ["init", *state]))["config"])
        daemon = await_ready(start("enrolld", DAEMON, ["run", "--config", config, "--log-level", "warning"]))
        issued = run_to_end(DAEMON, ["issue-session", "--config", config, "--operator", "bench", "--json"])
        yield BenchStation(Path(str(daemon.ready["socket"])), str(json.loads(issued)["token"]), daemon, started)


def device_of(station: Station, kind: device_pb2.DeviceKind.ValueType) -> str:
    """The station's first device of a kind."""
    return station.devices.ListDevices(device_pb2.ListDevicesRequest(kind=kind)).devices[0].device_id
