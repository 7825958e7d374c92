"""What an enrollment leaves in a folder: records, sealed package, receipt, ledger; fetched through the API."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from enrollment.cli.connection import Station
from enrollment.cli.output import plain_of
from enrollment.core.errors import EnrollmentError
from enrollment.core.sealing.public_keys import decode_registry_trust
from enrollment.core.sealing.receipt import verify_receipt
from enrollment.v1 import dossier_pb2, outbox_pb2, types_pb2


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where it was put. parts: by name."""

    folder: Path
    parts: dict[str, bytes] = field(repr=False)
    receipt_verified: bool
    ledger: outbox_pb2.GetLedgerResponse


def assemble(chunks: Iterable[types_pb2.Chunk]) -> bytes:
    """Join the pieces of a stream. Raises EOFError when one is missing."""
    whole = bytearray()
    total = 0
    for chunk in chunks:
        if chunk.offset != len(whole):
            raise EOFError(f"expected the piece at byte {len(whole)}, got the one at {chunk.offset}")
        whole += chunk.content
        total = chunk.total_bytes
    if len(whole) != total:
        raise EOFError(f"the stream ended after {len(whole)} of {total} bytes")
    return bytes(whole)


def read_parts(station: Station, dossier: dossier_pb2.Dossier) -> dict[str, bytes]:
    """Fetch every captured part of a dossier, by name."""
    return {
        part.name: assemble(
            answer.chunk
            for answer in station.dossiers.ReadPart(
                dossier_pb2.ReadPartRequest(dossier_id=dossier.dossier_id, part_name=part.name)
            )
        )
        for capture in dossier.captures
        for part in capture.parts
    }


def receipt_holds(receipt: bytes, trust: bytes, package: bytes) -> bool:
    """Whether a pinned registry key signed a receipt for exactly these bytes."""
    try:
        verify_receipt(receipt, decode_registry_trust(trust).receipt_keys, hashlib.sha256(package).digest())
    except EnrollmentError:
        return False
    return True


def collect(station: Station, dossier: dossier_pb2.Dossier, package_id: str, trust: bytes, folder: Path) -> Evidence:
    """Write everything into folder; check the receipt against `trust`, the caller's own copy of the registry's keys."""
    records = folder / "records"
    records.mkdir(parents=True, exist_ok=True)
    parts = read_parts(station, dossier)
    for name, content in parts.items():
        (records / name).write_bytes(content)
    package = assemble(
        answer.chunk for answer in station.outbox.ReadPackage(outbox_pb2.ReadPackageRequest(package_id=package_id))
    )
    (folder / "package.sealed").write_bytes(package)
    answer = station.outbox.GetReceipt(outbox_pb2.GetReceiptRequest(package_id=package_id))
    (folder / "receipt.cose").write_bytes(answer.receipt)
    (folder / "registry-trust").write_bytes(trust)
    ledger = station.outbox.GetLedger(outbox_pb2.GetLedgerRequest())
    (folder / "ledger.json").write_text(json.dumps(plain_of(ledger), indent=2) + "\n")
    return Evidence(folder, parts, receipt_holds(answer.receipt, trust, package), ledger)
