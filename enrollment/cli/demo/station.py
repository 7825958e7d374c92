"""A station from nothing: keys, certificates, configuration, then its processes; everything lives in one folder."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

from enrollment.cli.demo.processes import ProcessFailed, Running, await_ready, launch, run_to_end
from enrollment.cli.demo.subject import Control

STATION_ID: Final = "DEMO-01"
OPERATOR_ID: Final = "demo-operator"
REGISTRY: Final = "enrollment.registry.server"
DAEMON: Final = "enrollment.service.daemon"
STUBS: Final = "firmware_stubs"
READERS: Final = "pcsc:"
CARD_LIBRARIES: Final = ("smartcard", "yubikit")  # of the extra `card`


class Told(Protocol):
    """Hears what starts, for people: English, Vietnamese."""

    def __call__(self, en: str, vi: str) -> None: ...


@dataclass(slots=True)
class CardReader:
    """The real pcscd with a card of the model in its reader. why_not: why there is none; "" where there is one.

    environment: of the daemon, which finds this pcscd by it.
    """

    why_not: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class DemoStation:
    """A running station.

    socket, token: what a client needs. trust: the registry's public keys, as the registry itself gave them.
    authority: the certificate that its cards are verified by.
    """

    folder: Path
    config: Path
    socket: Path
    token: str
    trust: bytes
    scanner: Running
    camera: Running
    registry: Running
    daemon: Running
    reader: CardReader
    authority: Path

    @property
    def platen(self) -> Control:
        return Control(str(self.scanner.ready["control"]))

    @property
    def scene(self) -> Control:
        return Control(str(self.camera.ready["control"]))


@contextmanager
def running_station(folder: Path, told: Told, scanner_model: str = "scanner") -> Iterator[DemoStation]:
    """Set everything up in an empty folder and start it; stop it all at the end. Raises ProcessFailed.

    scanner_model: "scanner" for one of single fingers, "tenprint".
    """
    logs, registry_data, state = folder / "logs", folder / "registry", folder / "station"
    logs.mkdir(parents=True)
    with ExitStack() as stack:

        def start(
            name: str, module: str, arguments: list[str], environment: Mapping[str, str] = MappingProxyType({})
        ) -> Running:
            running = launch(name, module, arguments, logs / f"{name}.log", environment)
            stack.callback(running.stop)
            return running

        scanner = start("scanner", STUBS, [scanner_model, "--until-stdin-closes"])
        camera = start("camera", STUBS, ["camera", "--until-stdin-closes"])
        told("registry: making its keys and certificates", "cơ quan đăng ký: tạo khóa và chứng thư")
        run_to_end(REGISTRY, ["init", "--data", str(registry_data)])
        registry = start("registry", REGISTRY, ["serve", "--data", str(registry_data), "--port", "0"])
        told("station: making its keys", "trạm: tạo khóa")
        for running in (registry, scanner, camera):
            await_ready(running)
        reader = start_reader(start, folder / "pcsc")
        addresses = [str(device.ready["url"]) for device in (scanner, camera)]
        addresses += [] if reader.why_not else [READERS]
        config = make_station(state, registry_data, str(registry.ready["address"]), addresses)
        told("station: starting the daemon", "trạm: khởi động dịch vụ")
        daemon = await_ready(start("enrolld", DAEMON, ["run", "--config", str(config)], reader.environment))
        issued = run_to_end(
            DAEMON,
            ["issue-session", "--config", str(config), "--operator", OPERATOR_ID, "--role", "operator", "--json"],
        )
        station = DemoStation(
            folder=folder,
            config=config,
            socket=Path(str(daemon.ready["socket"])),
            token=str(json.loads(issued)["token"]),
            trust=(registry_data / "registry-trust.pem").read_bytes(),
            scanner=scanner,
            camera=camera,
            registry=registry,
            daemon=daemon,
            reader=reader,
            authority=state / "cards" / "csca" / "development.pem",
        )
        try:
            yield station
        finally:
            station.daemon.stop()


def start_reader(start: Callable[[str, str, list[str]], Running], folder: Path) -> CardReader:
    """The real pcscd, with a blank card in each of its reader's two slots; where it cannot run, why."""
    absent = [name for name in CARD_LIBRARIES if importlib.util.find_spec(name) is None]
    if absent:
        return CardReader(f"{', '.join(absent)} is not installed: it is built with Debian's swig and libpcsclite-dev")
    try:
        arguments = ["pcscd", "--folder", str(folder), "--until-stdin-closes"]
        pcscd = await_ready(start("pcscd", STUBS, arguments))
        gate = str(pcscd.ready["gate"])
        await_ready(start("card", STUBS, ["card", "--gate", gate, "--slots", "2", "--until-stdin-closes"]))
    except ProcessFailed as failed:
        return CardReader(str(failed).rstrip().splitlines()[-1])
    return CardReader("", dict(pcscd.ready["environment"]))


def make_station(state: Path, registry_data: Path, registry_address: str, devices: list[str]) -> Path:
    """Make the station's keys and have the registry certify them; returns the path of its station.toml."""
    addressed = [option for address in devices for option in ("--device", address)]
    options = ["--folder", str(state), "--station", STATION_ID, "--registry-address", registry_address, *addressed]
    made = json.loads(run_to_end(DAEMON, ["init", *options, "--json"]))
    files = {"--csr": made["client_csr"], "--verifying-key": made["verifying_key"], "--out": made["client_certificate"]}
    named = [part for pair in files.items() for part in pair]
    run_to_end(REGISTRY, ["enroll-station", "--data", str(registry_data), "--station", STATION_ID, *named])
    run_to_end(DAEMON, ["cards", "init", "--config", made["config"]])
    shutil.copy(registry_data / "registry-trust.pem", made["registry_trust"])
    shutil.copy(registry_data / "tls" / "ca.pem", made["registry_ca"])
    return Path(made["config"])
