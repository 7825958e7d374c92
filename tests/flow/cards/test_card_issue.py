"""A dossier's card through the daemon, the real pcscd and the card model: written, verified, in the ledger."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc.aio
import pytest

from enrollment.core.chip.mrz import MachineReadableZone
from enrollment.core.dossier.card_lifecycle import CardState
from enrollment.service.cards.authority import CardAuthority
from enrollment.service.cards.kept_plan import decode_plan
from enrollment.service.config import load_card_profiles, load_config
from enrollment.service.store.card_orders import OrderState
from enrollment.v1 import card_pb2, device_pb2
from firmware_stubs.card.pcscd import Pcscd, missing
from tests.flow.cards.issuing_station import (
    PERSONS,
    Written,
    at_reader,
    enroll,
    issuing,
    open_store,
    take,
    with_cards,
)
from tests.flow.running_station import MakeStation, StationFolder, connected, refused, running_here

if TYPE_CHECKING:
    from tests.pcsc.card_process import CardStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")
SLOTS = 2
PASSED, FAILED = card_pb2.CHECK_RESULT_PASSED, card_pb2.CHECK_RESULT_FAILED
UPDATE_BINARY, PUT_DATA, LOCK_TRIES = 0xD6, 0xDA, 10


@pytest.fixture(scope="module")
def pcscd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pcscd]:
    if missing():
        pytest.skip(missing())
    pytest.importorskip("smartcard")
    with pytest.MonkeyPatch.context() as patch, Pcscd(tmp_path_factory.mktemp("pcsc")) as running:
        for name, value in running.environment.items():
            patch.setenv(name, value)  # of the processes that readers are served by
        yield running


@pytest.fixture
def cards(pcscd: Pcscd, tmp_path: Path) -> Iterator[CardStub]:
    """Blank cards in every slot."""
    from tests.pcsc.card_process import CardStub

    stub = CardStub(pcscd.gate, slots=SLOTS, state=tmp_path / "cards.json")
    yield stub
    stub.stop()


@pytest.fixture
def folder(make_station: MakeStation) -> StationFolder:
    return with_cards(make_station(["pcsc:"]))


def failed(checks: dict[str, Any]) -> set[str]:
    return {name for name, check in checks.items() if check.result == FAILED}


def ledger_of(folder: StationFolder, dossier_id: str) -> tuple[CardState, list[tuple[CardState, str]]]:
    """State of the dossier's card, and all other cards with their places in the ledger."""
    store = open_store(folder)
    try:
        stands = store.cards.for_dossier(dossier_id)
        cards = store.cards.list(100, "").cards
        return stands.state, [(card.state, card.card_id or "") for card in cards if card.entry != stands.entry]
    finally:
        store.close()


async def until(call: Any, step: str) -> Written:
    """Read until a step is told."""
    written = Written([], {})
    while step not in written.steps:
        event = await call.read()
        assert event is not grpc.aio.EOF
        take(written, event)
    return written


def dwell(cards: CardStub) -> None:
    """Have the card take its time over EF.DG2: of progress only the newest is told, and a card is soon past it."""
    cards.arm("slow", after=16, times=2, seconds=0.3)


async def test_dossiers_card_is_written_verified_and_in_the_ledger(cards: CardStub, folder: StationFolder) -> None:
    dossier_id, request = enroll(folder), str(uuid.uuid4())
    async with issuing(folder) as (_, desk):
        written = await desk.personalise(dossier_id, request)
        assert (written.card.state, written.card.dossier_id) == (card_pb2.CARD_STATE_PERSONALISED, dossier_id)
        assert failed(written.checks) == set()
        for name in ("access", "signature", "group-digests", "active-authentication", "chip-authentication", "dossier"):
            assert written.checks[name].result == PASSED, name
        checks, files = await desk.verify(dossier_id)
        assert failed(checks) == set()
        assert checks["dossier"].result == PASSED
        zone = "\n".join(MachineReadableZone.decode(files["EF.DG1"]).lines)
        by_zone, _ = await desk.verify(access_key=zone)
        assert failed(by_zone) == set()
        again = await desk.personalise(dossier_id, request)
        assert (again.card.card_id, again.steps) == (written.card.card_id, [])
        assert (await refused(desk.start(dossier_id)))[1] == "CARD_TRANSITION_REFUSED"
    assert cards.state(0)["life_cycle"] == "operational"
    assert ledger_of(folder, dossier_id) == (CardState.PERSONALISED, [])


