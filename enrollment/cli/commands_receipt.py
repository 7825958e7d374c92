"""enrollctl receipt: proof that the registry has a package."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import click

from enrollment.cli.failure import EXIT_REFUSED
from enrollment.cli.session import Session
from enrollment.core.errors import EnrollmentError
from enrollment.core.sealing.public_keys import decode_registry_trust
from enrollment.core.sealing.receipt import verify_receipt
from enrollment.v1 import outbox_pb2

File = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def receipt() -> None:
    """Receipts of the registry."""


@receipt.command()
@click.argument("package_id", required=False)
@click.option("--receipt", "receipt_file", type=File, help="A receipt in a file, instead of asking the daemon.")
@click.option("--package", "package_file", type=File, help="The sealed package that it must name.")
@click.option(
    "--trust", "trust_file", type=File, help="Your own copy of the registry's keys; else what the station pins."
)
@click.pass_context
def verify(
    ctx: click.Context,
    package_id: str | None,
    receipt_file: Path | None,
    package_file: Path | None,
    trust_file: Path | None,
) -> None:
    """Check a receipt's signatures and that it names the package: of PACKAGE_ID, or of files without any daemon."""
    session = ctx.find_object(Session)
    if session is None:
        raise click.UsageError("call it as a command of enrollctl")
    out = session.out
    trust = trust_file.read_bytes() if trust_file else b""
    if package_id:
        with session.station() as station:
            answer = station.outbox.GetReceipt(outbox_pb2.GetReceiptRequest(package_id=package_id))
        signed, digest = answer.receipt, bytes.fromhex(answer.package_sha256)
        trust = trust or answer.registry_trust
    elif receipt_file and package_file and trust_file:
        signed, digest = receipt_file.read_bytes(), hashlib.sha256(package_file.read_bytes()).digest()
    else:
        raise click.UsageError("give PACKAGE_ID, or --receipt, --package and --trust")
    try:
        held = verify_receipt(signed, decode_registry_trust(trust).receipt_keys, digest)
    except EnrollmentError as error:
        out.say(f"the receipt does not hold: {error}", f"biên nhận không hợp lệ: {error}", style="red")
        out.value({"receipt_verified": False, "reason": error.reason, "package_sha256": digest.hex()})
        ctx.exit(EXIT_REFUSED)
    received_at = datetime.fromtimestamp(held.received_at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    out.value(
        {
            "receipt_verified": True,
            "package_sha256": digest.hex(),
            "station_id": held.station_id,
            "sequence": held.sequence,
            "received_at": received_at,
        }
    )
    out.say(
        f"the registry has package {digest.hex()[:16]}..., number {held.sequence} of {held.station_id},"
        f" received {received_at}",
        f"cơ quan đăng ký đã nhận gói {digest.hex()[:16]}..., số {held.sequence} của {held.station_id},"
        f" lúc {received_at}",
        style="green",
    )
