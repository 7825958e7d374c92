"""A document signer whose private key is in a real token (SoftHSM 2): it signs there, and never leaves."""

from __future__ import annotations

import importlib
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key

from enrollment.core.chip.public_keys import PublicKey
from enrollment.core.chip.security_object import SecurityObject, cms_of, sign_security_object
from enrollment.core.chip.signature_algorithms import ALGORITHMS
from enrollment.core.errors import SignatureInvalid
from enrollment.service.cards.authority import CardAuthority
from enrollment.service.config import ConfigInvalid, load_config
from enrollment.service.diagnostics.card_issue_checks import check_cards
from enrollment.service.diagnostics.findings import Severity
from enrollment.service.diagnostics.place import Machine
from enrollment.service.keys.document_signer import DocumentSigner
from enrollment.service.keys.errors import KeysUnusable
from enrollment.service.keys.token import Token
from tests.unit.chip.signed_cards import FILES, NOW, authority_for
from tests.unit.station.soft_hsm import authority_with, configured, place_of, session_of

TOKEN = "of a signer"
AUTHORITY = authority_for()


def make_pair(label: str, kind: str, **private: bool) -> PublicKey:
    """In the token; its public key."""
    pkcs11: Any = importlib.import_module("pkcs11")
    attributes = {getattr(pkcs11.Attribute, name): value for name, value in private.items()}
    with session_of(TOKEN) as session:
        if kind == "rsa":
            public, _ = session.generate_keypair(
                pkcs11.KeyType.RSA, 2048, store=True, label=label, private_template=attributes
            )
            der = importlib.import_module("pkcs11.util.rsa").encode_rsa_public_key(public)
            found = importlib.import_module("asn1crypto.keys").PublicKeyInfo.wrap(der, "rsa").dump()
        else:
            encoded = importlib.import_module("pkcs11.util.ec").encode_named_curve_parameters(kind)
            domain = session.create_domain_parameters(
                pkcs11.KeyType.EC, {pkcs11.Attribute.EC_PARAMS: encoded}, local=True
            )
            public, _ = domain.generate_keypair(store=True, label=label, private_template=attributes)
            found = importlib.import_module("pkcs11.util.ec").encode_ec_public_key(public)
    key = load_der_public_key(found)
    assert isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
    return key


def certified(folder: Path, key: PublicKey) -> Path:
    path = folder / "signer.pem"
    path.write_bytes(AUTHORITY.certify_signer("Test", key, NOW - timedelta(days=1), ["ID"]).public_bytes(Encoding.PEM))
    return path


def sod_by(signer: DocumentSigner, algorithm: str = "ecdsa-sha256") -> bytes:
    return sign_security_object(FILES, signer.certificate, signer.key, algorithm=ALGORITHMS[algorithm], signed_at=NOW)


@pytest.fixture
def token(soft_hsm: None, tmp_path: Path) -> Any:
    token = Token(place_of(TOKEN, tmp_path), None)
    yield token
    token.close()


@pytest.mark.parametrize(
    ("kind", "algorithms"),
    [
        ("secp256r1", ["ecdsa-sha256"]),
        ("secp384r1", ["ecdsa-sha384", "ecdsa-sha512"]),
        ("rsa", ["rsa-sha256", "rsa-pss-sha256", "rsa-pss-sha512"]),
    ],
)
def test_token_signs_what_we_and_openssl_verify(token: Token, tmp_path: Path, kind: str, algorithms: list[str]) -> None:
    signer = DocumentSigner.of_token(certified(tmp_path, make_pair(f"signer-{kind}", kind)), token, f"signer-{kind}")
    (tmp_path / "csca.pem").write_bytes(AUTHORITY.certificate.public_bytes(Encoding.PEM))
    for algorithm in algorithms:
        sod = sod_by(signer, algorithm)
        found = SecurityObject.decode(sod)
        found.verify_signature(found.signer_certificate)
        (tmp_path / "sod.der").write_bytes(cms_of(sod))
        judged = subprocess.run(
            ["openssl", "cms", "-verify", "-inform", "DER", "-in", "sod.der", "-CAfile", "csca.pem", "-purpose", "any"],
            cwd=tmp_path,
            capture_output=True,
            check=False,
            timeout=20,
        )
        assert judged.returncode == 0, judged.stderr
    with pytest.raises(SignatureInvalid, match="another kind"):
        sod_by(signer, "ecdsa-sha256" if kind == "rsa" else "rsa-sha256")


