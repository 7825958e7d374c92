"""enrolld's commands that make keys: killed at any step, the same call finishes them; called at once, one does.

A child is killed at its n-th touch of a file, for every n: Python's audit events tell of each before it happens.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from enrollment.core.sealing.public_keys import decode_verifying_key
from enrollment.service import daemon
from enrollment.service.config import load_config
from enrollment.service.keys.card_keys_file import load_card_keys
from enrollment.service.keys.card_trust import load_card_trust
from enrollment.service.keys.document_signer import DocumentSigner
from enrollment.service.keys.sharing import SharingFolder
from enrollment.service.keys.software_keys import CLIENT_KEY_FILE, REQUEST_FILE, VERIFYING_FILE, SoftwareKeys

TOUCHES = frozenset({"open", "os.link", "os.mkdir", "os.remove", "os.rename", "os.chmod", "sqlite3.connect"})
MOST_TOUCHES = 200
ways = multiprocessing.get_context("fork")


def call(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(daemon.main, list(map(str, arguments)), catch_exceptions=False)
    return done.exit_code, done.output


def init(folder: Path, station: str = "T-1") -> tuple[str, ...]:
    return ("init", "--folder", str(folder), "--station", station)


def killed_at(touch: int, folder: Path, arguments: tuple[str, ...]) -> None:
    left = touch

    def count(event: str, details: tuple[object, ...]) -> None:
        nonlocal left
        if event in TOUCHES and (isinstance(details[0], int) or str(folder) in os.fspath(str(details[0]))):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    os._exit(call(*arguments)[0])


def at_every_touch(
    tmp_path: Path, before: Path | None, make: Callable[[Path], tuple[str, ...]], check: Callable[[Path], None]
) -> int:
    """Kill the command at each touch of a file, call it again, and check; how many touches there were."""
    for touch in range(1, MOST_TOUCHES):
        folder = tmp_path / f"cut-{touch}"
        if before is not None:
            shutil.copytree(before, folder)
        child = ways.Process(target=killed_at, args=(touch, folder, make(folder)))
        child.start()
        child.join()
        if child.exitcode == 0:
            return touch - 1
        assert child.exitcode == -signal.SIGKILL
        status, output = call(*make(folder))
        assert status == 0 or "exist" in output.lower(), (touch, output)  # all was there: the kill came too late
        check(folder)
        shutil.rmtree(folder)
    raise AssertionError("the command never ended")


def require_whole_keys(folder: Path) -> None:
    config = load_config(folder / "station.toml")
    keys = SoftwareKeys.load(config.keys_folder)
    assert decode_verifying_key((config.keys_folder / VERIFYING_FILE).read_bytes()) == keys.verifying_key
    request = x509.load_pem_x509_csr((config.keys_folder / REQUEST_FILE).read_bytes())
    client = load_pem_private_key((config.keys_folder / CLIENT_KEY_FILE).read_bytes(), None)
    assert request.public_key() == client.public_key()


def test_a_station_whose_making_was_cut_short_is_made_by_the_same_call(tmp_path: Path) -> None:
    def check(folder: Path) -> None:
        require_whole_keys(folder)
        assert call("issue-session", "--config", folder / "station.toml", "--operator", "op-1")[0] == 0

    assert at_every_touch(tmp_path, None, init, check) > 20


def test_a_share_whose_making_was_cut_short_is_made_by_the_same_call(tmp_path: Path) -> None:
    before = tmp_path / "before"
    call(*init(before))

    def check(folder: Path) -> None:
        config = load_config(folder / "station.toml")
        assert config.share is not None
        share = SharingFolder(config.share.folder)
        share.server_pems(None)
        share.server_certificate().verify_directly_issued_by(
            x509.load_pem_x509_certificate((share.folder / "ca.pem").read_bytes())
        )

    def share_init(folder: Path) -> tuple[str, ...]:
        return ("share", "init", "--config", str(folder / "station.toml"), "--name", "scanner-pc")

    assert at_every_touch(tmp_path, before, share_init, check) > 10


def test_card_keys_whose_making_was_cut_short_are_made_by_the_same_call(tmp_path: Path) -> None:
    before = tmp_path / "before"
    call(*init(before))

    def check(folder: Path) -> None:
        cards = load_config(folder / "station.toml").cards
        assert cards is not None
        DocumentSigner.load(cards.signer_certificate, cards.signer_key, None)
        load_card_trust(cards.trust, cards.revocation_lists)
        load_card_keys(cards.keys, None)

    def cards_init(folder: Path) -> tuple[str, ...]:
        return ("cards", "init", "--config", str(folder / "station.toml"))

    assert at_every_touch(tmp_path, before, cards_init, check) > 10


def init_at_once(folder: Path, number: int, start: object) -> None:
    start.wait()  # type: ignore[attr-defined]
    os._exit(call(*init(folder, f"T-{number}"))[0])


@pytest.mark.parametrize("round_number", range(5))
def test_of_several_that_make_one_station_at_once_one_does(tmp_path: Path, round_number: int) -> None:
    start = ways.Barrier(3)
    made = [ways.Process(target=init_at_once, args=(tmp_path, number, start)) for number in range(3)]
    for process in made:
        process.start()
    for process in made:
        process.join()
    assert sorted(process.exitcode or 0 for process in made) == [0, 1, 1]
    require_whole_keys(tmp_path)
    [winner] = [number for number, process in enumerate(made) if process.exitcode == 0]
    assert load_config(tmp_path / "station.toml").station_id == f"T-{winner}"
