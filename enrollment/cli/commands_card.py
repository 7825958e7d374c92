"""enrollctl card: which card is where, since when; and a card in an encoder."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

import click
from google.protobuf.timestamp_pb2 import Timestamp

from enrollment.cli import words
from enrollment.cli.commands_card_encoding import personalise, verify
from enrollment.cli.commands_card_hand_over import hand_over, receipt
from enrollment.cli.commands_card_import import import_cards
from enrollment.cli.connection import Station
from enrollment.cli.failure import EXIT_REFUSED
from enrollment.cli.output import Output, plain_of
from enrollment.cli.pages import pages
from enrollment.cli.session import with_station
from enrollment.v1 import card_pb2

STATES: Final = [name.removeprefix("CARD_STATE_").lower().replace("_", "-") for name in card_pb2.CardState.keys()[1:]]


@click.group()
def card() -> None:
    """Chip cards: written and verified in an encoder; where each one is, and hand-over."""


card.add_command(import_cards)
card.add_command(hand_over)
card.add_command(receipt)
card.add_command(personalise)
card.add_command(verify)


def state_named(name: str) -> card_pb2.CardState.ValueType:
    """handed-over -> CARD_STATE_HANDED_OVER."""
    return card_pb2.CardState.Value(f"CARD_STATE_{name.upper().replace('-', '_')}")


def state_words(state: card_pb2.CardState.ValueType, out: Output) -> str:
    """A state for people."""
    return words.state(card_pb2.CardState.Name(state), out.language)


def day(moment: Timestamp) -> str:
    """For people: UTC, to the minute."""
    return moment.ToDatetime().strftime("%Y-%m-%d %H:%MZ")


@card.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only cards in this state.")
@click.option("--at", "location", default="", metavar="PLACE", help="Only cards at this place.")
@click.option("--dossier", "dossier_id", default="", help="Only cards of this dossier, spoiled and replaced ones too.")
@click.option("--older-than", type=click.FloatRange(0), metavar="DAYS", help="Only cards that have been there longer.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="At most this many.")
@with_station
def list_cards(
    station: Station,
    out: Output,
    state: str | None,
    location: str,
    dossier_id: str,
    older_than: float | None,
    limit: int,
) -> None:
    """List cards, those that have been in their state longest first."""
    request = card_pb2.ListCardsRequest(page_size=min(limit + 1, 500), location=location, dossier_id=dossier_id)
    now = datetime.now(UTC)
    if state:
        request.state = state_named(state)
    if older_than is not None:
        request.unchanged_since.FromDatetime(now - timedelta(days=older_than))
    every = (item for page in pages(station.cards.ListCards, request) for item in page.cards)
    found = list(islice(every, limit))
    more = next(every, None) is not None
    out.value({"cards": [plain_of(item) for item in found], "more": more})
    out.table(
        (("Card", "Thẻ"), ("Dossier", "Hồ sơ"), ("State", "Trạng thái"), ("Where", "Ở đâu"), ("Since", "Từ lúc"),
         ("Days", "Số ngày")),
        [
            (
                item.card_id or out.pick("none yet", "chưa có"),
                item.dossier_id,
                state_words(item.state, out) + ("" if item.stands else out.pick(" (replaced)", " (đã thay)")),
                item.location,
                day(item.state_time),
                f"{(now - item.state_time.ToDatetime(UTC)) / timedelta(days=1):.1f}",
            )
            for item in found
        ],
    )  # fmt: skip
    if more:
        out.say(
            f"the first {limit:,} cards; there are more: --limit, or a narrower question",
            f"chỉ {limit:,} thẻ đầu; vẫn còn nữa: dùng --limit hoặc lọc hẹp hơn",
            style="yellow",
        )


@card.command()
@with_station
@click.pass_context
def totals(ctx: click.Context, station: Station, out: Output) -> None:
    """Count all cards by state; exit status 1 where a dossier's card is in none."""
    counted = station.cards.GetCardTotals(card_pb2.GetCardTotalsRequest())
    out.value(
        {
            "collected": counted.collected,
            "cards": {
                card_pb2.CardState.Name(count.state).removeprefix("CARD_STATE_").lower(): count.cards
                for count in counted.counts
            },
            "spoiled": counted.spoiled,
            "replaced": counted.replaced,
            "unaccounted": counted.unaccounted,
        }
    )
    out.table(
        (("State", "Trạng thái"), ("Cards", "Số thẻ"), ("The longest since", "Lâu nhất từ")),
        [
            (
                state_words(count.state, out),
                f"{count.cards:,}",
                day(count.oldest_time) if count.HasField("oldest_time") else "",
            )
            for count in counted.counts
        ],
    )
    sum_of_all = sum(count.cards for count in counted.counts)
    out.say(
        f"{counted.collected:,} dossiers collected = {sum_of_all:,} cards in the ledger;"
        f" besides {counted.spoiled:,} spoiled blanks, {counted.replaced:,} replaced cards",
        f"{counted.collected:,} hồ sơ đã thu nhận = {sum_of_all:,} thẻ trong sổ;"
        f" ngoài ra {counted.spoiled:,} phôi hỏng, {counted.replaced:,} thẻ đã thay",
    )
    if counted.unaccounted:
        out.say(
            f"{counted.unaccounted:,} dossiers have no card in the ledger: call a technician",
            f"{counted.unaccounted:,} hồ sơ không có thẻ trong sổ: báo kỹ thuật viên",
            style="red",
        )
        ctx.exit(EXIT_REFUSED)


