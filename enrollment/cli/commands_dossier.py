"""enrollctl dossier: which dossiers there are, and what one holds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import click

from enrollment.cli import words
from enrollment.cli.connection import Station
from enrollment.cli.enrollment_flow import captured_fingers
from enrollment.cli.output import Output
from enrollment.cli.pages import pages
from enrollment.cli.session import with_station
from enrollment.v1 import dossier_pb2

STATES = [name.removeprefix("DOSSIER_STATE_").lower() for name in dossier_pb2.DossierState.keys()[1:]]


@click.group()
def dossier() -> None:
    """Dossiers of this station."""


@dossier.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only these.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most this many.")
@with_station
def list_dossiers(station: Station, out: Output, state: str | None, limit: int) -> None:
    """List dossiers, newest first, without personal fields."""
    request = dossier_pb2.ListDossiersRequest(page_size=min(limit, 500))
    if state:
        request.state = dossier_pb2.DossierState.Value(f"DOSSIER_STATE_{state.upper()}")
    every = (item for page in pages(station.dossiers.ListDossiers, request) for item in page.dossiers)
    found = list(islice(every, limit))
    out.value(dossier_pb2.ListDossiersResponse(dossiers=found))
    out.table(
        (("Dossier", "Hồ sơ"), ("State", "Trạng thái"), ("Plan", "Thủ tục"), ("Opened", "Mở lúc"),
         ("Fingers", "Ngón tay"), ("Missing", "Còn thiếu"), ("Operator", "Cán bộ")),
        [
            (
                item.dossier_id,
                words.state(dossier_pb2.DossierState.Name(item.state), out.language),
                f"{item.plan.plan_id} v{item.plan.version}",
                item.create_time.ToDatetime().strftime("%Y-%m-%d %H:%M:%SZ"),
                str(len(captured_fingers(item))),
                str(len(item.missing)),
                item.operator_id,
            )
            for item in found
        ],
    )  # fmt: skip


@dossier.command()
@click.argument("dossier_id")
@click.option("--personal", is_flag=True, help="Show the person's fields as well.")
@with_station
def show(station: Station, out: Output, dossier_id: str, personal: bool) -> None:
    """Show one dossier; its personal fields only when asked for."""
    item = station.dossiers.GetDossier(dossier_pb2.GetDossierRequest(dossier_id=dossier_id)).dossier
    if not personal:
        item.ClearField("demographics")
    out.value(item)
    state = words.state(dossier_pb2.DossierState.Name(item.state), out.language)
    out.say(f"{item.dossier_id}  {state}", f"{item.dossier_id}  {state}")
    for name, value in sorted(item.demographics.items()):
        out.say(f"  {name}: {value}", f"  {name}: {value}")
    out.table(
        (("Capture", "Thu nhận"), ("Quality", "Chất lượng"), ("Accepted", "Đạt"), ("Tries", "Lần"), ("Bytes", "Byte"),
         ("Operator", "Cán bộ")),
        [row for capture in item.captures for row in _rows(capture, out)],
    )  # fmt: skip
    for missing in item.missing:
        name = words.finger(int(missing.name), out.language) if missing.kind == "fingerprint" else missing.name
        out.say(f"  missing: {missing.kind} {name}", f"  còn thiếu: {missing.kind} {name}", style="yellow")


def _rows(capture: dossier_pb2.Capture, out: Output) -> Iterator[tuple[str, ...]]:
    """A capture, and below a slap its fingers."""

    def row(
        name: str, kept: dossier_pb2.Capture | dossier_pb2.CapturedFinger, tries: int, length: int
    ) -> tuple[str, ...]:
        return (
            name,
            f"{kept.quality.score} ({kept.quality.algorithm} {kept.quality.algorithm_version})",
            out.pick("yes", "có") if kept.accepted else out.pick("best of tries", "lần tốt nhất"),
            str(tries),
            f"{length:,}",
            capture.operator_id,
        )

    name = words.finger(capture.position, out.language) if capture.position else out.pick("portrait", "chân dung")
    lengths = {part.name: part.length for part in capture.parts}
    yield row(name, capture, capture.attempts, sum(lengths.values()))
    for finger in capture.fingers:
        length = sum(lengths[part] for part in finger.part_names)
        yield row(f"  {words.finger(finger.position, out.language)}", finger, finger.kept_attempt, length)