@pytest.mark.parametrize(("after", "executed"), [(1, True), (4, False), (9, True), (14, False), (24, True), (27, True)])
async def test_power_lost_on_the_way_is_made_good_in_the_same_call(
    cards: CardStub, folder: StationFolder, after: int, executed: bool
) -> None:
    dossier_id = enroll(folder)
    async with issuing(folder) as (_, desk):
        cards.arm("power_loss", after=after, executed=executed)
        written = await desk.personalise(dossier_id)
        assert failed(written.checks) == set()
        assert cards.state(0)["faults"] == []
    assert cards.state(0)["tries"] == LOCK_TRIES


async def test_daemon_killed_while_it_writes_goes_on_with_the_same_card(cards: CardStub, folder: StationFolder) -> None:
    dossier_id, request = enroll(folder), str(uuid.uuid4())
    daemon = folder.daemon(dict(os.environ))
    daemon.start()
    cards.arm("slow", after=16, times=100, seconds=0.3)
    async with connected(folder.socket, folder.issue_token()) as client, at_reader(client) as desk:
        await until(desk.start(dossier_id, request), "EF.DG2")
        daemon.kill()
    cards.control("DELETE", "/fault?slot=0")
    store = open_store(folder)
    order = store.card_orders.open_of(dossier_id)
    assert order is not None
    profile = load_card_profiles(load_config(folder.config))["vn-cccd"]
    plan = decode_plan(store.card_orders.content(order), profile)
    store.close()
    assert order.card_id
    assert cards.state(0)["life_cycle"] == "initialised"
    async with issuing(folder) as (_, desk):
        written = await desk.personalise(dossier_id, request)
        assert written.card.card_id == order.card_id
        _, files = await desk.verify(dossier_id)
    assert files["EF.SOD"] == plan.files["EF.SOD"]
    assert ledger_of(folder, dossier_id) == (CardState.PERSONALISED, [])


async def test_card_that_was_begun_is_not_exchanged_unless_another_is_asked_for(
    cards: CardStub, folder: StationFolder
) -> None:
    dossier_id, request = enroll(folder), str(uuid.uuid4())
    async with running_here(folder) as running:
        async with at_reader(running.client) as desk:
            dwell(cards)
            call = desk.start(dossier_id, request)
            await until(call, "EF.DG2")
            call.cancel()
        async with at_reader(running.client, 1) as desk:
            assert (await refused(desk.start(dossier_id, request)))[1] == "CARD_BELONGS_ELSEWHERE"
            assert cards.state(1)["life_cycle"] == "creation"
            written = await desk.personalise(dossier_id)
            assert failed(written.checks) == set()
        async with at_reader(running.client) as desk:
            assert (await refused(desk.start(dossier_id, request)))[1] == "CARD_SPOILED"
    state, others = ledger_of(folder, dossier_id)
    assert state is CardState.PERSONALISED
    assert [other for other, _ in others] == [CardState.SPOILED]


async def test_another_request_goes_on_with_the_card_that_lies_there(cards: CardStub, folder: StationFolder) -> None:
    dossier_id = enroll(folder)
    async with issuing(folder) as (_, desk):
        dwell(cards)
        call = desk.start(dossier_id)
        await until(call, "EF.DG2")
        call.cancel()
        written = await desk.personalise(dossier_id)
        assert failed(written.checks) == set()
    assert ledger_of(folder, dossier_id) == (CardState.PERSONALISED, [])


