"""Uses a store where the disk is full or may not be written, in a process of its own, and prints what it met as JSON.

worker_on_a_bad_disk.py full FOLDER       in a mount namespace of its own: FOLDER becomes a disk of 3 MiB
worker_on_a_bad_disk.py limit FOLDER      no file may grow beyond 1 MiB (EFBIG)
worker_on_a_bad_disk.py readonly FOLDER   the folder may not be written by this process
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from enrollment.core.dossier.model import QualityRecord
from enrollment.core.dossier.plan import Plan, PlannedFingerprint
from enrollment.service.config import SystemClock
from enrollment.service.keys.software_keys import SoftwareKeys
from enrollment.service.store.errors import DatabaseUnavailable
from enrollment.service.store.new_capture import NewCapture
from enrollment.service.store.store import Store

PLAN = Plan("bad-disk", 1, "", "", (PlannedFingerprint(1),))
MIB = 1024 * 1024
NOBODY = 65534


def enroll(store: Store) -> str:
    dossier_id = store.dossiers.create(PLAN, {}, request_id=str(uuid.uuid4()), operator_id="op").dossier_id
    parts = {"fingerprint-01.fir": ("application/x-iso19794-4-2005", os.urandom(110_000))}
    new = NewCapture(1, "flat", QualityRecord(70, "a", "1"), True, 1, 1, "op", "dev", datetime.now(UTC), parts)
    store.dossiers.add_capture(dossier_id, new, replace=False, request_id=dossier_id)
    return dossier_id


def until_it_fails(store: Store) -> tuple[list[str], DatabaseUnavailable]:
    done: list[str] = []
    while True:
        try:
            done.append(enroll(store))
        except DatabaseUnavailable as error:
            return done, error


def fill_and_free(folder: Path, keys: SoftwareKeys, free: Callable[[], object]) -> dict[str, object]:
    """Enroll until the disk says no, make room, go on; then open the file anew."""
    store = Store.open(folder / "station.db", SystemClock(), keys)
    before, error = until_it_fails(store)
    readable = [len(store.dossiers.get(dossier_id).captures) for dossier_id in before]
    free()
    after = enroll(store)
    store.close()
    again = Store.open(folder / "station.db", SystemClock(), keys)
    kept = [len(again.dossiers.read_part(dossier_id, "fingerprint-01.fir")) for dossier_id in (*before, after)]
    again.close()
    return {"facts": error.facts, "before": len(before), "readable": readable, "kept": kept}


def main(kind: str, folder: Path) -> dict[str, object]:
    if kind == "full":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], check=True)
        keys = SoftwareKeys.create(folder / "keys", "T")
        ballast = folder / "ballast"
        ballast.write_bytes(bytes(MIB))
        return fill_and_free(folder, keys, ballast.unlink)
    keys = SoftwareKeys.create(folder / "keys", "T")
    if kind == "limit":
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, hard))
        return fill_and_free(folder, keys, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard)))
    Store.open(folder / "station.db", SystemClock(), keys).close()
    folder.chmod(0o755)
    (folder / "station.db").chmod(0o444)
    if os.geteuid() == 0:
        os.seteuid(NOBODY)  # whom modes bind
    else:
        folder.chmod(0o555)
    met = []
    for path in (folder / "station.db", folder / "another.db"):
        try:
            enroll(Store.open(path, SystemClock(), keys))
        except DatabaseUnavailable as error:
            met.append(error.facts)
    return {"met": met}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
