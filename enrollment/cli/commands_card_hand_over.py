"""enrollctl card hand-over, receipt: a card goes to its citizen, and the proof that it did."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
import grpc

from enrollment.cli import words
from enrollment.cli.connection import Station
from enrollment.cli.enrollment_flow import CLIENT_NAME, ready_device
from enrollment.cli.failure import EXIT_REFUSED, describe
from enrollment.cli.lease import held_lease
from enrollment.cli.narrator import quality_bar
from enrollment.cli.output import Output
from enrollment.cli.session import Session, with_station
from enrollment.core.errors import EnrollmentError
from enrollment.core.sealing.hand_over_receipt import (
    FingerVerified,
    HandOverReceipt,
    VoidedHandOver,
    verify_hand_over,
    verify_void,
)
from enrollment.core.sealing.public_keys import decode_verifying_key
from enrollment.v1 import card_pb2, device_pb2

RECEIPT_FILE: Final = "hand-over.cose"
VOID_FILE: Final = "hand-over-void.cose"
KEY_FILE: Final = "station-verifying-key.txt"
File = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("hand-over")
@click.argument("card_id", metavar="CARD")
@click.option("--dossier", "dossier_id", default="", help="The dossier of the person at the counter.")
@click.option("--finger", type=click.IntRange(1, 10), help="1 right thumb .. 10 left little; else the dossier's best.")
@click.option("--scanner", default="", help="Device name; else the first ready scanner.")
@click.option("--wait", "wait_s", type=click.IntRange(0, 3600), default=0, metavar="SECONDS", help="Queue for it.")
@click.option("--second-token-file", type=File, help="The second officer's session: two vouch, no finger is compared.")
@click.option("--reason", default="", help="Why no finger is compared; no personal field.")
@click.option("--request-id", default="", help="Of a hand-over whose answer was lost.")
@with_station
def hand_over(
    station: Station,
    out: Output,
    card_id: str,
    dossier_id: str,
    finger: int | None,
    scanner: str,
    wait_s: int,
    second_token_file: Path | None,
    reason: str,
    request_id: str,
) -> None:
    """Hand a card over: by the citizen's live finger, or by two officers with a reason."""
    position: Any = finger or 0
    request = card_pb2.HandOverCardRequest(
        card_id=card_id, dossier_id=dossier_id, position=position, request_id=request_id or str(uuid.uuid4())
    )
    if bool(second_token_file) != bool(reason):
        raise click.UsageError("two officers vouch with --second-token-file and --reason together")
    try:
        if second_token_file:
            request.vouching.reason = reason
            request.vouching.second_session_token = _token(second_token_file)
            _follow(station, out, request)
            return
        devices = station.devices.ListDevices(device_pb2.ListDevicesRequest()).devices
        name = ready_device(devices, device_pb2.DEVICE_KIND_FINGERPRINT_SCANNER, scanner)
        with held_lease(station, name, client_name=CLIENT_NAME, wait_s=wait_s) as lease:
            request.scanner_lease.CopyFrom(lease)
            _follow(station, out, request)
    except grpc.RpcError as error:
        if not describe(error).answered:
            out.say(
                f"the answer was lost; ask again with --request-id {request.request_id}",
                f"mất câu trả lời; hãy gọi lại với --request-id {request.request_id}",
                style="yellow",
            )
        raise


def _token(file: Path) -> str:
    try:
        return file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"cannot read the second officer's session token from {file}") from error


def _follow(station: Station, out: Output, request: card_pb2.HandOverCardRequest) -> None:
    last_hint = 0
    for event in station.cards.HandOverCard(request):
        match event.WhichOneof("event"):
            case "finger":
                held = ", ".join(words.finger(position, out.language) for position in event.finger.held)
                name = words.finger(event.finger.position, out.language)
                out.say(f"place the {name} (held: {held})", f"đặt {name} (hồ sơ có: {held})")
            case "lift_finger":
                out.say("lift the finger", "nhấc ngón tay lên")
            case "live":
                hint = event.live.hints[0] if event.live.hints else 0
                if hint and hint != last_hint:
                    line = f"  {words.hint(hint, out.language)}"
                    out.say(line, line)
                last_hint = hint
            case "comparison":
                _compared(out, event.comparison)
            case "card":
                out.value(event.card)
                _handed_over(out, event.card)


def _handed_over(out: Output, card: card_pb2.Card) -> None:
    if card.state == card_pb2.CARD_STATE_HANDED_OVER:
        out.say(
            f"card {card.card_id} is handed over; the receipt is on disk",
            f"đã trả thẻ {card.card_id}; biên nhận đã lưu",
            style="green",
        )
        return
    en, vi = (words.state(card_pb2.CardState.Name(card.state), language) for language in ("en", "vi"))
    out.say(  # the same request again, after somebody has changed it
        f"card {card.card_id} was handed over by this request, and is {en} by now",
        f"thẻ {card.card_id} đã được trả theo yêu cầu này, nhưng nay ở trạng thái: {vi}",
        style="yellow",
    )


def _compared(out: Output, compared: card_pb2.HandOverComparison) -> None:
    score = compared.quality.score
    said = out.pick("the dossier's finger", "đúng ngón trong hồ sơ")
    if not compared.matches:
        said = words.hint(compared.hint, out.language) or out.pick("it does not match", "không khớp")
        if compared.same_as:
            said += f" ({words.finger(compared.same_as, out.language)})"
    line = f"  {quality_bar(score)} {score:3}  {said}" if compared.HasField("quality") else f"  {said}"
    out.say(line, line, style="green" if compared.matches else "yellow")