async def test_card_of_another_dossier_is_not_touched(cards: CardStub, folder: StationFolder) -> None:
    first, second = enroll(folder, 0), enroll(folder, 1)
    async with issuing(folder) as (_, desk):
        written = await desk.personalise(first)
        _, reason, facts = await refused(desk.start(second))
        assert (reason, facts["card_id"]) == ("CARD_BELONGS_ELSEWHERE", written.card.card_id)
        checks, _ = await desk.verify(first)
        assert failed(checks) == set()
        checks, _ = await desk.verify(second, access_key=PERSONS[0]["personal_number"][-6:])
        assert failed(checks) == {"dossier"}
        checks, files = await desk.verify(second)  # by the number that the second dossier's card would have
        assert "access" in failed(checks)
        assert set(files) == {"EF.CardAccess"}
    assert ledger_of(folder, first)[0] is CardState.PERSONALISED
    assert ledger_of(folder, second)[0] is CardState.SENT


async def test_half_written_card_of_another_dossier_is_not_touched(cards: CardStub, folder: StationFolder) -> None:
    first, second = enroll(folder, 0), enroll(folder, 1)
    async with issuing(folder) as (_, desk):
        request = str(uuid.uuid4())
        dwell(cards)
        call = desk.start(first, request)
        await until(call, "EF.DG2")
        call.cancel()
        assert (await refused(desk.start(second)))[1] == "CARD_BELONGS_ELSEWHERE"
        written = await desk.personalise(first, request)
        assert failed(written.checks) == set()


async def test_card_of_another_kind_and_another_profile_are_refused(
    cards: CardStub, make_station: MakeStation, tmp_path: Path
) -> None:
    built_in = Path("enrollment/service/card_profiles/vn-cccd.toml")
    root = Path(__file__).parents[3]
    (tmp_path / "own.toml").write_text((root / built_in).read_text("utf-8").replace("A0000002471001", "A0000002471099"))
    folder = make_station(["pcsc:"], more_config=f"\n[cards]\nprofiles = {json.dumps(str(tmp_path))}\n")
    with_cards(folder)
    dossier_id = enroll(folder)
    async with issuing(folder) as (_, desk):
        assert (await refused(desk.start(dossier_id)))[1] == "CARD_BELONGS_ELSEWHERE"
        assert (await refused(desk.start(dossier_id, profile="other")))[1] == "CARD_PROFILE_UNKNOWN"
    assert cards.state(0)["life_cycle"] == "creation"
    assert ledger_of(folder, dossier_id)[0] is CardState.SENT


async def test_card_that_refuses_is_spoiled_and_the_next_blank_is_written(
    cards: CardStub, folder: StationFolder
) -> None:
    dossier_id, request = enroll(folder), str(uuid.uuid4())
    async with running_here(folder) as running:
        async with at_reader(running.client) as desk:
            cards.arm("answer", bytes="6581", ins=UPDATE_BINARY, after=3, times=1000)
            code, reason, facts = await refused(desk.start(dossier_id, request))
            assert (code, reason, facts["status"]) == ("FAILED_PRECONDITION", "CARD_SPOILED", "6581")
            assert facts["step"].startswith("UPDATE BINARY EF.")
            assert (await refused(desk.start(dossier_id, request)))[1] == "CARD_SPOILED"
        state, others = ledger_of(folder, dossier_id)
        assert (state, others) == (CardState.SENT, [(CardState.SPOILED, facts["card_id"])])
        async with at_reader(running.client, 1) as desk:
            written = await desk.personalise(dossier_id)
        assert failed(written.checks) == set()
    assert ledger_of(folder, dossier_id)[0] is CardState.PERSONALISED


async def test_pcscd_killed_while_it_writes_is_told_and_the_card_finished_after(
    cards: CardStub, folder: StationFolder, pcscd: Pcscd
) -> None:
    dossier_id, request = enroll(folder), str(uuid.uuid4())
    async with running_here(folder) as running:
        async with at_reader(running.client) as desk:
            cards.arm("slow", after=16, times=3, seconds=0.3)
            call = desk.start(dossier_id, request)
            await until(call, "EF.DG2")
            await asyncio.to_thread(pcscd.kill)
            _, reason, facts = await refused(call)
            assert reason in {"CARD_SERVICE_GONE", "DEVICE_GONE"}
            assert facts.get("step", "").startswith("EF.") or reason == "DEVICE_GONE"
        await asyncio.to_thread(pcscd.start)
        async with at_reader(running.client) as desk:
            written = await desk.personalise(dossier_id, request)
    assert failed(written.checks) == set()
    assert cards.state(0)["tries"] == LOCK_TRIES


