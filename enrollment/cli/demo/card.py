"""The dossier's card: written through the real pcscd, read back, verified; what was read is left for other judges."""

from __future__ import annotations

import shutil
import time
import uuid
from pathlib import Path
from typing import Any

from enrollment.cli import card_flow
from enrollment.cli.commands_card_encoding import Narrator, show
from enrollment.cli.connection import Station
from enrollment.cli.output import Output


def issue_card(station: Station, out: Output, dossier_id: str, authority: Path, folder: Path) -> dict[str, Any]:
    """Write the card, read it back as a border reader does, and leave its files, the signer's authority and the report.

    authority: the trusted certificate. Returns what the last line tells of it. Raises grpc.RpcError, DeviceMissing.
    """
    encoder, narrator = card_flow.encoder_of(station), Narrator(out)
    began = time.monotonic()
    written = card_flow.personalise(
        station, dossier_id, request_id=str(uuid.uuid4()), encoder=encoder, profile="", listener=narrator
    )
    written_s = time.monotonic() - began
    read = card_flow.verify(
        station, dossier_id=dossier_id, access_key="", encoder=encoder, profile="", listener=narrator
    )
    seconds = time.monotonic() - began
    show(out, read)
    card_flow.leave(read, folder)
    shutil.copy(authority, folder / "csca.pem")
    return {
        "verified": written.verified and read.verified,
        "seconds": round(seconds, 3),
        "personalise_seconds": round(written_s, 3),
        "verify_seconds": round(seconds - written_s, 3),
        "card_id": "" if written.card is None else written.card.card_id,
        "octets": sum(map(len, read.files.values())),
    }
