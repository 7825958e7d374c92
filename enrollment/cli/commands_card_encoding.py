"""enrollctl card personalise, verify: a card in an encoder."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Final

import click

from enrollment.cli import card_flow, card_words, words
from enrollment.cli.card_flow import CardReport
from enrollment.cli.check_words import found_words, step_words
from enrollment.cli.connection import Station
from enrollment.cli.enrollment_flow import DeviceMissing
from enrollment.cli.failure import EXIT_REFUSED
from enrollment.cli.output import Output
from enrollment.cli.session import with_station
from enrollment.v1 import card_pb2

HEADINGS: Final = (("No.", "Số"), ("", ""), ("Check", "Kiểm tra"), ("Found", "Kết quả"))
MAX_SECRET_BYTES: Final = 256
BAR_CELLS: Final = 20
# The same dossier's card, whoever asks again: a card that was begun is gone on with.
_ORDERS: Final = uuid.UUID("7a0d3f5e-6f0c-4f5b-9f0b-0d1f2d3c4b5a")

_PERSONALISED: Final = card_pb2.CardState.Name(card_pb2.CARD_STATE_PERSONALISED)

encoder_option = click.option("--encoder", default="", help="Device name; else the first ready card encoder.")
profile_option = click.option("--profile", default="", help="Card profile; else the one that the procedure names.")


class Narrator:
    """A CardListener that prints a line a step and check."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._told = ""

    def progress(self, progress: card_pb2.CardProgress) -> None:
        if progress.step == self._told or not progress.step:
            return
        self._told = progress.step
        done = round(BAR_CELLS * progress.done_bytes / max(1, progress.total_bytes))
        line = f"{'█' * done}{'░' * (BAR_CELLS - done)} {step_words(progress.step, self._out.language)}"
        self._out.say(f"card     {line}", f"thẻ      {line}", style="dim")

    def check(self, check: card_pb2.CardCheck) -> None:
        if check.result == card_pb2.CHECK_RESULT_FAILED:
            name = card_words.check_name(check, self._out.language)
            self._out.say(f"card     ✗ {name}", f"thẻ      ✗ {name}", style="red")


def show(out: Output, report: CardReport) -> None:
    """The report as a table, and what it comes to."""
    rows = []
    for check in report.in_order:
        sign, _ = card_words.mark(check)
        rows.append(
            (str(check.number), sign, card_words.check_name(check, out.language), found_words(check, out.language))
        )
    out.table(HEADINGS, rows)
    if report.verified:
        out.say("the card verifies", "thẻ hợp lệ", style="green")
    else:
        out.say("the card DOES NOT verify", "thẻ KHÔNG hợp lệ", style="red")


@click.command()
@click.argument("dossier_id")
@encoder_option
@profile_option
@click.option("--another", is_flag=True, help="Begin another card; one that was begun and lies elsewhere is spoiled.")
@with_station
def personalise(station: Station, out: Output, dossier_id: str, encoder: str, profile: str, another: bool) -> None:
    """Write a dossier's card, read it back and verify it. Asked again, goes on with the card that was begun."""
    request_id = str(uuid.uuid4() if another else uuid.uuid5(_ORDERS, dossier_id))
    report = card_flow.personalise(
        station,
        dossier_id,
        request_id=request_id,
        encoder=_encoder(station, out, encoder),
        profile=profile,
        listener=Narrator(out),
    )
    if report.checks:
        show(out, report)
    if report.card is not None:
        name = card_pb2.CardState.Name(report.card.state)
        state = name.removeprefix("CARD_STATE_").lower()
        out.value({"card_id": report.card.card_id, "dossier_id": dossier_id, "state": state, **report.as_json()})
        _made(out, report.card.card_id, name)


def _made(out: Output, number: str, state: str) -> None:
    """Say that the card is made, or was before: asked again, the daemon answers with the card as it is by now."""
    if state == _PERSONALISED:
        out.say(f"card {number} is personalised", f"thẻ {number} đã được ghi", style="green")
        return
    en, vi = (words.state(state, language) for language in ("en", "vi"))
    out.say(
        f"card {number} was made before, and is {en}: nothing was written; --another replaces one that was returned or"
        " destroyed",
        f"thẻ {number} đã ghi từ trước, nay ở trạng thái: {vi}; không ghi gì; thẻ đã trả về hoặc đã hủy thì thay bằng"
        " --another",
        style="yellow",
    )
    raise click.exceptions.Exit(EXIT_REFUSED)


@click.command()
@click.option("--dossier", "dossier_id", default="", help="The dossier that it must belong to, which then opens it.")
@click.option("--can-file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), help="Holds the CAN.")
@click.option(
    "--mrz-file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Holds the three lines of the machine readable zone.",
)
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Leave the card's files and the report there; they hold personal fields.",
)
@encoder_option
@profile_option
@with_station
def verify(
    station: Station,
    out: Output,
    dossier_id: str,
    can_file: Path | None,
    mrz_file: Path | None,
    folder: Path | None,
    encoder: str,
    profile: str,
) -> None:
    """Read and check the card as a border reader does. "-" reads the CAN or the zone from standard input.

    Exit status: 0 the card verifies, 1 it does not.
    """
    if can_file is not None and mrz_file is not None:
        raise click.UsageError("give --can-file or --mrz-file, not both")
    given = can_file or mrz_file
    if given is None and not dossier_id:
        raise click.UsageError("a card opens by --dossier, --can-file or --mrz-file")
    report = card_flow.verify(
        station,
        dossier_id=dossier_id,
        access_key="" if given is None else _secret(given),
        encoder=_encoder(station, out, encoder),
        profile=profile,
        listener=Narrator(out),
    )
    show(out, report)
    out.value(report.as_json())
    if folder is not None:
        _leave(report, folder)
    if not report.verified:
        raise click.exceptions.Exit(EXIT_REFUSED)


def _leave(report: CardReport, folder: Path) -> None:
    try:
        card_flow.leave(report, folder)
    except OSError as error:
        raise click.FileError(str(folder), hint=error.strerror or str(error)) from error


def _secret(path: Path) -> str:
    try:
        with click.open_file(str(path), "rb") as file:
            content = file.read(MAX_SECRET_BYTES)
        return str(content.decode("ascii")).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path} cannot be read: {type(error).__name__}") from None


def _encoder(station: Station, out: Output, wanted: str) -> str:
    try:
        return card_flow.encoder_of(station, wanted)
    except DeviceMissing:
        out.say("no card encoder is ready", "không có máy ghi thẻ sẵn sàng", style="red")
        raise click.exceptions.Exit(EXIT_REFUSED) from None