async def test_two_readers_write_two_cards_at_once(cards: CardStub, folder: StationFolder) -> None:
    first, second = enroll(folder, 0), enroll(folder, 1)
    async with running_here(folder) as running:
        other = await running.another_client("op-2")
        async with at_reader(running.client) as one, at_reader(other, 1) as two:
            written = await asyncio.gather(one.personalise(first), two.personalise(second))
    assert {one.card.dossier_id for one in written} == {first, second}
    assert len({one.card.card_id for one in written}) == 2
    assert [failed(one.checks) for one in written] == [set(), set()]


async def test_one_dossier_at_two_readers_becomes_one_card(cards: CardStub, folder: StationFolder) -> None:
    dossier_id = enroll(folder)
    request = str(uuid.uuid4())
    async with (
        running_here(folder) as running,
        at_reader(running.client) as one,
        at_reader(running.client, 1) as two,
    ):
        writing = (one.personalise(dossier_id, request), two.personalise(dossier_id, request))
        both = await asyncio.gather(*writing, return_exceptions=True)
    assert sum(isinstance(each, Written) for each in both) == 1
    assert sorted(cards.state(slot)["life_cycle"] for slot in range(SLOTS)) == ["creation", "operational"]
    assert ledger_of(folder, dossier_id) == (CardState.PERSONALISED, [])


async def test_card_that_is_not_there_or_pulled_for_good_is_told(cards: CardStub, make_station: MakeStation) -> None:
    folder = make_station(["pcsc:"], more_config="\n[cards]\ninsert_timeout_s = 2\nreturn_timeout_s = 0.5\n")
    dossier_id, request = enroll(with_cards(folder)), str(uuid.uuid4())
    cards.pull()
    async with issuing(folder) as (_, desk):
        assert (await refused(desk.start(dossier_id, request)))[1] == "CARD_GONE"
        cards.insert()
        cards.arm("pull", after=18)
        _, reason, facts = await refused(desk.start(dossier_id, request))
        assert reason in {"CARD_GONE", "CARD_TRANSMIT_LOST"}
        assert facts["step"].startswith("EF.")
        cards.insert()
        written = await desk.personalise(dossier_id, request)
        assert failed(written.checks) == set()
    assert cards.state(0)["tries"] == LOCK_TRIES


async def test_lease_that_ends_stops_the_writing_and_the_next_goes_on(cards: CardStub, folder: StationFolder) -> None:
    dossier_id, request = enroll(folder), str(uuid.uuid4())
    async with running_here(folder) as running:
        async with at_reader(running.client) as desk:
            cards.arm("slow", after=16, times=3, seconds=0.3)
            call = desk.start(dossier_id, request)
            await until(call, "EF.DG2")
            await running.client.devices.ReleaseLease(device_pb2.ReleaseLeaseRequest(lease_id=desk.lease.lease_id))
            assert (await refused(call))[1] == "LEASE_EXPIRED"
        async with at_reader(running.client) as desk:
            written = await desk.personalise(dossier_id, request)
    assert failed(written.checks) == set()


async def test_card_that_does_not_know_the_factorys_keys_loses_no_try(
    cards: CardStub, make_station: MakeStation
) -> None:
    folder = with_cards(make_station(["pcsc:"]))
    factory = folder.folder / "cards" / "card-factory.key"
    key = factory.read_bytes()
    factory.write_bytes(key[:4] + bytes(len(key) - 4))
    dossier_id = enroll(folder)
    async with issuing(folder) as (_, desk):
        assert (await refused(desk.start(dossier_id)))[1] == "CARD_NOT_GENUINE"
    assert (cards.state(0)["tries"], cards.state(0)["life_cycle"]) == (LOCK_TRIES, "creation")


