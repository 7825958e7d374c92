"""The command line: what it makes, who may read it, and what it refuses in one line."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from enrollment.registry.command_line import PROBLEMS
from enrollment.registry.data_folder import DataFolder
from enrollment.registry.errors import SetupInvalid
from enrollment.registry.server import main
from enrollment.registry.serving import TlsFiles, load_registry, serving


def run(*arguments: object, language: str = "en") -> tuple[int, str]:
    command = ["--lang", language, *map(str, arguments)]
    done = CliRunner().invoke(main, command, catch_exceptions=False)
    return done.exit_code, done.output


async def start_and_stop(folder: DataFolder) -> None:
    tls = TlsFiles(folder.server_certificate, folder.server_key, folder.authority_certificate)
    async with serving(folder, folder.default_database, tls, "127.0.0.1", 0):
        pass


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "registry")
    assert run("init", "--data", folder.root, "--registry-id", "registry-test")[0] == 0
    return folder


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_init_makes_private_keys_and_a_public_trust_file(folder: DataFolder) -> None:
    trust, keys = load_registry(folder)
    assert trust.registry_id == "registry-test"
    assert trust.recipient == keys.recipient.public_key
    assert trust.receipt_key == keys.receipt.verifying_key
    private = list(folder.keys.iterdir())
    assert len(private) == 6
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    for path in (folder.root, folder.keys, folder.uploads, folder.objects):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_init_does_not_touch_a_registry_that_is_there(folder: DataFolder) -> None:
    before = folder.trust_file.read_bytes()
    status, output = run("init", "--data", folder.root)
    assert status == 1
    assert "A registry is here already" in output
    assert "[SETUP_INVALID]" in output
    assert folder.trust_file.read_bytes() == before


def test_init_that_was_cut_short_is_told_with_what_to_do(folder: DataFolder) -> None:
    folder.trust_file.unlink()
    status, output = run("init", "--data", folder.root)
    assert status == 1
    assert "remove the folder and run it again" in output
    assert len(list(folder.keys.iterdir())) == 6


@pytest.mark.parametrize("arguments", [("--registry-id", "two words"), ("--name", "tên-máy")])
def test_init_refuses_names_that_cannot_be_used(tmp_path: Path, arguments: tuple[str, str]) -> None:
    status, output = run("init", "--data", tmp_path / "registry", *arguments)
    assert status == 1
    assert output.startswith("A value or file that was given" if "two words" in arguments else "This request or name")


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("ledger",)])
def test_a_folder_without_a_registry_is_told_so(tmp_path: Path, command: tuple[str, ...]) -> None:
    status, output = run(*command, "--data", tmp_path)
    assert status == 1
    assert "run `init` first" in output


def test_a_database_that_cannot_be_opened_is_told_so(folder: DataFolder) -> None:
    status, output = run("ledger", "--data", folder.root, "--database", f"sqlite:///{folder.root}/no/such/folder.db")
    assert status == 1
    assert output.startswith("The database cannot be used")
    assert output.endswith("[DATABASE_UNAVAILABLE]\n  OperationalError\n")


def test_a_new_database_that_another_process_has_just_begun_is_waited_for(folder: DataFolder) -> None:
    other = sqlite3.connect(folder.root / "registry.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")  # as a second command does, which is about to make the tables
    end = threading.Timer(0.2, lambda: other.execute("COMMIT"))
    end.start()
    assert run("ledger", "--data", folder.root) == (0, "")
    end.join()
    other.close()


@pytest.mark.parametrize("station", ["", "two words", "x" * 65])
def test_a_station_id_outside_its_rule_is_refused(folder: DataFolder, station: str) -> None:
    empty = folder.root / "empty"
    empty.touch()
    files = ("--csr", empty, "--verifying-key", empty, "--out", folder.root / "out.pem")
    status, output = run("enroll-station", "--data", folder.root, "--station", station, *files)
    assert status == 1
    assert "station_id" in output


def test_a_file_that_is_no_verifying_key_is_refused(folder: DataFolder) -> None:
    empty = folder.root / "empty"
    empty.touch()
    files = ("--csr", empty, "--verifying-key", empty, "--out", folder.root / "out.pem")
    status, output = run("enroll-station", "--data", folder.root, "--station", "HN-07", *files)
    assert status == 1
    assert "MALFORMED_PACKAGE" in output
    assert not (folder.root / "out.pem").exists()


@pytest.mark.parametrize("name", ["receipt-es256", "receipt-ml-dsa-65", "recipient-ml-kem-768", "recipient-x25519"])
def test_a_key_file_that_is_missing_broken_or_another_is_refused(folder: DataFolder, name: str) -> None:
    path = folder.keys / f"{name}.pem"
    path.write_bytes(b"-----BEGIN PRIVATE KEY-----\n")
    with pytest.raises(SetupInvalid, match="cannot be read"):
        load_registry(folder)
    path.unlink()
    with pytest.raises(SetupInvalid, match="cannot be read"):
        load_registry(folder)
    other = next(each for each in folder.keys.iterdir() if each.name.startswith("rec"))
    path.write_bytes(other.read_bytes())
    with pytest.raises(SetupInvalid):
        load_registry(folder)


def test_a_trust_file_of_other_keys_is_refused(folder: DataFolder, tmp_path: Path) -> None:
    other = DataFolder(tmp_path / "other")
    run("init", "--data", other.root)
    folder.trust_file.write_bytes(other.trust_file.read_bytes())
    with pytest.raises(SetupInvalid, match="other keys"):
        load_registry(folder)
    folder.trust_file.write_bytes(b"")
    with pytest.raises(SetupInvalid, match="cannot be read"):
        load_registry(folder)


def test_the_key_that_stations_seal_to_is_not_withdrawn_and_an_unknown_one_is_told_so(folder: DataFolder) -> None:
    assert run("rotate-keys", "--data", folder.root)[0] == 0
    current = load_registry(folder)[0].recipient.key_id.hex()
    status, output = run("withdraw-key", "--data", folder.root, "--key", current)
    assert (status, "rotate the keys first" in output) == (1, True)
    for key in ("", "zz"):  # both keys, none
        status, output = run("withdraw-key", "--data", folder.root, "--key", key)
        assert (status, "INVALID_REQUEST" in output) == (1, True)


def test_a_rotation_that_was_cut_short_is_finished_by_the_next_start(folder: DataFolder) -> None:
    before = folder.trust_file.read_bytes()
    run("rotate-keys", "--data", folder.root)
    after = folder.trust_file.read_bytes()
    folder.trust_file.write_bytes(before)
    asyncio.run(start_and_stop(folder))
    assert folder.trust_file.read_bytes() == after != before


def test_private_halves_of_a_withdrawn_key_may_be_deleted_and_of_no_other(folder: DataFolder) -> None:
    first = load_registry(folder)[0].recipient.key_id
    run("rotate-keys", "--data", folder.root)
    for name in ("recipient-ml-kem-768.pem", "recipient-x25519.pem"):
        (folder.keys / name).unlink()
    status, output = run("serve", "--data", folder.root, "--port", "0")
    assert (status, "SETUP_INVALID" in output) == (1, True)
    run("withdraw-key", "--data", folder.root, "--key", first.hex())
    asyncio.run(start_and_stop(folder))


@pytest.mark.parametrize("problem", list(PROBLEMS))
def test_what_is_wrong_with_a_folder_is_told_in_either_language(
    folder: DataFolder, tmp_path: Path, taken_port: int, problem: str
) -> None:
    command, root = ["keys"], folder.root
    match problem:
        case "exists":
            command = ["init"]
        case "no registry":
            root = tmp_path / "elsewhere"
        case "no trust file":
            command = ["init"]
            folder.trust_file.unlink()
        case "unreadable":
            (folder.keys / "receipt-es256.pem").unlink()
        case "other keys":
            (folder.keys / "receipt-es256.pem").write_bytes((folder.keys / "ca.pem").read_bytes())
        case "address":
            command = ["serve", "--port", str(taken_port)]
    vietnamese, english = PROBLEMS[problem]
    for language, sentence in (("vi", vietnamese), ("en", english)):
        status, output = run(*command, "--data", root, language=language)
        assert (status, output.splitlines()[0].startswith(f"{sentence} [SETUP_INVALID]")) == (1, True), output
    status, output = run(*command, "--data", root, "--json")
    told = json.loads(output)
    assert (status, told["error"], told["facts"]["problem"]) == (1, "SETUP_INVALID", problem)
