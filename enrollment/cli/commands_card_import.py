"""enrollctl card import: a list of cards that arrived, and what became of each row."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Final

import click
from rich.progress import Progress

from enrollment.cli import words
from enrollment.cli.connection import Station
from enrollment.cli.failure import EXIT_REFUSED, Failure, Refusal
from enrollment.cli.output import Output
from enrollment.cli.pages import pages
from enrollment.cli.session import with_station
from enrollment.core.dossier.card_batch import CardBatchMalformed, batch_digest
from enrollment.core.dossier.card_list import MAX_LIST_BYTES, CardList, read_card_list
from enrollment.v1 import card_pb2

ROWS_A_REQUEST: Final = 400  # however long their fields, they fit into one request
CARRYING_OUT_S: Final = 120.0  # of the last request: everything is written then
MOST_SHOWN: Final = 50
THERE: Final = (card_pb2.CARD_ROW_OUTCOME_ARRIVED, card_pb2.CARD_ROW_OUTCOME_ALREADY_ARRIVED)


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--batch", "batch_id", default="", help="Name of the delivery, where the file does not say.")
@click.option("--sha256", default="", help="Digest of the list, as the centre told it on another way.")
@click.option("--place", default="", help="Where the cards lie from now on, for example a safe; else this point.")
@click.option("--not-arrived", type=click.Path(dir_okay=False, path_type=Path), help="Write the other rows here, CSV.")
@with_station
@click.pass_context
def import_cards(
    ctx: click.Context,
    station: Station,
    out: Output,
    file: Path,
    batch_id: str,
    sha256: str,
    place: str,
    not_arrived: Path | None,
) -> None:
    """Record that the cards of a list have arrived: CSV or JSON (docs/card-ledger.md).

    Exit status 1 where a row did not arrive; the same list again changes nothing.
    """
    cards = _read(file)
    name = _agreed("batch id", batch_id, cards.batch_id)
    promised = _agreed("digest", sha256.lower(), cards.sha256)
    if not name:
        raise click.UsageError("name the delivery with --batch: the file does not")
    answer = _send(station, out, cards, name, promised or batch_digest(cards.rows).hex(), place)
    request = card_pb2.GetCardBatchRequest(batch_id=name, page_size=500)
    every = (row for page in pages(station.cards.GetCardBatch, request) for row in page.rows)
    out.value(answer)
    others = list(every if out.as_json or not_arrived else islice(every, MOST_SHOWN))
    for row in others:
        out.value(row)
    _tell(out, answer, others[:MOST_SHOWN])
    if not_arrived:
        _write(not_arrived, others)
    if any(count.outcome not in THERE for count in answer.batch.counts):
        ctx.exit(EXIT_REFUSED)


def _read(file: Path) -> CardList:
    try:
        with file.open("rb") as opened:
            return read_card_list(opened.read(MAX_LIST_BYTES + 1))
    except OSError as error:
        raise click.FileError(str(file), hint=error.strerror or str(error)) from error
    except CardBatchMalformed as error:
        texts = {
            "en": f"{file} cannot be read: {error}",
            "vi": f"Không đọc được danh sách thẻ {file}{_where(error)}: cần CSV hoặc JSON, UTF-8, cột card_number,"
            " dossier_id, point; xin trung tâm gửi lại nếu tệp bị hỏng.",
        }
        facts = {name: str(value) for name, value in error.facts.items()}
        raise Refusal(Failure("INVALID_ARGUMENT", error.reason, facts, texts, answered=True)) from error


def _where(error: CardBatchMalformed) -> str:
    """Which row or line, where the error names one."""
    row, line = error.facts.get("row"), error.facts.get("line")
    return f", dòng dữ liệu {row}" if row else f", dòng {line}" if line else ""


def _agreed(what: str, given: str, read: str) -> str:
    if given and read and given != read:
        raise click.UsageError(f"the file has another {what}: {read}")
    return given or read


def _send(
    station: Station, out: Output, cards: CardList, batch_id: str, sha256: str, place: str
) -> card_pb2.ImportCardBatchResponse:
    """Send the list piece by piece, from where the station is."""
    received, total = 0, len(cards.rows)
    with Progress(console=out.console, transient=True, disable=not out.console.is_terminal) as progress:
        task = progress.add_task(out.pick("cards", "thẻ"), total=total)
        while True:
            piece = cards.rows[received : received + ROWS_A_REQUEST]
            request = card_pb2.ImportCardBatchRequest(
                batch_id=batch_id,
                rows=[
                    card_pb2.CardArrival(card_id=row.card_id, dossier_id=row.dossier_id, point=row.point)
                    for row in piece
                ],
                first_row=received + 1,
                row_count=total,
                sha256=sha256,
                location=place,
            )
            answer = station.cards.ImportCardBatch(request, timeout=CARRYING_OUT_S)
            received = answer.received_rows
            progress.update(task, completed=received)
            if answer.done:
                return answer


def _write(file: Path, rows: Iterable[card_pb2.CardRow]) -> None:
    try:
        with file.open("w", encoding="utf-8", newline="") as opened:
            table = csv.writer(opened)
            table.writerow(("row", "card_number", "dossier_id", "outcome", "found"))
            for row in rows:
                table.writerow((row.number, row.card_id, row.dossier_id, _outcome(row), row.found))
    except OSError as error:
        raise click.FileError(str(file), hint=error.strerror or str(error)) from error


def _outcome(row: card_pb2.CardRow) -> str:
    return card_pb2.CardRowOutcome.Name(row.outcome).removeprefix("CARD_ROW_OUTCOME_").lower().replace("_", "-")


def _tell(out: Output, answer: card_pb2.ImportCardBatchResponse, shown: list[card_pb2.CardRow]) -> None:
    batch = answer.batch
    if answer.already_done:
        out.say(
            f"batch {batch.batch_id} was imported before: nothing was changed",
            f"lô {batch.batch_id} đã nhập từ trước: không thay đổi gì",
            style="yellow",
        )
    out.say(
        f"batch {batch.batch_id}: {batch.row_count:,} rows, {answer.arrived:,} cards arrived",
        f"lô {batch.batch_id}: {batch.row_count:,} dòng, {answer.arrived:,} thẻ đã về",
        style="green",
    )
    for count in batch.counts:
        if count.outcome != card_pb2.CARD_ROW_OUTCOME_ARRIVED:
            line = f"  {count.rows:,}  {words.row_outcome(count.outcome, out.language)}"
            out.say(line, line, style="yellow")
    if shown:
        out.table(
            (("Row", "Dòng"), ("Card", "Thẻ"), ("Dossier", "Hồ sơ"), ("What", "Kết quả"), ("Found", "Thực tế")),
            [
                (
                    str(row.number),
                    row.card_id,
                    row.dossier_id,
                    words.row_outcome(row.outcome, out.language),
                    row.found,
                )
                for row in shown
            ],
        )
    left = sum(count.rows for count in batch.counts if count.outcome != card_pb2.CARD_ROW_OUTCOME_ARRIVED) - len(shown)
    if left > 0:
        out.say(
            f"{left:,} more rows did not arrive: --not-arrived FILE writes all of them",
            f"còn {left:,} dòng khác chưa về: --not-arrived TỆP ghi lại tất cả",
            style="yellow",
        )
