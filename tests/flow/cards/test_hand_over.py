"""A card goes to its citizen: the dossier's finger or two officers, the receipt, and everything that is refused."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from enrollment.core.fingerprint.false_match import score_at
from enrollment.core.sealing.hand_over_receipt import FingerVerified, TwoOfficers, verify_hand_over, verify_void
from enrollment.core.sealing.public_keys import decode_verifying_key
from enrollment.service.store.operator_sessions import Role
from enrollment.v1 import capture_pb2, card_pb2, device_pb2, dossier_pb2, types_pb2
from tests.flow.cards.counter import Counter, enroll, open_counter, station_of_cards
from tests.flow.running_station import Hands, MakeStation, RegistryProcess, refused

if TYPE_CHECKING:
    from tests.contract.device_stubs import ScannerStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")


@pytest.fixture
async def counter(
    make_station: MakeStation, scanner_stub: ScannerStub, registry_process: RegistryProcess, hands: Hands
) -> AsyncIterator[Counter]:
    few_tries = "\n[hand_over]\ntries = 2\ntries_in_all = 3\n"
    folder = station_of_cards(make_station, [scanner_stub.url], registry_process, few_tries)
    async with open_counter(folder, hands) as opened:
        yield opened


async def receipt_of(counter: Counter) -> card_pb2.GetHandOverReceiptResponse:
    request = card_pb2.GetHandOverReceiptRequest(card_id=counter.card_id)
    return await counter.client.cards.GetHandOverReceipt(request)


async def test_dossiers_finger_gets_the_card_and_the_same_request_the_same_answer(counter: Counter) -> None:
    client, request_id = counter.client, str(uuid.uuid4())
    async with client.lease((await client.scanner()).device_id) as lease:
        call = counter.call(lease, dossier_id=counter.dossier_id, position=7, request_id=request_id)
        events = await counter.follow(call, 7)
        names = [name for name, _ in events]
        assert names[0] == "finger"
        assert events[0][1].position == 7
        assert sorted(events[0][1].held) == [2, 7]
        assert names[-1] == "card"
        again = await counter.follow(counter.call(lease, request_id=request_id), 9)
        assert [name for name, _ in again] == ["card"], "no finger is asked for again"
        assert again[0][1] == events[-1][1]
        code, reason, _ = await refused(counter.call(lease))
        assert (code, reason) == ("FAILED_PRECONDITION", "CARD_TRANSITION_REFUSED")
    card = events[-1][1]
    assert card.state == card_pb2.CARD_STATE_HANDED_OVER
    assert [change.state for change in card.history][-2:] == [
        card_pb2.CARD_STATE_ARRIVED,
        card_pb2.CARD_STATE_HANDED_OVER,
    ]
    answer = await receipt_of(counter)
    key = decode_verifying_key(answer.verifying_key)
    receipt = verify_hand_over(answer.receipt, {key.key_id: key})
    assert (receipt.card_id, str(receipt.dossier_id)) == (counter.card_id, counter.dossier_id)
    assert receipt.operator_id == "op-1"
    assert isinstance(receipt.how, FingerVerified)
    assert receipt.how.position == 7
    assert receipt.how.score >= receipt.how.threshold == int(1000 * score_at(1e-4))
    assert answer.void_receipt == b""


async def test_other_fingers_get_nothing_and_are_counted_over_calls(counter: Counter) -> None:
    client = counter.client
    async with client.lease((await client.scanner()).device_id) as lease:
        told: list[tuple[str, Any]] = []
        strangers = counter.follow(counter.call(lease, position=2), 7, 9, told=told)
        code, reason, facts = await refused(strangers)
        assert (code, reason, facts["tries_left"]) == ("FAILED_PRECONDITION", "FINGER_NOT_MATCHED", "1")
        await counter.hands.lift()
        compared = [event for name, event in told if name == "comparison"]
        assert [(one.matches, one.same_as) for one in compared] == [(False, 7), (False, 0)]
        assert compared[0].hint == types_pb2.CAPTURE_HINT_OTHER_FINGER
        assert await counter.state() == "arrived"
        code, reason, facts = await refused(counter.follow(counter.call(lease), 9))
        assert (code, reason, facts["tries_left"]) == ("FAILED_PRECONDITION", "FINGER_NOT_MATCHED", "0")
        await counter.hands.lift()
        code, reason, _ = await refused(counter.call(lease))
        assert (code, reason) == ("FAILED_PRECONDITION", "TRIES_USED_UP"), "the right finger comes too late"
    assert await counter.state() == "arrived"
    code, reason, _ = await refused(receipt_of(counter))
    assert (code, reason) == ("FAILED_PRECONDITION", "NOT_HANDED_OVER")


async def test_finger_that_the_dossier_lacks_gives_way_to_one_that_it_has(counter: Counter) -> None:
    client = counter.client
    async with client.lease((await client.scanner()).device_id) as lease:
        events = await counter.follow(counter.call(lease, position=5), 2)
        asked = events[0][1]
        assert asked.position == asked.held[0]
        assert asked.position in (2, 7)


async def test_two_officers_get_the_card_out_and_one_does_not(counter: Counter) -> None:
    client, folder = counter.client, counter.here.folder
    supervisor = await counter.here.another_client("sup-1", Role.SUPERVISOR)
    purge = dossier_pb2.PurgeDossierRequest(dossier_id=counter.dossier_id)
    await supervisor.dossiers.PurgeDossier(purge)
    async with client.lease((await client.scanner()).device_id) as lease:
        code, reason, _ = await refused(counter.call(lease))
        assert (code, reason) == ("FAILED_PRECONDITION", "PRINTS_NOT_THERE"), "the prints went with the dossier"

    def vouching(token: str, **other: str) -> Any:
        vouched = card_pb2.Vouching(**({"reason": "purged", "second_session_token": token} | other))
        return counter.call(None, vouching=vouched)

    for token in ("", "no-token", folder.issue_token("op-1"), folder.issue_token("tech-1", Role.TECHNICIAN)):
        code, reason, _ = await refused(vouching(token))
        assert (code, reason) == ("PERMISSION_DENIED", "SECOND_OFFICER_NEEDED")
    token = folder.issue_token("op-2")
    assert (await refused(vouching(token, second_operator_id="op-3")))[1] == "SECOND_OFFICER_NEEDED"
    for reason in (" ", "x" * 201, "is 001 099 000 001 indeed"):
        assert (await refused(vouching(token, reason=reason)))[1] == "MALFORMED_REQUEST"
    assert await counter.state() == "arrived"
    events = await counter.follow(vouching(token, second_operator_id="op-2"), 0)
    assert [name for name, _ in events] == ["card"]
    last = events[0][1].history[-1]
    assert (last.operator_id, last.second_operator_id, last.reason) == ("op-1", "op-2", "purged")
    answer = await receipt_of(counter)
    key = decode_verifying_key(answer.verifying_key)
    how = verify_hand_over(answer.receipt, {key.key_id: key}).how
    assert how == TwoOfficers(second_operator_id="op-2", reason="purged")
    log = folder.folder / "station.db"
    assert token.encode() not in log.read_bytes()


async def test_supervisor_takes_a_hand_over_back_and_the_receipt_is_void(counter: Counter) -> None:
    client, folder = counter.client, counter.here.folder
    vouched = card_pb2.Vouching(reason="bandaged", second_session_token=folder.issue_token("op-2"))
    undo = card_pb2.UndoHandOverRequest(card_id=counter.card_id, reason="wrong twin", request_id=str(uuid.uuid4()))
    supervisor = await counter.here.another_client("sup-1", Role.SUPERVISOR)
    assert (await refused(supervisor.cards.UndoHandOver(undo)))[1] == "CARD_TRANSITION_REFUSED"
    await counter.follow(counter.call(None, vouching=vouched), 0)
    first = await receipt_of(counter)
    assert (await refused(client.cards.UndoHandOver(undo)))[:2] == ("PERMISSION_DENIED", "ROLE_REQUIRED")
    undone = (await supervisor.cards.UndoHandOver(undo)).card
    assert (undone.state, undone.undone, undone.has_receipt) == (card_pb2.CARD_STATE_ARRIVED, True, True)
    assert (await supervisor.cards.UndoHandOver(undo)).card == undone, "the same request changes nothing"
    answer = await receipt_of(counter)
    assert answer.receipt == first.receipt
    key = decode_verifying_key(answer.verifying_key)
    void = verify_void(answer.void_receipt, {key.key_id: key}, answer.receipt)
    assert (void.operator_id, void.reason) == ("sup-1", "wrong twin")
    # The card is here again, and may go to the right person.
    await counter.follow(counter.call(None, vouching=vouched), 0)
    second = await receipt_of(counter)
    assert (second.receipt != first.receipt, second.void_receipt) == (True, b"")
    assert counter.here.station.store.audit.verify() > 0


async def test_card_of_another_dossier_is_refused(counter: Counter) -> None:
    client = counter.client
    other = await enroll(client, counter.hands)
    async with client.lease((await client.scanner()).device_id) as lease:
        code, reason, _ = await refused(counter.call(lease, dossier_id=other))
        assert (code, reason) == ("FAILED_PRECONDITION", "CARD_BELONGS_ELSEWHERE")
        code, reason, _ = await refused(counter.call(lease, card_id="C0FFEE"))
        assert (code, reason) == ("NOT_FOUND", "CARD_UNKNOWN")
    assert await counter.state() == "arrived"


async def test_lease_that_is_missing_or_ends_hands_nothing_over(counter: Counter) -> None:
    client = counter.client
    assert (await refused(counter.call(None)))[1] == "LEASE_REQUIRED"
    scanner = (await client.scanner()).device_id
    supervisor = await counter.here.another_client("sup-1", Role.SUPERVISOR)
    async with client.lease(scanner) as lease:
        call = counter.call(lease)
        while (await call.read()).WhichOneof("event") != "waiting":
            pass
        take = device_pb2.TakeOverLeaseRequest(device_id=scanner, reason="urgent")
        await supervisor.devices.TakeOverLease(take)
        code, reason, _ = await refused(call)
        assert (code, reason) == ("FAILED_PRECONDITION", "LEASE_NOT_YOURS")
    assert await counter.state() == "arrived"


async def test_client_that_is_gone_after_the_comparison_finds_one_hand_over(counter: Counter) -> None:
    client, request_id = counter.client, str(uuid.uuid4())
    async with client.lease((await client.scanner()).device_id) as lease:
        call = counter.call(lease, request_id=request_id, position=2)
        while True:
            answer = await call.read()
            name = answer.WhichOneof("event")
            if name == "waiting":
                await counter.hands.lay(2, 5)
            elif name == "comparison":
                break
        call.cancel()
        await counter.hands.lift()
    async with client.lease((await client.scanner()).device_id) as lease:
        events = await counter.follow(counter.call(lease, request_id=request_id, position=2), 2)
    card = events[-1][1]
    assert card.state == card_pb2.CARD_STATE_HANDED_OVER
    assert [change.state for change in card.history].count(card_pb2.CARD_STATE_HANDED_OVER) == 1


async def test_technician_hands_nothing_over_and_only_a_supervisor_destroys(counter: Counter) -> None:
    technician = await counter.here.another_client("tech-1", Role.TECHNICIAN)
    supervisor = await counter.here.another_client("sup-1", Role.SUPERVISOR)
    unused = capture_pb2.LeaseReference()
    hand_over = technician.cards.HandOverCard(
        card_pb2.HandOverCardRequest(card_id=counter.card_id, scanner_lease=unused)
    )
    assert (await refused(hand_over))[1] == "ROLE_REQUIRED"
    destroy = card_pb2.RetireCardRequest(
        card_id=counter.card_id, state=card_pb2.CARD_STATE_DESTROYED, reason="torn", request_id=str(uuid.uuid4())
    )
    assert (await refused(technician.cards.RetireCard(destroy)))[1] == "ROLE_REQUIRED"
    code, reason, _ = await refused(counter.client.cards.RetireCard(destroy))
    assert (code, reason) == ("PERMISSION_DENIED", "SUPERVISOR_REQUIRED")
    destroyed = (await supervisor.cards.RetireCard(destroy)).card
    assert destroyed.state == card_pb2.CARD_STATE_DESTROYED
    assert (await supervisor.cards.RetireCard(destroy)).card == destroyed
    arrived = card_pb2.RetireCardRequest(card_id=counter.card_id, state=card_pb2.CARD_STATE_ARRIVED, reason="no")
    assert (await refused(supervisor.cards.RetireCard(arrived)))[1] == "MALFORMED_REQUEST"
