"""Long lists over gRPC: in several requests, resumed, cut off by a restart, lied about; and pages of the ledger."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from enrollment.core.dossier.card_batch import CardArrival, batch_digest
from enrollment.v1 import card_pb2
from tests.flow.cards.counter import Counter, open_counter, station_of_cards
from tests.flow.running_station import Client, Hands, MakeStation, RegistryProcess, refused

if TYPE_CHECKING:
    from tests.contract.device_stubs import ScannerStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")


@pytest.fixture
async def counter(
    make_station: MakeStation, scanner_stub: ScannerStub, registry_process: RegistryProcess, hands: Hands
) -> AsyncIterator[Counter]:
    folder = station_of_cards(make_station, [scanner_stub.url], registry_process)
    async with open_counter(folder, hands) as opened:
        yield opened


class List:
    """A delivery as its client sends it."""

    def __init__(self, rows: Sequence[CardArrival]) -> None:
        self.rows = rows
        self.digest = batch_digest(rows).hex()

    def piece(self, first: int, last: int, **other: Any) -> card_pb2.ImportCardBatchRequest:
        fields: dict[str, Any] = {
            "batch_id": "box",
            "rows": [
                card_pb2.CardArrival(card_id=row.card_id, dossier_id=row.dossier_id)
                for row in self.rows[first - 1 : last]
            ],
            "first_row": first,
            "row_count": len(self.rows),
            "sha256": self.digest,
        }
        return card_pb2.ImportCardBatchRequest(**(fields | other))


async def send(client: Client, request: card_pb2.ImportCardBatchRequest) -> tuple[int, bool]:
    answer = await client.cards.ImportCardBatch(request)
    return answer.received_rows, answer.done


async def test_list_in_pieces_goes_on_where_the_station_is(counter: Counter) -> None:
    client = counter.client
    delivery = List([CardArrival(f"A{number}", str(uuid.uuid4())) for number in range(1, 2501)])
    assert await send(client, delivery.piece(1, 1000)) == (1000, False)
    assert await send(client, delivery.piece(1501, 2000)) == (1000, False), (
        "a piece that does not follow is passed over"
    )
    assert await send(client, delivery.piece(1, 1000)) == (1000, False), "begun anew"
    assert await send(client, delivery.piece(1001, 2000)) == (2000, False)
    assert (await refused(client.cards.GetCardBatch(card_pb2.GetCardBatchRequest(batch_id="box"))))[1] == (
        "CARD_BATCH_UNKNOWN"
    ), "nothing is carried out before the list is whole"
    done = await client.cards.ImportCardBatch(delivery.piece(2001, 2500))
    assert (done.done, done.arrived, done.batch.row_count, done.batch.sha256) == (True, 0, 2500, delivery.digest)
    assert len(done.unknown_card_ids) == 500
    numbers, token = [], ""
    while True:
        request = card_pb2.GetCardBatchRequest(batch_id="box", page_size=500, page_token=token)
        page = await client.cards.GetCardBatch(request)
        numbers += [row.number for row in page.rows]
        token = page.next_page_token
        if not token:
            break
    assert numbers == list(range(1, 2501))


async def test_list_that_is_not_what_it_says_changes_nothing(counter: Counter) -> None:
    client = counter.client
    delivery = List([CardArrival("A1"), CardArrival("A2")])
    refusals = {
        "DIGEST_MISMATCH": delivery.piece(1, 2, sha256="0" * 64),
        "CARD_BATCH_MALFORMED": delivery.piece(1, 1, sha256=""),
        "MALFORMED_REQUEST": delivery.piece(1, 0),
    }
    for reason, request in refusals.items():
        assert (await refused(client.cards.ImportCardBatch(request)))[1] == reason
    for request in (
        delivery.piece(1, 2, row_count=1),
        delivery.piece(1, 2, row_count=200_001),
    ):
        assert (await refused(client.cards.ImportCardBatch(request)))[1] == "CARD_BATCH_MALFORMED"
    for request in (
        delivery.piece(1, 2, sha256="xyz"),
        delivery.piece(1, 2, batch_id="a b"),
        delivery.piece(1, 2, location="x" * 65),
        delivery.piece(1, 2, card_ids=["A1"]),
        card_pb2.ImportCardBatchRequest(batch_id="box", card_ids=["A" * 201]),
    ):
        assert (await refused(client.cards.ImportCardBatch(request)))[1] == "MALFORMED_REQUEST"
    assert (await send(client, delivery.piece(1, 2))) == (2, True)
    other = List([CardArrival("A3")])
    assert (await refused(client.cards.ImportCardBatch(other.piece(1, 1))))[1] == "CARD_BATCH_CONFLICT"


async def test_list_of_numbers_alone_finds_cards_that_were_made_here(counter: Counter) -> None:
    request = card_pb2.ImportCardBatchRequest(batch_id="old", card_ids=[counter.card_id, "NOBODYS"])
    answer = await counter.client.cards.ImportCardBatch(request)
    assert (answer.arrived, list(answer.unknown_card_ids)) == (0, ["NOBODYS"])
    counts = {count.outcome: count.rows for count in answer.batch.counts}
    assert counts == {card_pb2.CARD_ROW_OUTCOME_ALREADY_ARRIVED: 1, card_pb2.CARD_ROW_OUTCOME_UNKNOWN_CARD: 1}


async def test_questions_that_make_no_sense_are_refused(counter: Counter) -> None:
    cards = counter.client.cards
    for call in (
        cards.ListCards(card_pb2.ListCardsRequest(page_token="no-token")),
        cards.ListCards(card_pb2.ListCardsRequest(page_size=501)),
        cards.GetCard(card_pb2.GetCardRequest()),
        cards.GetCard(card_pb2.GetCardRequest(card_id="A", dossier_id=counter.dossier_id)),
    ):
        code, reason, _ = await refused(call)
        assert code == "INVALID_ARGUMENT"
        assert reason in ("MALFORMED_REQUEST", "INVALID_INPUT")
    beyond = card_pb2.ListCardsRequest()
    beyond.unchanged_since.seconds = 10**15
    assert (await refused(cards.ListCards(beyond)))[1] == "MALFORMED_REQUEST"
