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
from click.testing import CliRunner

from enrollment.cli.main import main as enrollctl
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
    Desk,
    Written,
    at_reader,
    attached,
    enroll,
    issuing,
    open_store,
    take,
    with_cards,
)
from tests.flow.running_station import MakeStation, StationFolder, connected, refused, running_here
from tests.revoked_signer import revoke_signer

if TYPE_CHECKING:
    from tests.pcsc.card_process import CardStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")
SLOTS = 2
RETURN_S = 1.5  # for a card that does not come again: pcscd, which looks every 0.4 s, has seen by then that it went
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


def card_stub(pcscd: Pcscd, kept: Path, slots: int = 1) -> CardStub:
    """Cards in the slots, blank unless they were kept."""
    from tests.pcsc.card_process import CardStub

    return CardStub(pcscd.gate, slots=slots, state=kept)


@pytest.fixture
def cards(pcscd: Pcscd, tmp_path: Path) -> Iterator[CardStub]:
    """Blank cards in every slot."""
    stub = card_stub(pcscd, tmp_path / "cards.json", SLOTS)
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


def ledger_card(folder: StationFolder, dossier_id: str) -> str:
    """The number of the dossier's card."""
    store = open_store(folder)
    try:
        return store.cards.for_dossier(dossier_id).card_id or ""
    finally:
        store.close()


async def begin(cards: CardStub, desk: Desk, dossier_id: str, request_id: str = "") -> Any:
    """The call of a personalisation whose card is half written, and answers no more until `go_on`."""
    cards.arm("slow", ins=UPDATE_BINARY, after=4, seconds=60.0)  # at the first of EF.DG2
    call, written = desk.start(dossier_id, request_id), Written([], {})
    while "EF.DG2" not in written.steps:
        if (event := await call.read()) is grpc.aio.EOF:
            raise AssertionError(f"ended before: {await call.code()}, {await call.details()}")
        take(written, event)
    return call


def go_on(cards: CardStub) -> None:
    cards.control("DELETE", "/fault?slot=0")


async def cancel(call: Any, cards: CardStub, desk: Desk) -> None:
    """Leave what was begun, for certain before its card goes on."""
    call.cancel()
    await desk.until(device_pb2.DEVICE_STATE_READY)
    go_on(cards)


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
    async with connected(folder.socket, folder.issue_token()) as client, at_reader(client) as desk:
        await begin(cards, desk, dossier_id, request)
        daemon.kill()
    go_on(cards)
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
            call = await begin(cards, desk, dossier_id, request)
            await cancel(call, cards, desk)
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
        call = await begin(cards, desk, dossier_id)
        await cancel(call, cards, desk)
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
        call = await begin(cards, desk, first, request)
        await cancel(call, cards, desk)
        assert (await refused(desk.start(second)))[1] == "CARD_BELONGS_ELSEWHERE"
        written = await desk.personalise(first, request)
        assert failed(written.checks) == set()


async def test_card_whose_first_write_was_torn_is_finished_for_its_own_dossier_alone(
    pcscd: Pcscd, make_station: MakeStation, tmp_path: Path
) -> None:
    folder = with_cards(make_station(["pcsc:"], more_config=f"\n[cards]\nreturn_timeout_s = {RETURN_S}\n"))
    first, second, request, kept = enroll(folder, 0), enroll(folder, 1), str(uuid.uuid4()), tmp_path / "card.json"
    stub = card_stub(pcscd, kept)
    try:
        async with issuing(folder) as (_, desk):
            stub.arm("pull", ins=UPDATE_BINARY, executed=True)
            assert (await refused(desk.start(first, request)))[1] in {"CARD_GONE", "CARD_TRANSMIT_LOST"}
            assert set(stub.state()["files"]) == {"011D"}
    finally:
        stub.stop()
    memory = json.loads(kept.read_text())
    [card] = memory["cards"]
    octets = bytes.fromhex(card["files"]["011D"])
    card["files"]["011D"] = (octets[:200] + b"\xff" * (len(octets) - 200)).hex()
    kept.write_text(json.dumps(memory))
    stub = card_stub(pcscd, kept)
    try:
        async with issuing(folder) as (_, desk):
            assert (await refused(desk.start(second)))[1] == "CARD_BELONGS_ELSEWHERE"
            written = await desk.personalise(first, request)
            assert failed(written.checks) == set()
    finally:
        stub.stop()
    assert ledger_of(folder, first) == (CardState.PERSONALISED, [(CardState.SENT, "")])  # the second dossier's


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
            call = await begin(cards, desk, dossier_id, request)
            await asyncio.to_thread(pcscd.kill)
            try:
                go_on(cards)
                _, reason, facts = await refused(call)
                assert reason in {"CARD_SERVICE_GONE", "DEVICE_GONE"}
                assert facts.get("step", "").startswith("EF.") or reason == "DEVICE_GONE"
                await desk.until(device_pb2.DEVICE_STATE_DETACHED)  # or a lease of the reader would end when it is seen
            finally:
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


