"""enrolld's refusals: a sentence in the caller's language, and JSON only for who asks for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from enrollment.service import daemon
from enrollment.service.command_words import PROBLEMS, SENTENCES
from enrollment.service.config import ConfigInvalid
from enrollment.service.keys.errors import KeysUnusable

ISSUE = ("issue-session", "--operator", "op-1")


def call(*arguments: object, language: str = "en", **environment: str) -> Result:
    command = ["--lang", language, *map(str, arguments)] if language else [*map(str, arguments)]
    return CliRunner().invoke(daemon.main, command, catch_exceptions=False, env=environment)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A station's folder, its keys under a passphrase; made once, for that takes a while."""
    folder = tmp_path_factory.mktemp("made")
    passphrase = folder / "passphrase"
    passphrase.write_text("sesame")
    done = call("init", "--folder", folder / "station", "--station", "T-1", "--passphrase-file", passphrase)
    assert done.exit_code == 0, done.output
    return folder / "station"


@pytest.fixture
def station(made: Path, tmp_path: Path) -> Path:
    """A copy to be spoilt."""
    return shutil.copytree(made, tmp_path / "station")


def without_passphrase(station: Path) -> None:
    config = station / "station.toml"
    config.write_text(config.read_text().split("[state]")[0])


def another_kind_of_file(station: Path) -> None:
    (station / "keys" / "signing-es256.pem").write_bytes(b"-----BEGIN ENROLLMENT ENCRYPTED KEY-----\nAAAA\n")


SPOILT: dict[tuple[type, str], Callable[[Path], object]] = {
    (ConfigInvalid, "unreadable"): lambda station: (station / "station.toml").unlink(),
    (ConfigInvalid, "no TOML"): lambda station: (station / "station.toml").write_text("[station\n"),
    (ConfigInvalid, "key"): lambda station: (station / "station.toml").write_text('[station]\nid = "T-1"\nnme = "x"\n'),
    (ConfigInvalid, "exists"): lambda station: None,
    (ConfigInvalid, "unwritable"): lambda station: (station / "in-the-way").write_text(""),
    (KeysUnusable, "unreadable"): lambda station: (station / "keys" / "signing-es256.pem").unlink(),
    (KeysUnusable, "open to others"): lambda station: (station / "keys" / "signing-es256.pem").chmod(0o644),
    (KeysUnusable, "no passphrase"): without_passphrase,
    (KeysUnusable, "damaged"): another_kind_of_file,
}


def command_that_meets(problem: str, station: Path) -> tuple[object, ...]:
    match problem:
        case "exists":
            return ("init", "--folder", station, "--station", "T-1")
        case "unwritable":
            return ("init", "--folder", station / "in-the-way" / "below", "--station", "T-1")
    return (*ISSUE, "--config", station / "station.toml")


@pytest.mark.parametrize(("kind", "problem"), [(kind, problem) for kind in PROBLEMS for problem in PROBLEMS[kind]])
def test_what_is_wrong_is_told_in_either_language(station: Path, kind: type[ConfigInvalid], problem: str) -> None:
    SPOILT[kind, problem](station)
    command = command_that_meets(problem, station)
    vietnamese, english = PROBLEMS[kind][problem]
    for language, sentence in (("vi", vietnamese), ("en", english)):
        told = call(*command, language=language)
        assert told.exit_code == 1
        assert told.stdout == ""
        first, technical = told.stderr.splitlines()
        assert first.startswith(f"{sentence} [{kind.reason}] "), first
        assert technical.startswith("  ")
    told = call(*command, "--json")
    assert (told.exit_code, told.stdout) == (1, "")
    found = json.loads(told.stderr)
    assert set(found) == {"error", "message", "facts"}
    assert found["error"] == kind.reason
    assert str(station) in found["message"]


def test_the_language_is_the_environments_unless_it_is_named(tmp_path: Path) -> None:
    command = (*ISSUE, "--config", tmp_path / "station.toml")
    vietnamese, english = PROBLEMS[ConfigInvalid]["unreadable"]
    for tag, sentence in (("vi_VN.UTF-8", vietnamese), ("C.UTF-8", english)):
        assert call(*command, language="", LC_ALL=tag).stderr.startswith(sentence)
    assert call(*command, language="vi", LC_ALL="C.UTF-8").stderr.startswith(vietnamese)


def test_a_command_of_a_group_and_the_api_s_own_sentences_are_told_alike(station: Path) -> None:
    config = station / "station.toml"
    told = call("share", "list", "--config", config, language="vi")
    assert (told.exit_code, told.stderr.startswith(PROBLEMS[ConfigInvalid]["key"][0])) == (1, True)
    assert json.loads(call("share", "list", "--config", config, "--json").stderr)["error"] == "CONFIG_INVALID"
    sound = call("rejoin", "--config", config, "--operator", "boss", language="vi")
    assert sound.stderr.startswith("Chuỗi gói của trạm không bị đứt")


def test_a_file_name_cannot_move_the_cursor(tmp_path: Path) -> None:
    told = call(*ISSUE, "--config", tmp_path / "\x1b[2J.toml")
    assert told.exit_code == 1
    assert "\x1b" not in told.stderr


def test_every_sentence_is_there_in_both_languages() -> None:
    for vietnamese, english in (*SENTENCES.values(), *(pair for each in PROBLEMS.values() for pair in each.values())):
        assert vietnamese.endswith(".")
        assert english.endswith(".")
        assert vietnamese != english
