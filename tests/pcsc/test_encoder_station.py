"""Encoders of a running station: listed, tested, traced, and back after their service was away."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from enrollment.service.config import load_config
from enrollment.service.diagnostics import card_checks, verdicts
from enrollment.service.diagnostics.findings import Finding, Severity
from enrollment.service.diagnostics.place import Machine
from enrollment.service.diagnostics.running_checks import CARD_REMEDIES
from enrollment.service.diagnostics.self_test import Event, Measured, Step, self_test
from enrollment.service.store.operator_sessions import Role
from enrollment.v1 import device_pb2, diagnostics_pb2
from firmware_stubs.card.pcscd import Pcscd
from tests.faults.encoder_bench import children
from tests.flow.running_station import InProcess, MakeStation, running_here
from tests.pcsc.card_process import await_empty
from tests.pcsc.conftest import CardShelf, away
from tests.pcsc.other_program import OtherProgram

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

ENCODERS = ["pcsc-card-model-0", "pcsc-card-model-0-1", "pcsc-card-model-1", "pcsc-card-model-1-1"]
LATEST_S = 10.0
# Everything that a line may hold: of a command its header, of the rest lengths and the status word.
LINE = re.compile(r"apdu(?: [0-9A-F]{2}){4}, \d{1,6} bytes out, \d{1,6} in, \d+\.\d\d ms, (?:[0-9A-F]{4}|[A-Z_]+)")


@pytest.fixture
async def here(cards: CardShelf, make_station: MakeStation) -> AsyncIterator[InProcess]:
    async with running_here(make_station(["pcsc:"])) as running:
        await until_attached(running, ENCODERS)
        yield running
    assert not children()


async def listed(here: InProcess) -> list[device_pb2.Device]:
    request = device_pb2.ListDevicesRequest(kind=device_pb2.DEVICE_KIND_CARD_ENCODER)
    return list((await here.client.devices.ListDevices(request)).devices)


async def attached(here: InProcess) -> list[str]:
    return [device.device_id for device in await listed(here) if device.state != device_pb2.DEVICE_STATE_DETACHED]


async def until_attached(here: InProcess, wanted: list[str]) -> None:
    """Return when these are attached, and no others."""
    deadline = time.monotonic() + LATEST_S
    while (found := await attached(here)) != wanted:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.02)


async def events_of(here: InProcess, device_id: str) -> list[Event]:
    studio = here.station._studio
    async with here.client.lease(device_id) as reference:
        lease = studio.leases.require(reference.lease_id, reference.fencing_token, operator_id="op-1")
        tested = self_test(studio, lease, studio.inventory.get(device_id), empty_wait_s=0.5)
        return [event async for event in tested]


def findings(events: list[Event]) -> dict[str, Severity]:
    return {event.check: event.severity for event in events if isinstance(event, Finding)}


async def test_encoders_are_listed_with_what_they_are_proven_on(here: InProcess) -> None:
    found = await listed(here)
    assert [device.device_id for device in found] == ENCODERS
    for device in found:
        assert device.state == device_pb2.DEVICE_STATE_READY
        assert device.driver_proof == device_pb2.DRIVER_PROOF_MODEL_ONLY
        assert device.address.startswith("pcsc:Card Model ")


async def test_self_test_of_an_encoder_measures_the_way_to_a_card(here: InProcess) -> None:
    events = await events_of(here, ENCODERS[0])
    assert [event.name for event in events if isinstance(event, Step)] == ["open", "card"]
    assert findings(events) == {"open": Severity.OK, "card": Severity.OK, "card-lengths": Severity.OK}
    found = {event.name: event.value for event in events if isinstance(event, Measured)}
    assert found["card_block_octets"] > 255
    assert 0 < found["card_round_trip_median_ms"] <= found["card_round_trip_p95_ms"]
    assert found["card_throughput_kb_per_s"] > 0


async def test_self_test_without_a_card_says_so(here: InProcess, cards: CardShelf) -> None:
    await asyncio.to_thread(cards.stub.pull, 1)
    await asyncio.to_thread(await_empty, 1)
    assert findings(await events_of(here, ENCODERS[1])) == {"open": Severity.OK, "card": Severity.WARNING}


async def test_self_test_of_a_reader_that_another_holds_says_what_to_do(here: InProcess) -> None:
    with await asyncio.to_thread(OtherProgram, "hold", "Card Model 1 00 00"):
        events = await events_of(here, ENCODERS[2])
    (failure,) = [event for event in events if isinstance(event, Finding) and event.severity is Severity.ERROR]
    assert "DEVICE_BUSY" in failure.text_en
    assert "scdaemon" in failure.remedy_en
    (device,) = [device for device in await listed(here) if device.device_id == ENCODERS[2]]
    assert (device.state, device.problem) == (device_pb2.DEVICE_STATE_FAULTY, "DEVICE_BUSY")
    assert findings(await events_of(here, ENCODERS[2]))["card"] is Severity.OK


async def test_trace_shows_every_exchange_and_no_octet_of_its_body(here: InProcess, cards: CardShelf) -> None:
    technician = await here.another_client("tech-1", Role.TECHNICIAN)
    call: Any = technician.diagnostics.TraceDevice(diagnostics_pb2.TraceDeviceRequest(device_id=ENCODERS[0]))
    assert (await call.read()).line.startswith(f"-- listening to {ENCODERS[0]} at pcsc:Card Model 0")
    before = cards.stub.state(0)["apdus"]
    await events_of(here, ENCODERS[0])
    exchanges = cards.stub.state(0)["apdus"] - before
    assert exchanges > 10
    async with asyncio.timeout(LATEST_S):
        lines = [(await call.read()).line for _ in range(exchanges)]
    call.cancel()
    assert all(LINE.fullmatch(line) for line in lines), lines
    assert any(", 6A82" in line for line in lines)


async def test_service_that_goes_and_comes_back_is_seen_and_needs_no_restart(here: InProcess, daemon: Pcscd) -> None:
    assert findings(await events_of(here, ENCODERS[0]))["card"] is Severity.OK
    (before,) = [device.generation for device in await listed(here) if device.device_id == ENCODERS[3]]
    with away(daemon):
        await until_attached(here, [])
        unreachable = (await here.client.devices.ListDevices(device_pb2.ListDevicesRequest())).unreachable
        assert any("PC/SC service" in sentence for sentence in unreachable)
    await until_attached(here, ENCODERS)
    for device in await listed(here):
        assert device.generation > (before if device.device_id == ENCODERS[3] else 0)
    for device_id in (ENCODERS[0], ENCODERS[3]):
        deadline = time.monotonic() + LATEST_S  # cards find their way back to the new service
        while findings(await events_of(here, device_id)).get("card") is not Severity.OK:
            assert time.monotonic() < deadline


async def test_station_without_pyscard_is_healthy_and_says_what_to_install_once(
    make_station: MakeStation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A package of that name that cannot be imported stands for its absence: the tests have it."""
    (tmp_path / "smartcard.py").write_text("raise ImportError\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    await assert_quiet(make_station, caplog, "install the extra card")


async def test_station_without_pcscd_is_healthy_and_says_so(
    cards: CardShelf, make_station: MakeStation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv("PCSCLITE_CSOCK_NAME", str(tmp_path / "nobody"))
    await assert_quiet(make_station, caplog, "does not run")


async def test_station_that_polkit_shuts_out_is_healthy_and_says_so(
    make_station: MakeStation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A module that answers what pcscd answers such a user: polkit does not run where tests do."""
    (tmp_path / "smartcard").mkdir()
    (tmp_path / "smartcard" / "__init__.py").touch()
    (tmp_path / "smartcard" / "scard.py").write_text(
        "SCARD_SCOPE_USER = 0\nSCardListReaders = None\ndef SCardEstablishContext(scope): return 0x8010006A, 0\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    await assert_quiet(make_station, caplog, "polkit")


async def assert_quiet(make_station: MakeStation, caplog: pytest.LogCaptureFixture, why: str) -> None:
    with caplog.at_level(logging.WARNING):
        async with running_here(make_station(["pcsc:"])) as running:
            deadline = time.monotonic() + LATEST_S
            answer = device_pb2.ListDevicesResponse()
            while not answer.unreachable:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)
                answer = await running.client.devices.ListDevices(device_pb2.ListDevicesRequest())
            await asyncio.sleep(1.0)  # several looks
            assert not answer.devices
            (sentence,) = answer.unreachable
            assert why in sentence
            technician = await running.another_client("tech-1", Role.TECHNICIAN)
            report = await technician.diagnostics.RunChecks(diagnostics_pb2.RunChecksRequest())
            (found,) = [finding for finding in report.findings if finding.check == "card-reader"]
            assert found.remedy_en
    assert not [
        record for record in caplog.records if record.name.startswith(("drivers", "enrollment.service.devices"))
    ]
    assert not children()


def test_every_reason_of_a_reader_has_a_remedy_of_its_own() -> None:
    for reason in ("CARD_SERVICE_GONE", "CARD_GONE", "CARD_TRANSMIT_LOST", "CARD_RESET", "CARD_MUTE"):
        assert reason in CARD_REMEDIES


def test_reader_on_usb_that_nobody_uses_is_told(cards: CardShelf, make_station: MakeStation, tmp_path: Path) -> None:
    machine = Machine(datetime(2026, 1, 1, tzinfo=UTC), frozenset(), tmp_path)
    folder = tmp_path / "sys/bus/usb/devices"
    (folder / "1-2").mkdir(parents=True)
    (folder / "1-2" / "product").write_text("PC Twin Reader\n")
    (folder / "1-2:1.0").mkdir()
    (folder / "1-2:1.0" / "bInterfaceClass").write_text("0b\n")
    without, among, named = (
        load_config(make_station(addresses).config) for addresses in (["usb:"], ["pcsc:"], ["pcsc:Card Model 7"])
    )
    (unused,) = card_checks.check_readers(machine, without)
    assert (unused.severity, "PC Twin Reader" in unused.text_en) == (Severity.WARNING, True)
    (seen,) = card_checks.check_readers(machine, among)
    assert (seen.severity, ENCODERS[0] in seen.text_en) == (Severity.OK, True)
    (missing,) = card_checks.check_readers(machine, named)
    assert (missing.severity, "DEVICE_NOT_FOUND" in missing.text_en) == (Severity.ERROR, True)


def test_verdicts_of_cards_are_in_both_languages() -> None:
    for finding in (verdicts.no_card(), verdicts.card_answers(100.0, 5.0), verdicts.lengths(255, extended=False)):
        assert finding.severity is Severity.WARNING
        assert finding.remedy_vi != finding.remedy_en
