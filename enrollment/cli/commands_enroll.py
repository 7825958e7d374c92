"""enrollctl enroll: one person, from the first finger to the receipt, at a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from enrollment.cli import words
from enrollment.cli.connection import Station
from enrollment.cli.enrollment_flow import Absence, DeviceMissing, Enrollment, Person, captured_fingers
from enrollment.cli.enrollment_flow import enroll as carry_out
from enrollment.cli.evidence import read_parts
from enrollment.cli.failure import EXIT_REFUSED
from enrollment.cli.narrator import Narrator
from enrollment.cli.output import Output
from enrollment.cli.session import with_station
from enrollment.v1 import outbox_pb2, types_pb2

FINGERS: Final = 10
ABSENCES: Final = {
    "amputated": types_pb2.FINGER_ABSENCE_AMPUTATED,
    "bandaged": types_pb2.FINGER_ABSENCE_BANDAGED,
    "damaged": types_pb2.FINGER_ABSENCE_DAMAGED,
}


def _parse_field(_ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for value in values:
        name, equals, content = value.partition("=")
        if not equals:
            raise click.BadParameter(f"{name!r} has no '='; write --field NAME=VALUE")
        pairs[name] = content
    return pairs


def _parse_absence(_ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[int, Absence]:
    absent = {}
    for value in values:
        number, _, reason = value.partition("=")
        reason, _, words = reason.partition(":")
        if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= FINGERS:
            raise click.BadParameter(f"{number!r} is no finger: 1 right thumb .. 10 left little finger")
        if reason not in ABSENCES:
            raise click.BadParameter(f"{reason!r}: write one of {', '.join(ABSENCES)}")
        absent[int(number)] = Absence(ABSENCES[reason], words)
    return absent


@click.command()
@click.option("--plan", "plan_id", default="card-issue", show_default=True, help="The procedure to carry out.")
@click.option("--field", "fields", multiple=True, callback=_parse_field, metavar="NAME=VALUE", help="A personal field.")
@click.option("--scanner", default="", help="Device name; else the first ready scanner.")
@click.option("--camera", default="", help="Device name; else the first ready camera.")
@click.option(
    "--absent",
    multiple=True,
    callback=_parse_absence,
    metavar="FINGER=REASON[:WORDS]",
    help="A finger, 1 to 10, that cannot be captured: amputated, bandaged or damaged.",
)
@click.option(
    "--wait",
    "wait_s",
    type=click.IntRange(0, 3600),
    default=0,
    metavar="SECONDS",
    help="Queue for a scanner or camera that another PC is using.",
)
@click.option("--out", "folder", type=click.Path(file_okay=False, path_type=Path), help="Leave the ISO records here.")
@with_station
def enroll(
    station: Station,
    out: Output,
    plan_id: str,
    fields: dict[str, str],
    scanner: str,
    camera: str,
    absent: dict[int, Absence],
    wait_s: int,
    folder: Path | None,
) -> None:
    """Enroll the person in front of the station, and wait for the registry's receipt."""
    try:
        done = carry_out(
            station,
            plan_id=plan_id,
            demographics=fields,
            subject=Person(),
            listener=Narrator(out),
            scanner=scanner,
            camera=camera,
            absent=absent,
            wait_s=wait_s,
        )
    except DeviceMissing as missing:
        en, vi = (words.state(f"DEVICE_KIND_{missing.kind}", language) for language in ("en", "vi"))
        out.say(f"no {en} is ready", f"không có {vi} sẵn sàng", style="red")
        raise click.exceptions.Exit(EXIT_REFUSED) from missing
    except TimeoutError as late:
        out.say(
            f"no receipt yet ({late}); the package is safe in the outbox and goes on by itself",
            f"chưa có biên nhận ({late}); gói vẫn an toàn trong hàng đợi và sẽ tự gửi tiếp",
            style="yellow",
        )
        raise click.exceptions.Exit(EXIT_REFUSED) from late
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in read_parts(station, done.dossier).items():
            (folder / name).write_bytes(content)
    out.value(summary(done))


def summary(done: Enrollment) -> dict[str, object]:
    """An enrollment's result for programs."""
    return {
        "dossier_id": done.dossier.dossier_id,
        "package_id": done.package.package_id,
        "package_sha256": done.package.sha256,
        "acknowledged": done.package.state == outbox_pb2.PACKAGE_STATE_ACKNOWLEDGED,
        "fingers": len(captured_fingers(done.dossier)),
        "portrait": any(not capture.position for capture in done.dossier.captures),
        "seconds": done.seconds,
    }
