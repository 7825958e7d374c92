"""Fixtures of running stations. Loaded by `pytest_plugins`, after tests.contract.device_stubs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.contract.device_stubs import CameraStub, ScannerStub, TenPrintStub
from tests.flow.running_station import (
    Hands,
    InProcess,
    MakeStation,
    RegistryProcess,
    StationFolder,
    running_here,
    set_up,
)

SLAP_PERSON: Final = 7  # whose slaps are laid again and again; as PERSON in the tests that do


@pytest.fixture
def make_station() -> Iterator[MakeStation]:
    """Stations in folders with short names: a Unix socket's path has at most 107 bytes."""
    folders: list[Path] = []

    def make(devices: list[str], registry: RegistryProcess | None = None, more_config: str = "") -> StationFolder:
        folder = Path(tempfile.mkdtemp(prefix="st"))
        folders.append(folder)
        return set_up(folder, devices, registry, more_config)

    yield make
    for folder in folders:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def registry_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    """One registry for all tests that leave it running."""
    registry = RegistryProcess(tmp_path_factory.mktemp("registry"))
    registry.start()
    yield registry
    registry.stop()
    registry.port.release()


@pytest.fixture
def own_registry_process(tmp_path: Path) -> Iterator[RegistryProcess]:
    """A registry that a test may stop and start; not started yet."""
    registry = RegistryProcess(tmp_path / "registry")
    yield registry
    registry.kill()
    registry.port.release()


@pytest.fixture
async def here(
    make_station: MakeStation, scanner_stub: ScannerStub, camera_stub: CameraStub
) -> AsyncIterator[InProcess]:
    """A station in this process with a scanner and a camera, and no registry."""
    async with running_here(make_station([scanner_stub.url, camera_stub.url])) as running:
        yield running


@pytest.fixture
def hands(scanner_stub: ScannerStub) -> Hands:
    """Whoever lays fingers on the scanner."""
    return Hands(scanner_stub)


@pytest.fixture(scope="session")
def _slap_scanner_process() -> Iterator[TenPrintStub]:
    """Twice as fast as a real one; the person's fingers are grown before anybody waits for them."""
    stub = TenPrintStub(rate=30)
    for position in (13, 14, 15):
        stub.lay_slap(SLAP_PERSON, position)
    yield stub
    stub.stop()


@pytest.fixture
def slap_scanner(_slap_scanner_process: TenPrintStub) -> TenPrintStub:
    """A plugged ten-print scanner with an empty platen and no fault."""
    _slap_scanner_process.reset()
    return _slap_scanner_process
