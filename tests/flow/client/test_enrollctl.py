"""enrollctl as a process against a running station: every command, for people and for programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from enrollment.cli.connection import connect
from enrollment.cli.demo.station import DemoStation
from enrollment.cli.demo.subject import ControlFailed, StandIn, SyntheticImpressions
from enrollment.v1 import dossier_pb2

FIELDS = {
    "full_name": "Trần Văn Thử",
    "date_of_birth": "01/02/1980",
    "sex": "M",
    "personal_number": "001080000007",
}

GIVEN = tuple(part for name, value in FIELDS.items() for part in ("--field", f"{name}={value}"))


@pytest.fixture
def ctl(demo: DemoStation, tmp_path: Path) -> Any:
    token = tmp_path / "token"
    token.write_text(demo.token)

    def call(*arguments: str, lang: str = "en", **environment: str) -> subprocess.CompletedProcess[str]:
        settings = {"ENROLL_SOCKET": str(demo.socket), "ENROLL_TOKEN_FILE": str(token), "COLUMNS": "200"} | environment
        return subprocess.run(
            [sys.executable, "-m", "enrollment.cli.main", "--lang", lang, *arguments],
            env=os.environ | settings,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return call


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the enrolled person's records are left; not there yet."""
    return tmp_path_factory.mktemp("enrolled") / "records"


@pytest.fixture(scope="module")
def enrolled(demo: DemoStation, records: Path) -> dict[str, Any]:
    """One person, enrolled with `enrollctl enroll` while somebody moves the fingers."""
    person = StandIn(demo.platen, demo.scene, SyntheticImpressions(11), None, person=11, order=[])
    person.present_face()
    environment = os.environ | {"ENROLL_SOCKET": str(demo.socket), "ENROLL_TOKEN": demo.token}
    command = [
        sys.executable,
        "-m",
        "enrollment.cli.main",
        "--json",
        "--lang",
        "en",
        "enroll",
        *GIVEN,
        "--out",
        str(records),
    ]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = []
        position = 0
        for line in process.stderr:
            said.append(line)
            if ": place it" in line:
                attempt = int(line.split("try ")[1].split("/")[0])
                position += attempt == 1
                person.present_finger(position, attempt)
            elif line.rstrip().endswith(("lift it", "on disk")) and "portrait" not in line:
                person.lift_finger()
        result = process.stdout.read()
    assert process.returncode == 0, "".join(said)
    found: dict[str, Any] = json.loads(result.splitlines()[-1])
    return found


def test_enroll_ends_with_an_acknowledged_package(enrolled: dict[str, Any]) -> None:
    assert (enrolled["acknowledged"], enrolled["fingers"], enrolled["portrait"]) == (True, 10, True)


def test_records_are_left_for_their_owner_alone(enrolled: dict[str, Any], records: Path) -> None:
    assert len(list(records.glob("*.fir"))) == enrolled["fingers"]
    assert {path.stat().st_mode & 0o077 for path in (records, *records.iterdir())} == {0}


def test_devices_lists_scanner_and_camera(ctl: Any) -> None:
    [answer] = lines(ctl("--json", "devices"))
    kinds = {device["kind"] for device in answer["devices"]} - {"DEVICE_KIND_CARD_ENCODER"}
    assert kinds == {"DEVICE_KIND_FINGERPRINT_SCANNER", "DEVICE_KIND_CAMERA"}
    shown = ctl("devices")
    assert shown.returncode == 0
    for device in answer["devices"]:
        assert device["device_id"] in shown.stdout
    proofs = {device["kind"]: device["driver_proof"] for device in answer["devices"] if device["kind"] in kinds}
    assert proofs == {
        "DEVICE_KIND_FINGERPRINT_SCANNER": "DRIVER_PROOF_RECORDING",
        "DEVICE_KIND_CAMERA": "DRIVER_PROOF_MODEL_ONLY",
    }
    assert "Driver proven" in shown.stdout
    assert "Thiết bị" in ctl("devices", lang="vi").stdout


def test_dossier_list_and_show_name_the_enrolled_one(ctl: Any, enrolled: dict[str, Any]) -> None:
    [answer] = lines(ctl("--json", "dossier", "list", "--state", "acknowledged"))
    assert enrolled["dossier_id"] in {dossier["dossier_id"] for dossier in answer["dossiers"]}
    assert FIELDS["full_name"] not in json.dumps(answer, ensure_ascii=False)
    shown = ctl("dossier", "show", enrolled["dossier_id"])
    assert shown.returncode == 0
    assert shown.stdout.count("right") == 5
    assert FIELDS["full_name"] not in shown.stdout, "personal fields are shown only when asked for"
    assert FIELDS["full_name"] in ctl("dossier", "show", "--personal", enrolled["dossier_id"]).stdout


@pytest.mark.parametrize(
    ("arguments", "reason", "said"),
    [
        ((), "FIELDS_MISSING", "full_name (Họ"),
        ((*GIVEN, "--scanner", "nobody's"), "DEVICE_MISSING", "chưa có máy quét vân tay nào"),
        ((*GIVEN, "--camera", "nobody's"), "DEVICE_MISSING", "chưa có máy ảnh nào"),
    ],
)
def test_enroll_opens_nothing_for_a_person_who_cannot_be_enrolled(
    ctl: Any, demo: DemoStation, arguments: tuple[str, ...], reason: str, said: str
) -> None:
    is_open = dossier_pb2.ListDossiersRequest(state=dossier_pb2.DOSSIER_STATE_OPEN)
    with connect(demo.socket, demo.token) as station:
        before = [dossier.dossier_id for dossier in station.dossiers.ListDossiers(is_open).dossiers]
    done = ctl("--json", "enroll", *arguments, lang="vi")
    assert (done.returncode, json.loads(done.stdout)["error"]["reason"]) == (1, reason)
    assert said in done.stderr
    [open_ones] = lines(ctl("--json", "dossier", "list", "--state", "open"))
    assert open_ones.keys() == {"dossiers", "next_page_token"}
    assert [dossier["dossier_id"] for dossier in open_ones["dossiers"]] == before  # none, unless another test failed