@card.command()
@click.argument("card_id", metavar="CARD", required=False, default="")
@click.option("--dossier", "dossier_id", default="", help="In place of CARD: the dossier that it was made for.")
@with_station
def show(station: Station, out: Output, card_id: str, dossier_id: str) -> None:
    """Show one card with its history."""
    if bool(card_id) == bool(dossier_id):
        raise click.UsageError("give CARD or --dossier")
    request = card_pb2.GetCardRequest(card_id=card_id, dossier_id=dossier_id)
    tell(station.cards.GetCard(request).card, out)


def tell(item: card_pb2.Card, out: Output) -> None:
    """A card and its history, for people or for programs."""
    out.value(item)
    name = item.card_id or out.pick("no card yet", "chưa có thẻ")
    line = f"{name}  {state_words(item.state, out)}  {item.location}  {day(item.state_time)}"
    out.say(line, line)
    out.say(f"dossier {item.dossier_id}  {item.profile}", f"hồ sơ {item.dossier_id}  {item.profile}")
    if item.undone:
        out.say("its hand-over was undone: the receipt is void", "việc trả thẻ đã hủy: biên nhận không còn giá trị")
    out.table(
        (("State", "Trạng thái"), ("When", "Lúc"), ("Where", "Ở đâu"), ("Operator", "Cán bộ"), ("Why", "Lý do")),
        [
            (
                state_words(change.state, out),
                day(change.time),
                change.location,
                " + ".join(filter(None, (change.operator_id, change.second_operator_id))),
                change.reason or (out.pick("batch ", "lô ") + change.batch_id if change.batch_id else ""),
            )
            for change in item.history
        ],
    )


def _with_reason(command: Callable[..., None]) -> Callable[..., None]:
    for decorate in (
        click.option("--reason", required=True, help="Why, for the audit log; no personal field."),
        click.argument("card_id", metavar="CARD"),
    ):
        command = decorate(command)
    return command


@card.command()
@_with_reason
@with_station
def undo(station: Station, out: Output, card_id: str, reason: str) -> None:
    """Take a hand-over back, within the shift. For supervisors."""
    request = card_pb2.UndoHandOverRequest(card_id=card_id, reason=reason, request_id=str(uuid.uuid4()))
    tell(station.cards.UndoHandOver(request).card, out)


@card.command("return")
@_with_reason
@with_station
def return_card(station: Station, out: Output, card_id: str, reason: str) -> None:
    """Record that a card goes back to the centre."""
    _retire(station, out, card_id, card_pb2.CARD_STATE_RETURNED, reason)


@card.command()
@_with_reason
@with_station
def destroy(station: Station, out: Output, card_id: str, reason: str) -> None:
    """Record that a card was destroyed. For supervisors."""
    _retire(station, out, card_id, card_pb2.CARD_STATE_DESTROYED, reason)


def _retire(station: Station, out: Output, card_id: str, state: Any, reason: str) -> None:
    request = card_pb2.RetireCardRequest(card_id=card_id, state=state, reason=reason, request_id=str(uuid.uuid4()))
    tell(station.cards.RetireCard(request).card, out)