@pytest.mark.parametrize("same_request", [True, False])
async def test_one_dossier_at_two_readers_becomes_one_card(
    cards: CardStub, folder: StationFolder, same_request: bool
) -> None:
    dossier_id = enroll(folder)
    requests = [str(uuid.uuid4())] * 2 if same_request else [str(uuid.uuid4()), str(uuid.uuid4())]
    async with (
        running_here(folder) as running,
        at_reader(running.client) as one,
        at_reader(running.client, 1) as two,
    ):
        first, begun = await begin(cards, one, dossier_id, requests[0]), Written([], {})
        again = two.personalise if same_request else lambda *asked: refused(two.start(*asked))
        second: asyncio.Task[Any] = asyncio.create_task(again(dossier_id, requests[1]))
        await two.until(device_pb2.DEVICE_STATE_BUSY)
        go_on(cards)
        while (event := await first.read()) is not grpc.aio.EOF:
            take(begun, event)
        other = await second
    assert failed(begun.checks) == set()
    if same_request:
        assert other.card.card_id == begun.card.card_id
    else:
        assert other[1] == "CARD_TRANSITION_REFUSED"
    assert sorted(cards.state(slot)["life_cycle"] for slot in range(SLOTS)) == ["creation", "operational"]
    assert ledger_of(folder, dossier_id) == (CardState.PERSONALISED, [])


@pytest.mark.parametrize("finished", [True, False])
async def test_card_that_arrives_while_another_is_written_stays_and_the_other_is_spoiled(
    cards: CardStub, folder: StationFolder, finished: bool
) -> None:
    dossier_id, request = enroll(folder), str(uuid.uuid4())
    async with issuing(folder) as (running, desk):
        call = await begin(cards, desk, dossier_id, request)
        arrived = card_pb2.CardArrival(card_id="FROM-CENTRE", dossier_id=dossier_id)
        batch = card_pb2.ImportCardBatchRequest(batch_id="b1", rows=[arrived])
        assert (await running.client.cards.ImportCardBatch(batch)).arrived == 1
        if finished:
            go_on(cards)
            _, reason, facts = await refused(call)
            assert (reason, facts["state"]) == ("CARD_SPOILED", "arrived")
        else:
            await cancel(call, cards, desk)
            assert (await refused(desk.start(dossier_id, request)))[1] == "CARD_TRANSITION_REFUSED"
        assert (await refused(desk.start(dossier_id)))[1] == "CARD_TRANSITION_REFUSED"
    state, others = ledger_of(folder, dossier_id)
    assert (state, [other for other, _ in others]) == (CardState.ARRIVED, [CardState.SPOILED])


async def test_card_that_is_not_there_or_pulled_for_good_is_told(cards: CardStub, make_station: MakeStation) -> None:
    folder = make_station(["pcsc:"], more_config=f"\n[cards]\ninsert_timeout_s = 2\nreturn_timeout_s = {RETURN_S}\n")
    dossier_id, request = enroll(with_cards(folder)), str(uuid.uuid4())
    cards.pull()
    async with issuing(folder) as (_, desk):
        assert (await refused(desk.start(dossier_id, request)))[1] == "CARD_GONE"
        cards.insert()
        cards.await_connected()
        cards.arm("pull", after=18)
        _, reason, facts = await refused(desk.start(dossier_id, request))
        assert reason in {"CARD_GONE", "CARD_TRANSMIT_LOST"}
        assert facts["step"].startswith("EF.")
        cards.insert()
        cards.await_connected()
        written = await desk.personalise(dossier_id, request)
        assert failed(written.checks) == set()
    assert cards.state(0)["tries"] == LOCK_TRIES


async def test_lease_that_ends_stops_the_writing_and_the_next_goes_on(cards: CardStub, folder: StationFolder) -> None:
    dossier_id, request = enroll(folder), str(uuid.uuid4())
    async with running_here(folder) as running:
        async with at_reader(running.client) as desk:
            call = await begin(cards, desk, dossier_id, request)
            await running.client.devices.ReleaseLease(device_pb2.ReleaseLeaseRequest(lease_id=desk.lease.lease_id))
            go_on(cards)
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
        cards.await_connected()
        written = await desk.personalise(dossier_id, request)
        assert failed(written.checks) == set()


