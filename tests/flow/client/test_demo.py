"""./run demo's own program, whole: synthetic prints, and real prints and a real portrait where they are at hand."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest

from enrollment.core.chip.mrz import MachineReadableZone
from enrollment.core.chip.security_object import SecurityObject
from enrollment.core.records.iso19794_2_2005 import FingerMinutiaeRecord, template_from_record
from enrollment.core.records.iso19794_4_2005 import FingerImageRecord
from firmware_stubs.card.pcscd import missing

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared" / "data"
LAST_LINE = {"dossier_id", "package_sha256", "receipt_verified", "fingers", "portrait", "card", "seconds", "output_dir"}
CARD_FILES = {"EF.CardAccess", "EF.COM", "EF.SOD", "sod.der", "csca.pem", "report.json"} | {
    f"EF.DG{number}.bin" for number in (1, 2, 13, 14, 15)
}


VERIFY = [sys.executable, "-m", "enrollment.cli.main", "--json", "receipt", "verify"]


def verify_offline(out: Path) -> tuple[int, dict[str, Any]]:
    files = {"--receipt": "receipt.cose", "--package": "package.sealed", "--trust": "registry-trust"}
    named = [part for option, name in files.items() for part in (option, str(out / name))]
    done = subprocess.run([*VERIFY, *named], capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


def run_demo(out: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "enrollment.cli.demo", "--json", "--out", out, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    last = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(last, dict)
    return last


def check_results(last: dict[str, Any], out: Path) -> None:
    assert last.keys() == LAST_LINE
    assert (last["receipt_verified"], last["fingers"], last["portrait"]) == (True, 10, True)
    assert Path(last["output_dir"]) == out
    records = out / "records"
    images = sorted(records.glob("*.fir"))
    assert len(images) == 10
    for path in images:
        FingerImageRecord.decode(path.read_bytes())
        template_from_record(FingerMinutiaeRecord.decode(path.with_suffix(".fmr").read_bytes()))
    ledger = json.loads((out / "ledger.json").read_text())
    assert (ledger["collected"], ledger["sent"], ledger["acknowledged"]) == ("1", "1", "1")
    check_card(last, out)
    sheet = cv2.imread(str(out / "contact-sheet.png"))
    assert sheet is not None
    assert sheet.std() > 10, "the contact sheet is blank"


def check_card(last: dict[str, Any], out: Path) -> None:
    """Judged by others, too: openssl reads the security object, our own readers the files."""
    if missing() or importlib.util.find_spec("smartcard") is None:
        assert last["card"]["verified"] is False
        assert last["card"]["why"]
        return
    folder = out / "card"
    assert last["card"]["verified"] is True, last["card"]
    assert {path.name for path in folder.iterdir()} == CARD_FILES
    verify = ["openssl", "cms", "-verify", "-inform", "DER", "-in", "sod.der", "-CAfile", "csca.pem", "-purpose", "any"]
    judged = subprocess.run([*verify, "-out", os.devnull], cwd=folder, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stderr
    zone = MachineReadableZone.decode((folder / "EF.DG1.bin").read_bytes())
    assert (zone.primary, zone.secondary) == (("NGUYEN",), ("THI", "MAU"))
    groups = {number: (folder / f"EF.DG{number}.bin").read_bytes() for number in (1, 2, 13, 14, 15)}
    signed = SecurityObject.decode((folder / "EF.SOD").read_bytes())
    for number, octets in groups.items():
        signed.verify_data_group(number, octets)
    report = json.loads((folder / "report.json").read_text())
    assert report["verified"] is True
    assert len(report["checks"]) > 20


def test_synthetic_person_is_enrolled_and_the_receipt_verifies_offline(tmp_path: Path) -> None:
    out = tmp_path / "out"
    last = run_demo(out)
    check_results(last, out)
    status, said = verify_offline(out)
    assert (status, said["receipt_verified"], said["package_sha256"]) == (0, True, last["package_sha256"])
    changed = bytearray((out / "package.sealed").read_bytes())
    changed[len(changed) // 2] ^= 1
    (out / "package.sealed").write_bytes(changed)
    status, said = verify_offline(out)
    assert (status, said["receipt_verified"], said["reason"]) == (1, False, "DIGEST_MISMATCH")


@pytest.mark.needs_shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_real_prints_and_a_real_portrait_are_enrolled(tmp_path: Path) -> None:
    fingers, portrait = SHARED / "fingerprints" / "FVC2002_DB1_B", SHARED / "portraits" / "astronaut.png"
    last = run_demo(tmp_path / "out", "--fingers", str(fingers), "--portrait", str(portrait))
    check_results(last, tmp_path / "out")


def test_folder_without_images_fails_with_a_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "enrollment.cli.demo", "--json", "--fingers", tmp_path, "--out", tmp_path / "out"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["reason"] == "FileNotFoundError"
    assert "Traceback" not in done.stderr
