"""The station's key files: they come back as they were, are private, and say what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from enrollment.core.sealing.public_keys import decode_verifying_key
from enrollment.service.keys.errors import KeysExist, KeysUnusable
from enrollment.service.keys.software_keys import (
    CLIENT_KEY_FILE,
    ES256_FILE,
    ML_DSA_FILE,
    VERIFYING_FILE,
    WRAPPING_FILE,
    SoftwareKeys,
    load_tls_key,
)

PRIVATE = [ES256_FILE, ML_DSA_FILE, WRAPPING_FILE, CLIENT_KEY_FILE]


@pytest.fixture(scope="module")
def passphrase() -> bytes:
    return "mật khẩu".encode()


@pytest.mark.parametrize("protected", [False, True])
def test_keys_come_back_and_sign_and_unwrap(tmp_path: Path, passphrase: bytes, protected: bool) -> None:
    secret = passphrase if protected else None
    made = SoftwareKeys.create(tmp_path / "keys", "T", secret)
    loaded = SoftwareKeys.load(tmp_path / "keys", secret)
    assert loaded.key_id == made.key_id
    decode_verifying_key((tmp_path / "keys" / VERIFYING_FILE).read_bytes()).verify_es256(loaded.sign_es256(b"x"), b"x")
    loaded.verifying_key.verify_ml_dsa_65(made.sign_ml_dsa_65(b"x"), b"x")
    wrapped = made.wrap(b"k" * 32, b"dossier-1")
    assert loaded.unwrap(wrapped, b"dossier-1") == b"k" * 32
    for wrong in ((wrapped, b"dossier-2"), (wrapped[:-1], b"dossier-1"), (b"", b"dossier-1")):
        with pytest.raises(ValueError, match=r"wrapped|[Nn]once"):
            loaded.unwrap(*wrong)
    assert load_tls_key(tmp_path / "keys" / CLIENT_KEY_FILE, secret).startswith(b"-----BEGIN PRIVATE KEY-----")


def test_private_files_are_private_and_hold_no_key_in_the_clear_under_a_passphrase(
    tmp_path: Path, passphrase: bytes
) -> None:
    folder = tmp_path / "keys"
    made = SoftwareKeys.create(folder, "T", passphrase)
    assert folder.stat().st_mode & 0o777 == 0o700
    for name in PRIVATE:
        assert (folder / name).stat().st_mode & 0o777 == 0o600, name
    assert made._wrapping not in (folder / WRAPPING_FILE).read_bytes()
    for name in (ES256_FILE, ML_DSA_FILE, CLIENT_KEY_FILE):
        assert (folder / name).read_bytes().startswith(b"-----BEGIN ENROLLMENT ENCRYPTED KEY-----")
    assert made._wrapping.hex() not in repr(made)


def test_client_key_that_an_authoritys_tools_encrypted_is_read(tmp_path: Path, passphrase: bytes) -> None:
    path = tmp_path / "issued.pem"
    key = ec.generate_private_key(ec.SECP384R1())
    path.touch(0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase)))
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert load_tls_key(path, passphrase) == plain
    with pytest.raises(KeysUnusable):
        load_tls_key(path, None)


def test_creation_that_was_cut_short_is_begun_anew(tmp_path: Path) -> None:
    first = SoftwareKeys.create(tmp_path, "T")
    (tmp_path / WRAPPING_FILE).unlink()  # it is written last: a cut before it leaves this
    with pytest.raises(KeysUnusable):
        SoftwareKeys.load(tmp_path)
    second = SoftwareKeys.create(tmp_path, "T")
    assert second.key_id != first.key_id
    assert SoftwareKeys.load(tmp_path).key_id == second.key_id


def test_client_key_that_somebody_else_put_there_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / CLIENT_KEY_FILE).write_bytes(b"theirs")
    for _ in range(2):
        with pytest.raises(KeysUnusable, match=CLIENT_KEY_FILE):
            SoftwareKeys.create(tmp_path, "T")
    assert (tmp_path / CLIENT_KEY_FILE).read_bytes() == b"theirs"


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    SoftwareKeys.create(tmp_path, "T")
    before = {name: (tmp_path / name).read_bytes() for name in PRIVATE}
    with pytest.raises(KeysExist):
        SoftwareKeys.create(tmp_path, "T")
    assert {name: (tmp_path / name).read_bytes() for name in PRIVATE} == before


@pytest.mark.parametrize("secret", [None, b"another"])
def test_wrong_or_missing_passphrase_is_told_with_the_file(
    tmp_path: Path, passphrase: bytes, secret: bytes | None
) -> None:
    SoftwareKeys.create(tmp_path, "T", passphrase)
    with pytest.raises(KeysUnusable) as refused:
        SoftwareKeys.load(tmp_path, secret)
    assert refused.value.facts["file"] == str(tmp_path / ES256_FILE)


@pytest.mark.parametrize("name", [ES256_FILE, ML_DSA_FILE, WRAPPING_FILE])
@pytest.mark.parametrize("content", [b"", b"garbage", b"EWK0short", b"EWK1" + b"x" * 20])
def test_damaged_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    SoftwareKeys.create(tmp_path, "T")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(KeysUnusable) as refused:
        SoftwareKeys.load(tmp_path, b"p")
    assert refused.value.facts["file"] == str(tmp_path / name)


def test_file_that_others_can_read_and_file_that_is_gone_are_named(tmp_path: Path) -> None:
    SoftwareKeys.create(tmp_path, "T")
    (tmp_path / WRAPPING_FILE).chmod(0o644)
    with pytest.raises(KeysUnusable, match="others"):
        SoftwareKeys.load(tmp_path)
    (tmp_path / WRAPPING_FILE).unlink()
    with pytest.raises(KeysUnusable, match="cannot be read"):
        SoftwareKeys.load(tmp_path)