@click.command()
@click.argument("card_id", metavar="CARD", required=False)
@click.option("--out", "folder", type=click.Path(file_okay=False, path_type=Path), help="Write the signed files here.")
@click.option("--receipt", "receipt_file", type=File, help="A receipt in a file, instead of asking the daemon.")
@click.option("--void", "void_file", type=File, help="Its counter-entry, where there is one.")
@click.option("--key", "key_file", type=File, help="Your own copy of the station's verifying key; else the station's.")
@click.pass_context
def receipt(
    ctx: click.Context,
    card_id: str | None,
    folder: Path | None,
    receipt_file: Path | None,
    void_file: Path | None,
    key_file: Path | None,
) -> None:
    """Verify a hand-over's receipt and show it: of CARD, or of files without any daemon."""
    session = ctx.find_object(Session)
    if session is None:
        raise click.UsageError("call it as a command of enrollctl")
    out = session.out
    key = key_file.read_bytes() if key_file else b""
    if card_id:
        with session.station() as station:
            answer = station.cards.GetHandOverReceipt(card_pb2.GetHandOverReceiptRequest(card_id=card_id))
        signed, void, key = answer.receipt, answer.void_receipt, key or answer.verifying_key
    elif receipt_file and key_file:
        signed, void = receipt_file.read_bytes(), void_file.read_bytes() if void_file else b""
    else:
        raise click.UsageError("give CARD, or --receipt and --key")
    try:
        verifying_key = decode_verifying_key(key)
        trusted = {verifying_key.key_id: verifying_key}
        held = verify_hand_over(signed, trusted)
        voided = verify_void(void, trusted, signed) if void else None
    except EnrollmentError as error:
        out.say(f"the receipt does not hold: {error}", f"biên nhận không hợp lệ: {error}", style="red")
        out.value({"receipt_verified": False, "reason": error.reason})
        ctx.exit(EXIT_REFUSED)
    if folder:
        _leave(folder, {RECEIPT_FILE: signed, VOID_FILE: void, KEY_FILE: key})
    out.value(_facts(held, voided))
    _tell(out, held, voided)


def _leave(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write those that there are; a counter-entry of an earlier call would void a receipt that it is not of."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            if content:
                (folder / name).write_bytes(content)
            else:
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise click.FileError(str(folder), hint=error.strerror or str(error)) from error


def _facts(held: HandOverReceipt, voided: VoidedHandOver | None) -> dict[str, object]:
    how: dict[str, object] = {"second_operator_id": "", "reason": ""}
    if isinstance(held.how, FingerVerified):
        how = {
            "position": held.how.position,
            "score": held.how.score / 1000,
            "threshold": held.how.threshold / 1000,
            "algorithm": held.how.algorithm,
            "algorithm_version": held.how.version,
            "false_match_rate": held.how.false_match_rate / 1e9,
        }
    else:
        how = {"second_operator_id": held.how.second_operator_id, "reason": held.how.reason}
    return {
        "receipt_verified": True,
        "valid": voided is None,
        "receipt_id": str(held.receipt_id),
        "station_id": held.station_id,
        "card_id": held.card_id,
        "dossier_id": str(held.dossier_id),
        "operator_id": held.operator_id,
        "handed_over_at": _moment(held.handed_over_at_ms),
        "how": how,
        "voided": None
        if voided is None
        else {"at": _moment(voided.undone_at_ms), "operator_id": voided.operator_id, "reason": voided.reason},
    }


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def _tell(out: Output, held: HandOverReceipt, voided: VoidedHandOver | None) -> None:
    if isinstance(held.how, FingerVerified):
        name = words.finger(held.how.position, out.language)
        how = (
            f"{name}, {held.how.score / 1000:.2f} >= {held.how.threshold / 1000:.2f}"
            f" ({held.how.algorithm} {held.how.version}, FMR {held.how.false_match_rate / 1e9:g})"
        )
    else:
        second = held.how.second_operator_id
        how = out.pick(f"two officers, second {second}: ", f"hai cán bộ, người thứ hai {second}: ") + held.how.reason
    rows = [
        (out.pick("card", "thẻ"), held.card_id),
        (out.pick("dossier", "hồ sơ"), str(held.dossier_id)),
        (out.pick("handed over at", "trả lúc"), _moment(held.handed_over_at_ms)),
        (out.pick("by", "cán bộ"), held.operator_id),
        (out.pick("verified by", "đối chiếu"), how),
        (out.pick("station", "trạm"), held.station_id),
        (out.pick("receipt", "biên nhận"), str(held.receipt_id)),
    ]
    out.say("hand-over receipt, both signatures hold", "biên nhận trả thẻ, cả hai chữ ký hợp lệ", style="green")
    for label, value in rows:
        out.item(f"  {label:16}", value, value)
    if voided is not None:
        out.say(
            f"VOID: undone {_moment(voided.undone_at_ms)} by {voided.operator_id}: {voided.reason}",
            f"KHÔNG CÒN GIÁ TRỊ: hủy lúc {_moment(voided.undone_at_ms)} bởi {voided.operator_id}: {voided.reason}",
            style="red",
        )
