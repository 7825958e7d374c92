"""The keys of cards: derived as published, from files and from a real token (SoftHSM 2)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, CounterLocation, Mode

from enrollment.core.chip.card_keys import FACTORY_VERSION, KeySet, aes_cmac, diversified
from enrollment.core.errors import CardBelongsElsewhere
from enrollment.service.keys import card_keys_file
from enrollment.service.keys.card_keys_pkcs11 import card_keys_of_token
from enrollment.service.keys.errors import KeysExist, KeysUnusable
from enrollment.service.keys.token import Token, may_log_in
from tests.unit.station.soft_hsm import MASTER, authority_with, place_of

# GlobalPlatformPro, TestSCP03.testKDF3: key diversification data, ENC
SERIAL = bytes.fromhex("D9B1DE5D0362DEDCE4FB")
ENC = bytes.fromhex("9AAC5D0B3601F89438A0D9D0B6B256CFB47E6462DFA5228D3420C4AC7C224781")

FACTORY = KeySet(*(bytes(range(16)),) * 3)


def test_keys_are_those_of_the_published_vector() -> None:
    assert diversified(lambda message: aes_cmac(MASTER, message), SERIAL, 32).enc == ENC


@pytest.mark.parametrize("octets", [16, 24, 32])
def test_every_key_is_that_of_an_independent_sp_800_108(octets: int) -> None:
    master = MASTER[:octets]
    keys = diversified(lambda message: aes_cmac(master, message), SERIAL, octets)
    for label, key in enumerate((keys.enc, keys.mac, keys.dek), 1):
        fixed = label.to_bytes(4) + b"\0" + SERIAL
        peer = KBKDFCMAC(
            algorithms.AES, Mode.CounterMode, octets, 1, None, CounterLocation.BeforeFixed, None, None, fixed
        )
        assert key == peer.derive(master)


def test_no_two_cards_and_no_two_uses_have_a_key_in_common() -> None:
    sets = [diversified(lambda message: aes_cmac(MASTER, message), SERIAL[:9] + bytes((n,)), 16) for n in range(50)]
    assert len({key for keys in sets for key in (keys.enc, keys.mac, keys.dek)}) == 150


@pytest.mark.parametrize(("enc", "dek"), [(16, 24), (15, 15), (0, 0)])
def test_keys_of_other_lengths_make_no_set(enc: int, dek: int) -> None:
    with pytest.raises(ValueError, match="of one length"):
        KeySet(bytes(enc), bytes(enc), bytes(dek))


def test_a_key_set_shows_no_key() -> None:
    keys = KeySet(MASTER, MASTER, MASTER)
    assert MASTER.hex() not in repr(keys).lower()
    assert repr(MASTER) not in repr(keys)


@pytest.mark.parametrize("passphrase", [None, b"a long passphrase"])
def test_keys_in_files_come_back(tmp_path: Path, passphrase: bytes | None) -> None:
    made = card_keys_file.create_card_keys(tmp_path, 1, passphrase)
    made = card_keys_file.create_card_keys(tmp_path, 3, passphrase, octets=16)
    found = card_keys_file.load_card_keys(tmp_path, passphrase)
    assert found.newest == 3
    for version, octets in ((1, 32), (3, 16)):
        assert found.key_set(version, SERIAL) == made.key_set(version, SERIAL)
        assert len(found.key_set(version, SERIAL).mac) == octets
    assert found.key_set(FACTORY_VERSION, SERIAL).dek == bytes(range(0x40, 0x50))
    contents = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert (bytes(range(0x40, 0x50)) in contents) is (passphrase is None)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_version_is_never_made_twice_and_an_unknown_one_opens_nothing(tmp_path: Path) -> None:
    keys = card_keys_file.create_card_keys(tmp_path, 1, None, factory=FACTORY)
    before = (tmp_path / card_keys_file.master_file(1)).read_bytes()
    with pytest.raises(KeysExist):
        card_keys_file.create_card_keys(tmp_path, 1, None)
    assert (tmp_path / card_keys_file.master_file(1)).read_bytes() == before
    assert keys.key_set(FACTORY_VERSION, SERIAL) == FACTORY
    with pytest.raises(CardBelongsElsewhere):
        keys.key_set(2, SERIAL)


@pytest.mark.parametrize("version", [0, 128, 255])
def test_versions_that_no_card_takes_are_refused(tmp_path: Path, version: int) -> None:
    with pytest.raises(KeysUnusable):
        card_keys_file.create_card_keys(tmp_path, version, None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (card_keys_file.FACTORY_FILE, b"ECF0" + bytes(47)),
        (card_keys_file.FACTORY_FILE, b"ECM0" + bytes(48)),
        (card_keys_file.master_file(1), b"ECM0" + bytes(15)),
        (card_keys_file.master_file(1), b""),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    card_keys_file.create_card_keys(tmp_path, 1, None)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(KeysUnusable, match=name):
        card_keys_file.load_card_keys(tmp_path, None)


def test_a_folder_without_a_master_key_is_refused(tmp_path: Path) -> None:
    card_keys_file.create_card_keys(tmp_path, 1, None)
    (tmp_path / card_keys_file.master_file(1)).unlink()
    with pytest.raises(KeysUnusable, match="no master key"):
        card_keys_file.load_card_keys(tmp_path, None)


@pytest.fixture
def token(soft_hsm: None, tmp_path: Path) -> Iterator[Token]:
    token = Token(place_of("nothing", tmp_path), None)
    yield token
    token.close()


def test_a_token_makes_the_same_keys_and_keeps_its_own(token: Token) -> None:
    keys = card_keys_of_token(token, FACTORY)
    assert keys.newest == 2
    assert keys.key_set(1, SERIAL) == diversified(lambda message: aes_cmac(MASTER, message), SERIAL, 32)
    assert keys.key_set(1, SERIAL).enc == ENC
    assert keys.key_set(2, SERIAL) == diversified(lambda message: aes_cmac(MASTER[:16], message), SERIAL, 16)
    assert keys.key_set(FACTORY_VERSION, SERIAL) == FACTORY


def test_a_session_that_ended_is_opened_again(token: Token) -> None:
    keys = card_keys_of_token(token, FACTORY)
    assert token._opened is not None
    token._opened.session.close()
    assert keys.key_set(1, SERIAL).enc == ENC
    token.close()
    assert keys.key_set(1, SERIAL).enc == ENC


def test_a_wrong_pin_is_sent_once_and_is_in_no_message(
    soft_hsm: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG - 9)
    token = Token(place_of("nothing", tmp_path, "999999"), None)
    told = []
    for _ in range(5):
        with pytest.raises(KeysUnusable) as raised:
            card_keys_of_token(token, FACTORY)
        told.append(f"{raised.value} {raised.value.facts} {raised.value!r}")
    assert "PinIncorrect" in told[0]
    assert "not tried again" in told[1]
    assert "999999" not in "".join(told) + caplog.text
    assert card_keys_of_token(Token(place_of("nothing", tmp_path), None), FACTORY).newest == 2  # not locked


def test_the_last_try_is_left_to_people() -> None:
    flags: Any = pytest.importorskip("pkcs11.constants").TokenFlag
    assert may_log_in(flags.LOGIN_REQUIRED | flags.USER_PIN_INITIALIZED | flags.USER_PIN_COUNT_LOW)
    assert not may_log_in(flags.LOGIN_REQUIRED | flags.USER_PIN_COUNT_LOW | flags.USER_PIN_FINAL_TRY)
    assert not may_log_in(flags.LOGIN_REQUIRED | flags.USER_PIN_LOCKED)


def test_a_key_that_could_be_taken_out_is_not_used(soft_hsm: None, tmp_path: Path) -> None:
    with pytest.raises(KeysUnusable, match="would give its key card-master-1 away"):
        card_keys_of_token(Token(place_of("careless", tmp_path), None), FACTORY)


def test_what_is_missing_is_named(soft_hsm: None, tmp_path: Path) -> None:
    place = place_of("empty", tmp_path)
    for other, why in (
        (place, "has no AES key with a label card-master-VERSION"),
        (replace(place, label="elsewhere"), "NoSuchToken"),
        (replace(place, module=tmp_path / "none.so"), "none.so cannot be opened"),
        (replace(place, pin_file=tmp_path / "none.pin"), "none.pin cannot be read"),
    ):
        with pytest.raises(KeysUnusable, match=why):
            card_keys_of_token(Token(other, None), FACTORY)
    place.pin_file.chmod(0o644)
    with pytest.raises(KeysUnusable, match="can be read by others"):
        card_keys_of_token(Token(place, None), FACTORY)


def test_station_makes_its_cards_keys_by_the_token_that_it_is_told_of(soft_hsm: None, tmp_path: Path) -> None:
    authority = authority_with(tmp_path, place_of("of a station", tmp_path))
    keys = authority.issuer(datetime.now(UTC) + timedelta(hours=1)).keys
    assert keys.key_set(1, SERIAL) == diversified(lambda message: aes_cmac(MASTER, message), SERIAL, len(MASTER))
    authority.close()


def test_pin_that_the_token_refused_is_not_sent_for_the_next_card(soft_hsm: None, tmp_path: Path) -> None:
    authority = authority_with(tmp_path, place_of("of a station", tmp_path, pin="000000"))
    for told in ("PinIncorrect", "not tried again"):
        with pytest.raises(KeysUnusable, match=told):
            authority.issuer(datetime.now(UTC) + timedelta(hours=1))
