"""enrolld cards: a development signer that verifies, once."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from enrollment.service import daemon
from enrollment.service.config import load_config
from enrollment.service.keys.card_trust import load_card_trust
from enrollment.service.keys.document_signer import DocumentSigner
from enrollment.service.keys.errors import KeysUnusable


@pytest.fixture
def config(tmp_path: Path) -> Path:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("a long one")
    options = ["--folder", str(tmp_path / "s"), "--station", "T-1", "--passphrase-file", str(passphrase), "--json"]
    return Path(json.loads(CliRunner().invoke(daemon.main, ["init", *options]).stdout)["config"])


def init(config: Path) -> Result:
    return CliRunner().invoke(daemon.main, ["cards", "init", "--config", str(config), "--json"], catch_exceptions=False)


def test_init_makes_a_signer_that_its_authority_certified_and_nothing_twice(config: Path) -> None:
    made = init(config)
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    cards = load_config(config).cards
    assert cards is not None
    assert (told["signer_key"], told["trust"]) == (str(cards.signer_key), str(cards.trust))
    signer = DocumentSigner.load(cards.signer_certificate, cards.signer_key, b"a long one")
    signer.require_usable(load_card_trust(cards.trust, cards.revocation_lists), datetime.now(UTC))
    before = {path: path.read_bytes() for path in config.parent.rglob("*") if path.is_file()}
    again = init(config)
    assert (again.exit_code, "KEYS_EXIST" in again.output) == (1, True)
    assert {path: path.read_bytes() for path in config.parent.rglob("*") if path.is_file()} == before


def test_private_keys_are_under_the_passphrase_and_for_their_owner_alone(config: Path) -> None:
    init(config)
    keys = list((config.parent / "cards").rglob("*key*"))
    assert len(keys) == 4
    for path in keys:
        assert path.stat().st_mode & 0o077 == 0
        assert b"ENROLLMENT ENCRYPTED KEY" in path.read_bytes()
    cards = load_config(config).cards
    assert cards is not None
    with pytest.raises(KeysUnusable):
        DocumentSigner.load(cards.signer_certificate, cards.signer_key, b"another")
