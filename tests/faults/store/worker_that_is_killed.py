"""Forks a child for each number on standard input; it enrolls from there for ever and is killed from outside.

It says each thing as soon as the store has acknowledged it, one line a write, so that nothing is said by halves.
"""

from __future__ import annotations

import hashlib
import os
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

from enrollment.core.dossier.model import QualityRecord
from enrollment.core.dossier.plan import Plan, PlannedField, PlannedFingerprint
from enrollment.service.config import SystemClock
from enrollment.service.keys.software_keys import SoftwareKeys
from enrollment.service.store.new_capture import NewCapture
from enrollment.service.store.outbox_rows import NewPackage
from enrollment.service.store.store import Store

FINGERS = (PlannedFingerprint(1), PlannedFingerprint(2))
PLAN = Plan("killed", 1, "", "", FINGERS, fields=(PlannedField("name", "", ""),))


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def capture(position: int) -> NewCapture:
    image = hashlib.sha256(bytes([position])).digest() * 3000
    parts = {f"fingerprint-{position:02}.fir": ("application/x-iso19794-4-2005", image)}
    now = datetime.now(UTC)
    return NewCapture(position, "flat", QualityRecord(70, "a", "1"), True, 1, 1, "op", "dev", now, parts)


def wrapped_key(store: Store, dossier_id: str) -> str:
    with store.database.read() as connection:
        query = "select hex(wrapped_key) from dossiers where dossier_id = ?"
        return str(connection.exec_driver_sql(query, (dossier_id,)).scalar_one())


def enroll_one(store: Store, number: int) -> None:
    dossiers, outbox = store.dossiers, store.outbox
    dossier_id = dossiers.create(PLAN, {}, request_id=str(uuid.uuid4()), operator_id="op").dossier_id
    say("opened", dossier_id, wrapped_key(store, dossier_id))
    for position in (1, 2):
        dossiers.add_capture(dossier_id, capture(position), replace=False, request_id=f"{dossier_id}{position}")
        say("captured", dossier_id, position)
    for name in "ABC":
        dossiers.update_demographics(dossier_id, {"name": name}, operator_id="op")
        say("named", dossier_id, name)
    if number % 4 == 3:
        dossiers.abandon(dossier_id, operator_id="op", why="left")
        say("abandoned", dossier_id)
        return
    dossiers.complete(dossier_id, operator_id="op")
    say("completed", dossier_id)
    link, content = outbox.next_link(), dossier_id.encode() * 5000
    package_id = f"p-{dossier_id}"
    outbox.add(NewPackage(package_id, dossier_id, link, hashlib.sha256(content).digest(), content))
    say("sealed", dossier_id)
    outbox.acknowledge(package_id, b"receipt", datetime.now(UTC))
    say("acknowledged", dossier_id)
    if number % 2:
        dossiers.purge(dossier_id, operator_id="op")
        say("purged", dossier_id)


def main(folder: Path) -> None:
    keys = SoftwareKeys.load(folder / "keys")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            store = Store.open(folder / "station.db", SystemClock(), keys)
            say("pid", os.getpid())
            number = int(line)
            while True:
                enroll_one(store, number)
                number += 1
        os.waitpid(child, 0)
        say("ended")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
