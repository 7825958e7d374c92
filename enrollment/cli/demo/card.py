"""The dossier's card: written through the real pcscd, read back, verified; what was read is left for other judges."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from pathlib import Path
from typing import Any, Final

from enrollment.cli import card_flow
from enrollment.cli.card_flow import CardReport
from enrollment.cli.commands_card_encoding import Narrator, show
from enrollment.cli.connection import Station
from enrollment.cli.output import Output
from enrollment.core.chip.security_object import cms_of

SECURITY_OBJECT: Final = "EF.SOD"


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
    _leave(read, authority, folder)
    return {
        "verified": written.verified and read.verified,
        "seconds": round(seconds, 3),
        "personalise_seconds": round(written_s, 3),
        "verify_seconds": round(seconds - written_s, 3),
        "card_id": "" if written.card is None else written.card.card_id,
        "octets": sum(map(len, read.files.values())),
    }


def _leave(report: CardReport, authority: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in report.files.items():
        data_group = name.startswith("EF.DG")
        (folder / (f"{name}.bin" if data_group else name)).write_bytes(content)
    if SECURITY_OBJECT in report.files:
        (folder / "sod.der").write_bytes(cms_of(report.files[SECURITY_OBJECT]))
    shutil.copy(authority, folder / "csca.pem")
    text = json.dumps(report.as_json(), ensure_ascii=False, indent=1)
    (folder / "report.json").write_text(text + "\n", "utf-8")