def test_key_cannot_be_taken_out(token: Token, tmp_path: Path) -> None:
    pkcs11: Any = importlib.import_module("pkcs11")
    make_pair("kept", "secp256r1")
    with session_of(TOKEN) as session:
        [key] = session.get_objects(
            {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.Attribute.LABEL: "kept"}
        )
        with pytest.raises(pkcs11.AttributeSensitive):
            _ = key[pkcs11.Attribute.VALUE]
    signer = DocumentSigner.of_token(
        certified(tmp_path, make_pair("taken", "secp256r1", EXTRACTABLE=True)), token, "taken"
    )
    with pytest.raises(KeysUnusable, match="would give its key taken away"):
        sod_by(signer)


def test_key_that_is_missing_doubled_or_not_the_certificates_is_named(token: Token, tmp_path: Path) -> None:
    certificate = certified(tmp_path, make_pair("one", "secp256r1"))
    for label, kind in (("twice", "secp256r1"), ("twice", "secp256r1"), ("another", "secp256r1"), ("of-rsa", "rsa")):
        make_pair(label, kind)  # before a session of the station's: a process logs in once
    for label, why in {
        "none": "has 0 private keys with the label none",
        "twice": "has 2 private keys with the label twice",
        "another": "has another key as another than the signer's certificate",
        "of-rsa": "does not sign by ecdsa-sha256",
    }.items():
        with pytest.raises(KeysUnusable, match=why):
            sod_by(DocumentSigner.of_token(certificate, token, label))
    sod_by(DocumentSigner.of_token(certificate, token, "one"))


def test_session_that_ended_is_opened_again(token: Token, tmp_path: Path) -> None:
    signer = DocumentSigner.of_token(certified(tmp_path, make_pair("again", "secp256r1")), token, "again")
    sod_by(signer)
    assert token._opened is not None
    token._opened.session.close()
    sod_by(signer)
    token.close()
    sod_by(signer)


def trusting(folder: Path, key: PublicKey) -> None:
    """Replace a station's development signer by this one. folder: the station's."""
    (folder / "cards" / "csca" / "development.pem").write_bytes(AUTHORITY.certificate.public_bytes(Encoding.PEM))
    (folder / "cards" / "crl" / "development.crl").unlink()
    certified(folder / "cards", key)
    (folder / "cards" / "signer-key.pem").unlink()


def test_station_signs_by_the_token_that_it_is_told_of(soft_hsm: None, tmp_path: Path) -> None:
    place = place_of(TOKEN, tmp_path)
    authority = authority_with(tmp_path, place, signer_token_key="of-station")
    key = make_pair("of-station", "secp256r1")
    trusting(tmp_path / "s", key)
    now = datetime.now(UTC) + timedelta(hours=1)
    issuer = authority.issuer(now)
    found = SecurityObject.decode(sod_by(issuer.signer))
    found.verify_signature(found.signer_certificate)
    assert issuer.keys.key_set(1, bytes(10)).enc
    authority.close()
    config = load_config(tmp_path / "s" / "station.toml")
    assert config.cards is not None
    findings = {one.check: one.severity for one in check_cards(Machine(now, frozenset(), tmp_path / "root"), config)}
    assert findings == {"card-signer": Severity.OK, "card-keys": Severity.OK}
    other = CardAuthority(replace(config.cards, signer_token_key="elsewhere"), {}, lambda: None)
    with pytest.raises(KeysUnusable, match="with the label elsewhere"):
        other.issuer(now)
    other.close()


def test_signer_in_a_token_needs_the_token(soft_hsm: None, tmp_path: Path) -> None:
    path = configured(tmp_path, place_of(TOKEN, tmp_path), signer_token_key="one")
    lines = [line for line in path.read_text().splitlines() if not line.startswith("token_")]
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigInvalid, match="signer_token_key needs token_module"):
        load_config(path)