def test_outbox_shows_package_and_ledger(ctl: Any, enrolled: dict[str, Any]) -> None:
    ledger, *packages = lines(ctl("--json", "outbox"))
    assert int(ledger["acknowledged"]) == len(packages) == int(ledger["collected"])
    assert enrolled["package_id"] in {package["package_id"] for package in packages}
    assert "collected" in ctl("outbox").stdout
    assert "đã xác nhận" in ctl("outbox", lang="vi").stdout


def test_receipt_verifies_against_the_stations_pin_and_fails_against_anothers(
    ctl: Any, enrolled: dict[str, Any], demo: DemoStation, tmp_path: Path
) -> None:
    [answer] = lines(ctl("--json", "receipt", "verify", enrolled["package_id"]))
    assert (answer["receipt_verified"], answer["package_sha256"]) == (True, enrolled["package_sha256"])
    other = tmp_path / "other"
    made = [sys.executable, "-m", "enrollment.registry.server", "init", "--data", str(other)]
    subprocess.run(made, check=True, capture_output=True)
    done = ctl("--json", "receipt", "verify", enrolled["package_id"], "--trust", str(other / "registry-trust.pem"))
    assert done.returncode == 1
    assert json.loads(done.stdout)["reason"] == "UNKNOWN_SIGNER"


def test_card_is_written_and_verified_and_the_report_is_a_table(
    ctl: Any, enrolled: dict[str, Any], demo: DemoStation, tmp_path: Path
) -> None:
    if demo.reader.why_not:
        pytest.skip(demo.reader.why_not)
    dossier = enrolled["dossier_id"]
    [answer] = lines(ctl("--json", "devices"))
    encoders = [device["device_id"] for device in answer["devices"] if device["kind"] == "DEVICE_KIND_CARD_ENCODER"]
    at = ("--encoder", encoders[1])  # the card in the first is another test's
    shown = ctl("card", "personalise", dossier, *at)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "is personalised" in shown.stdout
    assert "chip is no copy: active authentication" in shown.stdout
    (again,) = lines(ctl("--json", "card", "personalise", dossier, *at))
    assert again["dossier_id"] == dossier
    left = ("--out", str(tmp_path / "card"))
    (report,) = lines(ctl("--json", "card", "verify", "--dossier", dossier, *at, *left))
    assert {"EF.SOD", "EF.DG1.bin", "sod.der", "report.json"} <= {path.name for path in (tmp_path / "card").iterdir()}
    assert report["verified"] is True
    assert not [check for check in report["checks"] if check["result"] == "CHECK_RESULT_FAILED"]
    number = tmp_path / "can"
    number.write_text(FIELDS["personal_number"][-6:] + "\n")
    assert "thẻ hợp lệ" in ctl("card", "verify", "--can-file", str(number), *at, lang="vi").stdout
    number.write_text("999999")
    wrong = ctl("card", "verify", "--can-file", str(number), *at)
    assert wrong.returncode == 1
    assert "DOES NOT verify" in wrong.stdout
    number.write_text("no number")
    assert "ACCESS_KEY_INVALID" in ctl("card", "verify", "--can-file", str(number), *at).stdout
    assert ctl("card", "verify").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("dossier", "show", "01890000-0000-7000-8000-000000000000"), "DOSSIER_UNKNOWN"),
        (("outbox", "--retry", "01890000-0000-7000-8000-000000000000"), "PACKAGE_UNKNOWN"),
        (("enroll", "--plan", "no-such-plan"), "PLAN_UNKNOWN"),
    ],
)
def test_refusal_is_one_sentence_in_the_chosen_language_and_json_for_programs(
    ctl: Any, arguments: tuple[str, ...], reason: str
) -> None:
    english, vietnamese = ctl(*arguments), ctl(*arguments, lang="vi")
    assert english.returncode == vietnamese.returncode == 1
    assert reason in english.stdout
    assert english.stdout != vietnamese.stdout
    assert "Traceback" not in english.stderr + vietnamese.stderr
    assert json.loads(ctl("--json", *arguments).stdout.splitlines()[-1])["error"]["reason"] == reason


def test_no_daemon_wrong_token_and_no_settings_each_say_what_to_do(ctl: Any, tmp_path: Path) -> None:
    away = ctl("devices", ENROLL_SOCKET=str(tmp_path / "nobody"))
    assert (away.returncode, "DAEMON_UNREACHABLE" in away.stdout) == (3, True)
    (tmp_path / "wrong").write_text("x" * 43)
    wrong = ctl("devices", ENROLL_TOKEN_FILE=str(tmp_path / "wrong"))
    assert (wrong.returncode, "SESSION" in wrong.stdout) == (1, True)
    unset = ctl("devices", ENROLL_TOKEN_FILE=str(tmp_path / "absent"))
    assert (unset.returncode, "session token" in unset.stderr) == (2, True)


def test_what_the_model_does_not_know_is_a_typed_failure(demo: DemoStation) -> None:
    with pytest.raises(ControlFailed, match="404"):
        demo.platen.send("PUT", "/nothing")
