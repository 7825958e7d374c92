"""./run demo: one person, from nothing to the registry's verified receipt, on a station of device models."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
import cv2
import grpc

from enrollment.cli.connection import connect
from enrollment.cli.contact_sheet import contact_sheet, entries
from enrollment.cli.demo.card import issue_card
from enrollment.cli.demo.processes import ProcessFailed
from enrollment.cli.demo.station import DemoStation, running_station
from enrollment.cli.demo.subject import (
    ControlFailed,
    Impressions,
    StandIn,
    SyntheticImpressions,
    TenPrintStandIn,
    find_impressions,
)
from enrollment.cli.enrollment_flow import DeviceMissing, Enrollment, captured_fingers, enroll
from enrollment.cli.evidence import Evidence, collect
from enrollment.cli.failure import EXIT_REFUSED, describe
from enrollment.cli.narrator import Narrator
from enrollment.cli.output import Output
from enrollment.terminal import default_language, write_for_owner_alone
from enrollment.v1 import outbox_pb2

PLANS: Final = {"card-issue": "scanner", "card-issue-slaps": "tenprint", "card-issue-ten-print": "tenprint"}
# Nobody's: a name and number made for this page; the digits follow the rules of the 12-digit number.
PERSON: Final = {
    "full_name": "Nguyễn Thị Mẫu",
    "date_of_birth": "02/09/1995",
    "sex": "F",
    "personal_number": "001195000001",
    "place_of_residence": "Số 1, phố Mẫu, Hà Nội",
    "place_of_origin": "Xã Mẫu, Hà Nội",
    "ethnicity": "Kinh",
    "religion": "Không",
    "father": "Nguyễn Văn Mẫu",
    "mother": "Trần Thị Thử",
}


def save_sheet(done: Enrollment, evidence: Evidence, path: Path) -> None:
    """Draw the contact sheet and write it as PNG."""
    ledger = evidence.ledger
    sheet = contact_sheet(
        entries(done.dossier, evidence.parts),
        f"Dossier {done.dossier.dossier_id}",
        [
            f"package {done.package.sha256}   {done.package.size_bytes:,} bytes   number {done.package.sequence}",
            (
                f"receipt {'verified' if evidence.receipt_verified else 'DOES NOT HOLD'}   "
                f"collected {ledger.collected}   sent {ledger.sent}   acknowledged {ledger.acknowledged}   "
                "red: ridge ending, blue: bifurcation, line: direction"
            ),
        ],
    )
    cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


def run(
    demo: DemoStation,
    out: Output,
    plan: str,
    impressions: Impressions,
    portrait: bytes | None,
    person: int,
    folder: Path,
) -> tuple[Enrollment, Evidence, dict[str, Any]]:
    """Enroll one person, collect the evidence, and issue the card; what became of it last."""
    stand_in = TenPrintStandIn if PLANS[plan] == "tenprint" else StandIn
    subject = stand_in(demo.platen, demo.scene, impressions, portrait, person, order=[])
    with connect(demo.socket, demo.token) as station:
        done = enroll(station, plan_id=plan, demographics=PERSON, subject=subject, listener=Narrator(out))
        evidence = collect(station, done.dossier, done.package.package_id, demo.trust, folder)
        if demo.reader.why_not:
            card: dict[str, Any] = {"verified": False, "why": demo.reader.why_not}
        else:
            card = issue_card(station, out, done.dossier.dossier_id, demo.authority, folder / "card")
            done.seconds["card"] = card["seconds"]
    save_sheet(done, evidence, folder / "contact-sheet.png")
    return done, evidence, card


def stay(demo: DemoStation, out: Output, plan: str, dossier_id: str) -> None:
    """Leave the station running for enrollctl until Ctrl-C."""
    lay, what = "finger=1&impression=0", "a finger"
    if PLANS[plan] == "tenprint":
        lay, what = "person=1&position=13&impression=0", "a right hand's four fingers"
    token_file = demo.folder / "session-token"
    token_file.touch(mode=0o600)
    token_file.write_text(demo.token, encoding="ascii")
    out.say("the station stays up; in another terminal:", "trạm vẫn chạy; ở cửa sổ khác:")
    for line in (
        f"export ENROLL_SOCKET={demo.socket} ENROLL_TOKEN_FILE={token_file}",
        ".venv/bin/enrollctl devices",
        f"curl -X PUT '{demo.platen.url}/platen?{lay}'   # lay {what}",
        *([] if demo.reader.why_not else [f".venv/bin/enrollctl card verify --dossier {dossier_id}"]),
    ):
        out.say(f"    {line}", f"    {line}")
    out.say("Ctrl-C ends it", "Ctrl-C để dừng")
    try:
        demo.daemon.process.wait()
    except KeyboardInterrupt:
        out.say("", "")


@click.command()
@click.option(
    "--fingers",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Images to lay on the platen: FINGER_IMPRESSION.*, or any ten files.",
)
@click.option(
    "--portrait", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="An image before the camera."
)
@click.option(
    "--plan",
    type=click.Choice(list(PLANS)),
    default="card-issue",
    show_default=True,
    help="The procedure to carry out.",
)
@click.option("--seed", "person", type=click.IntRange(0, 10**6), default=2026, show_default=True, help="Who is drawn.")
@click.option("--out", "folder", type=click.Path(file_okay=False, path_type=Path), help="Leave the results here.")
@click.option("--stay", "stays", is_flag=True, help="Leave the station running afterwards, for enrollctl.")
@click.option("--json", "as_json", is_flag=True, help="The last line of standard output is one JSON object.")
@click.option("--lang", type=click.Choice(["vi", "en"]), default=default_language, help="Language of messages.")
def main(
    fingers: Path | None,
    portrait: Path | None,
    plan: str,
    person: int,
    folder: Path | None,
    stays: bool,
    as_json: bool,
    lang: str,
) -> None:
    """Enroll one person on a station of device models, only through the gRPC API."""
    write_for_owner_alone()  # --fingers and --portrait may be a real person's
    began = time.monotonic()
    out = Output.make(as_json=as_json, language=lang)
    if folder is None:
        folder = Path("output") / f"demo-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        impressions: Impressions = find_impressions(fingers) if fingers else SyntheticImpressions(person)
        picture = portrait.read_bytes() if portrait else None
        # A socket's path must stay under 108 bytes: the station lives in a short temporary folder.
        with (
            tempfile.TemporaryDirectory(prefix="enroll-") as home,
            running_station(Path(home), out.say, PLANS[plan]) as demo,
        ):
            started = time.monotonic()
            done, evidence, card = run(demo, out, plan, impressions, picture, person, folder)
            done.seconds = {"start": round(started - began, 3), **done.seconds}
            done.seconds["total"] = round(time.monotonic() - began, 3)
            report(out, done, evidence, card)
            if stays:
                stay(demo, out, plan, done.dossier.dossier_id)
        acknowledged = done.package.state == outbox_pb2.PACKAGE_STATE_ACKNOWLEDGED
        if not (evidence.receipt_verified and acknowledged and (card["verified"] or "why" in card)):
            sys.exit(EXIT_REFUSED)
    except grpc.RpcError as error:
        failure = describe(error)
        _give_up(out, f"{failure.text(lang)} [{failure.reason}]", failure.reason)
    except (ProcessFailed, ControlFailed, DeviceMissing, TimeoutError, OSError) as error:
        _give_up(out, str(error), type(error).__name__)


def _give_up(out: Output, text: str, reason: str) -> None:
    out.say(f"the demo failed: {text}", f"bản trình diễn thất bại: {text}", style="red")
    out.value({"error": {"reason": reason, "text": text}})
    sys.exit(EXIT_REFUSED)


def report(out: Output, done: Enrollment, evidence: Evidence, card: Mapping[str, Any]) -> None:
    """The ledger, where things are, and the last line for programs."""
    ledger = evidence.ledger
    verified = evidence.receipt_verified
    out.say(
        f"receipt  {'verified' if verified else 'DOES NOT HOLD'} for {done.package.sha256}",
        f"biên nhận {'hợp lệ' if verified else 'KHÔNG HỢP LỆ'} cho {done.package.sha256}",
        style="green" if verified else "red",
    )
    out.say(
        f"ledger   collected {ledger.collected}, sent {ledger.sent}, acknowledged {ledger.acknowledged}",
        f"sổ cái   thu nhận {ledger.collected}, đã gửi {ledger.sent}, đã xác nhận {ledger.acknowledged}",
        style="bold",
    )
    if "why" in card:
        out.say(f"card     not written: {card['why']}", f"thẻ      chưa ghi: {card['why']}", style="yellow")
    else:
        word, vi = ("verified", "hợp lệ") if card["verified"] else ("DOES NOT VERIFY", "KHÔNG HỢP LỆ")
        number, style = card["card_id"], "green" if card["verified"] else "red"
        out.say(f"card     {number} written and {word}", f"thẻ      {number} đã ghi, {vi}", style=style)
    folder = os.path.relpath(evidence.folder)
    files = "contact-sheet.png, records/, package.sealed, receipt.cose, registry-trust, ledger.json"
    files += "" if "why" in card else ", card/"
    out.say(f"results  {folder}: {files}", f"kết quả  {folder}: {files}")
    out.say(f"time     {done.seconds['total']:.1f} s", f"thời gian {done.seconds['total']:.1f} giây")
    out.value(
        {
            "dossier_id": done.dossier.dossier_id,
            "package_sha256": done.package.sha256,
            "receipt_verified": verified,
            "fingers": len(captured_fingers(done.dossier)),
            "portrait": any(not capture.position for capture in done.dossier.captures),
            "card": dict(card),
            "seconds": done.seconds,
            "output_dir": str(evidence.folder),
        }
    )


if __name__ == "__main__":
    main()
