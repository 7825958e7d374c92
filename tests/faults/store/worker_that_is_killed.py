"""Enrolls for ever on one store, saying each thing as soon as it is acknowledged; ends only when it is killed."""

from __future__ import annotations

import hashlib
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

from enrollment.core.dossier.model import QualityRecord
from enrollment.core.dossier.plan import Plan, PlannedFingerprint
from enrollment.service.config import SystemClock
from enrollment.service.keys.software_keys import SoftwareKeys
from enrollment.service.store.dossier_store import NewCapture
from enrollment.service.store.outbox_store import NewPackage
from enrollment.service.store.store import Store

PLAN = Plan("killed", 1, "", "", (PlannedFingerprint(1), PlannedFingerprint(2)))


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def capture(position: int) -> NewCapture:
    image = hashlib.sha256(bytes([position])).digest() * 3000
    parts = {f"fingerprint-{position:02}.fir": ("application/x-iso19794-4-2005", image)}
    now = datetime.now(UTC)
    return NewCapture(position, "flat", QualityRecord(70, "a", "1"), True, 1, 1, "op", "dev", now, parts)


def main(folder: Path) -> None:
    store = Store.open(folder / "station.db", SystemClock(), SoftwareKeys.load(folder / "keys"))
    while True:
        dossier_id = store.dossiers.create(PLAN, {}, request_id=str(uuid.uuid4()), operator_id="op").dossier_id
        say("opened", dossier_id)
        for position in (1, 2):
            store.dossiers.add_capture(
                dossier_id, capture(position), replace=False, request_id=f"{dossier_id}{position}"
            )
            say("captured", dossier_id, position)
        store.dossiers.complete(dossier_id, operator_id="op")
        say("completed", dossier_id)
        link, content = store.outbox.next_link(), dossier_id.encode() * 5000
        package_id = f"p-{dossier_id}"
        store.outbox.add(NewPackage(package_id, dossier_id, link, hashlib.sha256(content).digest(), content))
        say("sealed", dossier_id, link.sequence)
        store.outbox.acknowledge(package_id, b"receipt", datetime.now(UTC))
        say("acknowledged", dossier_id)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