async def test_signer_whose_authority_is_not_trusted_writes_nothing(
    cards: CardStub, folder: StationFolder, make_station: MakeStation
) -> None:
    dossier_id = enroll(folder)
    other = with_cards(make_station([]))
    place = Path("cards") / "csca" / "development.pem"
    (folder.folder / place).write_bytes((other.folder / place).read_bytes())
    async with issuing(folder) as (_, desk):
        assert (await refused(desk.start(dossier_id)))[1] == "UNTRUSTED_CHAIN"
    assert cards.state(0)["life_cycle"] == "creation"


async def test_order_that_waited_for_a_card_is_signed_anew_where_its_signer_is_trusted_no_more(
    cards: CardStub, make_station: MakeStation
) -> None:
    folder = with_cards(make_station(["pcsc:"], more_config="\n[cards]\ninsert_timeout_s = 2\n"))
    other = with_cards(make_station([]))
    dossier_id, request = enroll(folder), str(uuid.uuid4())
    cards.pull()
    async with issuing(folder) as (_, desk):
        assert (await refused(desk.start(dossier_id, request)))[1] == "CARD_GONE"
        for name in ("signer.pem", "signer-key.pem", "csca/development.pem"):
            (folder.folder / "cards" / name).write_bytes((other.folder / "cards" / name).read_bytes())
        cards.insert()
        written = await desk.personalise(dossier_id, request)
        assert failed(written.checks) == set()


async def test_station_without_cards_and_dossier_that_is_not_sent_are_told(
    cards: CardStub, make_station: MakeStation
) -> None:
    folder = make_station(["pcsc:"])
    sent, waiting = enroll(folder, 0), enroll(folder, 1, sent=False)
    async with issuing(folder) as (_, desk):
        assert (await refused(desk.start(sent)))[1] == "CARDS_NOT_CONFIGURED"
        assert (await refused(desk.start(waiting)))[1] == "CARD_TRANSITION_REFUSED"
        assert (await refused(desk.start(str(uuid.uuid4()))))[1] == "DOSSIER_UNKNOWN"


async def test_nothing_secret_is_in_any_log_or_in_the_database_in_the_clear(
    cards: CardStub, folder: StationFolder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    dossier_id, request = enroll(folder), str(uuid.uuid4())
    async with issuing(folder) as (running, desk):
        dwell(cards)
        call = desk.start(dossier_id, request)
        await until(call, "EF.DG2")
        call.cancel()
        orders = running.station.store.card_orders
        order = orders.open_of(dossier_id)
        assert order is not None
        authority = CardAuthority(None, load_card_profiles(load_config(folder.config)), lambda: None)
        secrets = decode_plan(orders.content(order), authority.profile(order.profile_id)).secrets
        kept = [path.read_bytes() for path in folder.folder.glob("station.db*")]
        await desk.personalise(dossier_id, request)
        await desk.verify(dossier_id)
        await desk.verify(access_key="000000")
        ended = orders.find(request, dossier_id, "vn-cccd")
        assert ended is not None
        assert ended.state is OrderState.WRITTEN
    keys = [secrets.chip_key.private_numbers().private_value, _scalar(secrets.active_key)]
    words = ["Ánh", "NGUYEN", PERSONS[0]["personal_number"], secrets.document_number, "910307", secrets.can]
    words += [form for key in keys for form in (f"{key:064x}", f"{key:064X}", str(key))]
    text = caplog.text
    assert len(text) > 500
    assert [word for word in words if word in text] == []
    after = [path.read_bytes() for path in folder.folder.glob("station.db*")]
    for content in (*kept, *after):
        assert all(word.encode() not in content for word in (PERSONS[0]["personal_number"], "Ánh"))
        assert all(key.to_bytes(32, "big") not in content for key in keys)


def _scalar(key: Any) -> int:
    return int(key.private_numbers().private_value)
