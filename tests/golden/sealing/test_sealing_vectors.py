"""The package format does not move: fixed bytes (vectors.json, written by make_vectors.py) mean what they meant.

The seal is also opened without the code under test, by RFC 9180 and the KEM's definition alone.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from enrollment.core.sealing import cose
from enrollment.core.sealing.manifest import Manifest, Part
from enrollment.core.sealing.public_keys import (
    RegistryTrust,
    decode_registry_trust,
    decode_verifying_key,
    encode_registry_trust,
    encode_verifying_key,
)
from enrollment.core.sealing.receipt import Receipt, verify_receipt
from enrollment.core.sealing.seal import MANIFEST_CONTENT_TYPE
from enrollment.core.sealing.verify import open_package
from enrollment.registry.keys import SoftwareRecipientKey, SoftwareSigningKey
from tests.golden.sealing.sample_fields import sample_manifest


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="ascii"))
    return loaded


@pytest.fixture(scope="module")
def package(vectors: dict[str, Any]) -> bytes:
    return bytes.fromhex(vectors["package"])


@pytest.fixture(scope="module")
def recipient(vectors: dict[str, Any]) -> SoftwareRecipientKey:
    registry = vectors["registry"]
    return SoftwareRecipientKey(
        MLKEM768PrivateKey.from_seed_bytes(bytes.fromhex(registry["ml_kem_768_seed"])),
        X25519PrivateKey.from_private_bytes(bytes.fromhex(registry["x25519_scalar"])),
    )


def signing_key(holder: dict[str, str]) -> SoftwareSigningKey:
    es256 = ec.derive_private_key(int(holder["es256_scalar"], 16), ec.SECP256R1())
    return SoftwareSigningKey(es256, MLDSA65PrivateKey.from_seed_bytes(bytes.fromhex(holder["ml_dsa_65_seed"])))


@pytest.fixture(scope="module")
def station(vectors: dict[str, Any]) -> SoftwareSigningKey:
    return signing_key(vectors["station"])


@pytest.fixture(scope="module")
def registry(vectors: dict[str, Any]) -> SoftwareSigningKey:
    return signing_key(vectors["registry"])


@pytest.fixture(scope="module")
def manifest(vectors: dict[str, Any]) -> Manifest:
    return sample_manifest(
        bytes.fromhex(vectors["registry"]["recipient_key_id"]),
        [
            Part(
                name=name,
                media_type=media_type,
                length=len(content) // 2,
                sha256=hashlib.sha256(bytes.fromhex(content)).digest(),
            )
            for name, media_type, content in vectors["parts"]
        ],
    )


def test_the_manifest_has_these_bytes(vectors: dict[str, Any], manifest: Manifest) -> None:
    assert manifest.encode().hex() == vectors["manifest"]
    assert Manifest.decode(bytes.fromhex(vectors["manifest"])) == manifest


def test_the_signed_bytes_are_these(vectors: dict[str, Any], station: SoftwareSigningKey, manifest: Manifest) -> None:
    for algorithm, name in ((-7, "sig_structure_es256"), (-49, "sig_structure_ml_dsa_65")):
        signed = cose.signature_input(MANIFEST_CONTENT_TYPE, algorithm, station.key_id, manifest.encode())
        assert signed.hex() == vectors[name]


def test_keys_have_these_ids_and_files(
    vectors: dict[str, Any],
    station: SoftwareSigningKey,
    registry: SoftwareSigningKey,
    recipient: SoftwareRecipientKey,
) -> None:
    assert station.key_id.hex() == vectors["station"]["key_id"]
    assert registry.key_id.hex() == vectors["registry"]["receipt_key_id"]
    assert recipient.key_id.hex() == vectors["registry"]["recipient_key_id"]
    key_file = "\n".join([*vectors["station"]["verifying_key_file"], ""]).encode()
    assert encode_verifying_key(station.verifying_key) == key_file
    assert decode_verifying_key(key_file) == station.verifying_key
    trust_file = "\n".join([*vectors["registry"]["trust_file"], ""]).encode()
    trust = RegistryTrust("registry-test", recipient.public_key, registry.verifying_key)
    assert encode_registry_trust(trust) == trust_file
    assert decode_registry_trust(trust_file) == trust


def test_the_package_opens(
    vectors: dict[str, Any],
    package: bytes,
    station: SoftwareSigningKey,
    recipient: SoftwareRecipientKey,
    manifest: Manifest,
) -> None:
    opened = open_package(package, {recipient.key_id: recipient}, {station.key_id: station.verifying_key})
    assert opened.manifest == manifest
    found = [[name, part.media_type, part.content.hex()] for name, part in opened.parts.items()]
    assert found == vectors["parts"]
    assert hashlib.sha256(package).hexdigest() == vectors["package_sha256"]


def test_the_receipt_verifies(vectors: dict[str, Any], registry: SoftwareSigningKey) -> None:
    receipt = verify_receipt(
        bytes.fromhex(vectors["receipt"]),
        {registry.key_id: registry.verifying_key},
        bytes.fromhex(vectors["package_sha256"]),
    )
    assert receipt.encode().hex() == vectors["receipt_payload"]
    assert receipt == Receipt.decode(bytes.fromhex(vectors["receipt_payload"]))
    assert (receipt.station_id, receipt.sequence, receipt.registry_id) == ("HN-07", 2, "registry-test")


def test_the_seal_is_hpke_of_rfc_9180(vectors: dict[str, Any], package: bytes, station: SoftwareSigningKey) -> None:
    """Decapsulate, schedule keys, decrypt, cut the body and verify as docs/package-format.md says, in other code."""
    header, encapsulation, ciphertext = package[:48], package[48 : 48 + 1120], package[48 + 1120 :]
    assert header[:16] == b"\x89EPKG\r\n\x1a" + bytes.fromhex("0001 647a 0001 0002")
    assert header[16:].hex() == vectors["registry"]["recipient_key_id"]

    ml_kem = MLKEM768PrivateKey.from_seed_bytes(bytes.fromhex(vectors["registry"]["ml_kem_768_seed"]))
    x25519 = X25519PrivateKey.from_private_bytes(bytes.fromhex(vectors["registry"]["x25519_scalar"]))
    ephemeral = encapsulation[1088:]
    shared_secret = hashlib.sha3_256(
        ml_kem.decapsulate(encapsulation[:1088])
        + x25519.exchange(X25519PublicKey.from_public_bytes(ephemeral))
        + ephemeral
        + x25519.public_key().public_bytes_raw()
        + b"\\.//^\\"
    ).digest()

    suite_id = b"HPKE" + header[10:16]

    def extract(salt: bytes, label: bytes, key: bytes) -> bytes:
        return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite_id + label + key, "sha256")

    def expand(key: bytes, label: bytes, context: bytes, length: int) -> bytes:
        labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite_id + label + context
        return hmac.digest(key, labelled + b"\x01", "sha256")[:length]

    context = b"\x00" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", header)
    secret = extract(shared_secret, b"secret", b"")
    body = AESGCM(expand(secret, b"key", context, 32)).decrypt(
        expand(secret, b"base_nonce", context, 12), ciphertext, b""
    )

    end = 4 + int.from_bytes(body[:4], "big")
    assert body[end:].hex() == "".join(content for _, _, content in vectors["parts"])
    protected, unprotected, payload, (es256, ml_dsa_65) = cbor2.loads(body[4:end]).value
    assert cbor2.loads(protected) == {3: "application/vnd.enrollment.manifest+cbor"}
    assert unprotected == {}
    assert payload.hex() == vectors["manifest"]
    station.verifying_key.verify_es256(es256[2], bytes.fromhex(vectors["sig_structure_es256"]))
    station.verifying_key.verify_ml_dsa_65(ml_dsa_65[2], bytes.fromhex(vectors["sig_structure_ml_dsa_65"]))
