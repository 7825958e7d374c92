"""Key files for pinning, and the keys in them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.errors import EnrollmentError, MalformedPackage
from enrollment.core.sealing.public_keys import (
    MAX_KEY_FILE_BYTES,
    RegistryTrust,
    decode_registry_trust,
    decode_verifying_key,
    encode_registry_trust,
    encode_verifying_key,
)
from enrollment.core.sealing.recipient_key import RecipientPublicKey
from enrollment.core.sealing.signing_key import VerifyingKey
from enrollment.registry.keys import SoftwareRecipientKey, SoftwareSigningKey

Decode = Callable[[bytes], object]


@pytest.fixture(scope="module")
def trust(recipient: SoftwareRecipientKey, signing_key: SoftwareSigningKey) -> RegistryTrust:
    return RegistryTrust("registry-test", recipient.public_key, signing_key.verifying_key)


@pytest.fixture(scope="module", params=["verifying key", "registry trust"])
def file(request: pytest.FixtureRequest, trust: RegistryTrust) -> tuple[bytes, Decode]:
    if request.param == "verifying key":
        return encode_verifying_key(trust.receipt_key), decode_verifying_key
    return encode_registry_trust(trust), decode_registry_trust


def rewritten(data: bytes, change: Callable[[dict[int, Any]], object]) -> bytes:
    """The file with `change` applied to its map."""
    begin, *lines, end = data.decode().splitlines()
    fields = cbor2.loads(base64.b64decode("".join(lines)))
    change(fields)
    text = base64.b64encode(cbor2.dumps(fields, canonical=True)).decode()
    return "\n".join([begin, *(text[at : at + 64] for at in range(0, len(text), 64)), end, ""]).encode()


def test_files_give_back_their_keys(trust: RegistryTrust) -> None:
    assert decode_registry_trust(encode_registry_trust(trust)) == trust
    assert decode_verifying_key(encode_verifying_key(trust.receipt_key)) == trust.receipt_key


def test_a_rewritten_file_is_still_that_file(file: tuple[bytes, Decode]) -> None:
    data, decode = file
    assert rewritten(data, lambda fields: None) == data
    assert decode(data.replace(b"\n", b"\r\n")) == decode(data)
    assert decode(b"\n" + data.rstrip()) == decode(data)


def test_every_flipped_byte_is_refused_or_another_key(file: tuple[bytes, Decode]) -> None:
    data, decode = file
    original = decode(data)
    for at in range(0, len(data), 3):
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        try:
            assert decode(bytes(flipped)) != original
        except EnrollmentError:
            continue


def test_every_truncation_is_malformed(file: tuple[bytes, Decode]) -> None:
    data, decode = file
    for length in range(len(data) - 1):  # the last byte is only the line's end
        with pytest.raises(MalformedPackage):
            decode(data[:length])


@given(data=st.binary(max_size=200))
def test_random_bytes_are_malformed(file: tuple[bytes, Decode], data: bytes) -> None:
    content, decode = file
    begin, *_, end = content.splitlines()
    for candidate in (data, b"\n".join([begin, data, end]), b"\n".join([begin, base64.b64encode(data), end])):
        with pytest.raises(MalformedPackage):
            decode(candidate)


def test_one_kind_of_file_is_not_taken_for_the_other(trust: RegistryTrust) -> None:
    with pytest.raises(MalformedPackage):
        decode_verifying_key(encode_registry_trust(trust))
    with pytest.raises(MalformedPackage):
        decode_registry_trust(encode_verifying_key(trust.receipt_key))


def test_a_file_over_the_limit_is_malformed(file: tuple[bytes, Decode]) -> None:
    data, decode = file
    with pytest.raises(MalformedPackage, match="longer"):
        decode(data + b"\n" * MAX_KEY_FILE_BYTES)


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields.update({1: 2}),
        lambda fields: fields.update({9: 1}),
        lambda fields: fields.pop(2),
        lambda fields: fields.update({2: None}),
        lambda fields: fields.clear(),
    ],
)
def test_other_contents_are_malformed(file: tuple[bytes, Decode], change: Callable[[dict[int, Any]], object]) -> None:
    data, decode = file
    with pytest.raises(MalformedPackage):
        decode(rewritten(data, change))


@pytest.mark.parametrize(
    "change",
    [
        lambda keys: keys.pop(),
        lambda keys: keys.reverse(),
        lambda keys: keys[0].update({4: b"another member"}),
        lambda keys: keys[0].update({3: -35}),
        lambda keys: keys[0].update({-1: 2}),
        lambda keys: keys[0].update({-2: bytes(32)}),
        lambda keys: keys[0].update({-2: bytes(31), -3: bytes(33)}),
        lambda keys: keys[1].update({1: 1}),
        lambda keys: keys[1].update({-1: bytes(1951)}),
        lambda keys: keys[1].update({-1: None}),
    ],
)
def test_another_cose_key_is_malformed(trust: RegistryTrust, change: Callable[[list[dict[int, Any]]], object]) -> None:
    data = encode_verifying_key(trust.receipt_key)
    with pytest.raises(MalformedPackage):
        decode_verifying_key(rewritten(data, lambda fields: change(fields[2])))


def test_a_key_on_another_curve_is_refused() -> None:
    p384 = ec.generate_private_key(ec.SECP384R1()).public_key()
    with pytest.raises(MalformedPackage):
        VerifyingKey.from_public_keys(p384, MLDSA65PrivateKey.generate().public_key())


@pytest.mark.parametrize(
    ("ml_kem_768", "x25519"),
    [(b"\xff" * 1184, b"\x09" + bytes(31)), (bytes(1184), bytes(32)), (bytes(1183), b"\x09" + bytes(31))],
    ids=["coefficients out of range", "point of small order", "too short"],
)
def test_an_impossible_recipient_key_is_refused(ml_kem_768: bytes, x25519: bytes) -> None:
    with pytest.raises(MalformedPackage):
        RecipientPublicKey(ml_kem_768=ml_kem_768, x25519=x25519)


def test_key_ids_are_the_documented_digests(trust: RegistryTrust) -> None:
    key, recipient = trust.receipt_key, trust.recipient
    key_set = [
        {1: 2, 3: -7, -1: 1, -2: key.es256[1:33], -3: key.es256[33:]},
        {1: 7, 3: -49, -1: key.ml_dsa_65},
    ]
    assert key.key_id == hashlib.sha256(cbor2.dumps(key_set, canonical=True)).digest()
    assert recipient.key_id == hashlib.sha256(recipient.ml_kem_768 + recipient.x25519).digest()