async def test_report_reads_in_either_language(cards: CardStub, folder: StationFolder, tmp_path: Path) -> None:
    dossier_id, token = enroll(folder), tmp_path / "token"
    token.write_text(folder.issue_token())
    environment = {"ENROLL_SOCKET": str(folder.socket), "ENROLL_TOKEN_FILE": str(token), "COLUMNS": "240"}

    async def run(*words: str) -> str:
        done = await asyncio.to_thread(CliRunner().invoke, enrollctl, words, env=environment)
        return str(done.output)

    async with running_here(folder) as running:
        await attached(running.client, 1)
        written = await run("--lang", "vi", "card", "personalise", dossier_id)
        revoke_signer(folder.folder / "cards")
        said = {lang: await run("--lang", lang, "card", "verify", "--dossier", dossier_id) for lang in ("vi", "en")}
        again = await run("--lang", "vi", "card", "personalise", dossier_id)
        number = ledger_card(folder, dossier_id)
        await run("card", "return", number, "--reason", "misspelt")
        returned = await run("--lang", "vi", "card", "personalise", dossier_id)
    assert "khóa thẻ" in written
    assert f"thẻ {number} đã được ghi" in again
    assert "nay ở trạng thái: đã trả về trung tâm; không ghi gì;" in returned
    assert "theo danh sách thu hồi ngày" in written
    for lang, told in {
        "vi": (
            "thẻ KHÔNG hợp lệ",
            "chứng thư bên ký đã bị thu hồi (của bên ký, từ ngày ",
            "6 nhóm dữ liệu",
            "xác thực chip",
        ),
        "en": (
            "the card DOES NOT verify",
            "the signer was revoked (of the signer, since ",
            "6 data groups",
            "1 compared",
        ),
    }.items():
        assert [words for words in told if words not in said[lang]] == []
    assert [word for word in (" octets", "pixels", "authentication", "compared", "only") if word in said["vi"]] == []


async def test_signer_that_was_revoked_is_told_and_writes_nothing_more(
    cards: CardStub, folder: StationFolder, make_station: MakeStation
) -> None:
    first, second = enroll(folder, 0), enroll(folder, 1)
    async with issuing(folder) as (_, desk):
        await desk.personalise(first)
        checks, _ = await desk.verify(first)
        assert checks["revocation"].result == PASSED
        revoke_signer(folder.folder / "cards")
        checks, _ = await desk.verify(first)
        assert failed(checks) == {"revocation"}
        assert checks["revocation"].reason == "CERTIFICATE_REVOKED"
        assert (await refused(desk.start(second)))[1] == "CERTIFICATE_REVOKED"
        damaged = folder.folder / "cards" / "crl" / "damaged.crl"
        damaged.write_bytes(b"damaged")
        code, reason, facts = await refused(desk.start_verification(first))
        assert (code, reason, facts["file"]) == ("FAILED_PRECONDITION", "REVOCATION_LIST_UNUSABLE", str(damaged))
    assert ledger_of(folder, second)[0] is CardState.SENT


@pytest.mark.parametrize("same_request", [True, False])
async def test_card_begun_by_a_signer_that_is_revoked_is_spoiled_and_another_written(
    cards: CardStub, folder: StationFolder, make_station: MakeStation, same_request: bool
) -> None:
    dossier_id, request = enroll(folder), str(uuid.uuid4())
    other = with_cards(make_station([])).folder / "cards"
    own = folder.folder / "cards"
    async with running_here(folder) as running:
        async with at_reader(running.client) as desk:
            call = await begin(cards, desk, dossier_id, request)
            await cancel(call, cards, desk)
            revoke_signer(own)
            for name in ("signer.pem", "signer-key.pem"):
                (own / name).write_bytes((other / name).read_bytes())
            (own / "csca" / "new.pem").write_bytes((other / "csca" / "development.pem").read_bytes())
            if same_request:
                _, reason, facts = await refused(desk.start(dossier_id, request))
                assert (reason, facts["problem"]) == ("CARD_SPOILED", "CERTIFICATE_REVOKED")
            else:
                assert (await refused(desk.start(dossier_id)))[1] == "CARD_BELONGS_ELSEWHERE"
        async with at_reader(running.client, 1) as desk:
            written = await desk.personalise(dossier_id)
    assert failed(written.checks) == set()
    state, others = ledger_of(folder, dossier_id)
    assert (state, [other for other, _ in others]) == (CardState.PERSONALISED, [CardState.SPOILED])


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
        call = await begin(cards, desk, dossier_id, request)
        await cancel(call, cards, desk)
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
    for content in (*kept, *after):  # megabytes of what looks like chance: four octets would be in it now and then
        assert all(word.encode() not in content for word in (PERSONS[0]["personal_number"], "Thị Ánh"))
        assert all(key.to_bytes(32, "big") not in content for key in keys)


def _scalar(key: Any) -> int:
    return int(key.private_numbers().private_value)
