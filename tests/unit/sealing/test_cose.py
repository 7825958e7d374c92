"""COSE_Sign with two signers: both signatures count, and no byte of the message may differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.errors import EnrollmentError, MalformedPackage, SignatureInvalid, UnknownSigner
from enrollment.core.sealing import cose
from enrollment.core.sealing.cose import SignedMessage
from enrollment.core.sealing.signing_key import ES256, ML_DSA_65, VerifyingKey
from enrollment.registry.keys import SoftwareSigningKey

TYPE = "application/vnd.enrollment.test"
PAYLOAD = b"what is signed"
MAX_PAYLOAD = 100

Trusted = Mapping[bytes, VerifyingKey]


@pytest.fixture(scope="module")
def signed(signing_key: SoftwareSigningKey) -> bytes:
    return cose.sign(PAYLOAD, TYPE, signing_key)


def verified_payload(data: bytes, trusted: Trusted) -> bytes:
    message = SignedMessage.decode(data, TYPE, MAX_PAYLOAD)
    message.verify(trusted)
    return message.payload


def repacked(signed: bytes, change: object) -> bytes:
    """The message with `change` applied to its decoded array."""
    assert callable(change)
    item = cbor2.loads(signed[2:])
    change(item)
    return cose.SIGN_TAG + cbor2.dumps(item, canonical=True)


def test_a_signed_message_gives_its_payload(signed: bytes, trusted: Trusted) -> None:
    assert verified_payload(signed, trusted) == PAYLOAD


def test_the_message_is_a_cose_sign_of_rfc_9052(signed: bytes, signing_key: SoftwareSigningKey) -> None:
    tag = cbor2.loads(signed)
    assert tag.tag == 98
    protected, unprotected, payload, signatures = tag.value
    assert cbor2.loads(protected) == {3: TYPE}
    assert (unprotected, payload) == ({}, PAYLOAD)
    for (header, free_header, signature), algorithm in zip(signatures, (-7, -49), strict=True):
        assert cbor2.loads(header) == {1: algorithm, 4: signing_key.key_id}
        assert free_header == {}
        signed_bytes = cbor2.dumps(["Signature", protected, header, b"", PAYLOAD])
        assert signed_bytes == cose.signature_input(TYPE, algorithm, signing_key.key_id, PAYLOAD)
        verify = (
            signing_key.verifying_key.verify_es256 if algorithm == -7 else signing_key.verifying_key.verify_ml_dsa_65
        )
        verify(signature, signed_bytes)


def test_every_flipped_byte_is_refused(signed: bytes, trusted: Trusted) -> None:
    for at in range(len(signed)):
        flipped = bytearray(signed)
        flipped[at] ^= 1 << at % 8
        with pytest.raises(EnrollmentError):
            verified_payload(bytes(flipped), trusted)


def test_every_truncation_is_malformed(signed: bytes) -> None:
    for length in range(len(signed)):
        with pytest.raises(MalformedPackage):
            SignedMessage.decode(signed[:length], TYPE, MAX_PAYLOAD)


def test_trailing_bytes_are_malformed(signed: bytes) -> None:
    with pytest.raises(MalformedPackage):
        SignedMessage.decode(signed + b"\x00", TYPE, MAX_PAYLOAD)


@given(st.binary(max_size=200))
def test_random_bytes_are_malformed(data: bytes) -> None:
    for candidate in (data, cose.SIGN_TAG + data):
        with pytest.raises(MalformedPackage):
            SignedMessage.decode(candidate, TYPE, MAX_PAYLOAD)


@pytest.mark.parametrize("which", [0, 1])
def test_one_valid_signature_is_not_enough(
    signed: bytes, trusted: Trusted, other_signing_key: SoftwareSigningKey, which: int
) -> None:
    foreign = cbor2.loads(cose.sign(PAYLOAD, TYPE, other_signing_key)).value[3][which][2]

    def replace_signature(item: list[list[list[bytes]]]) -> None:
        item[3][which][2] = foreign

    with pytest.raises(SignatureInvalid) as caught:
        verified_payload(repacked(signed, replace_signature), trusted)
    assert caught.value.facts["algorithm"] == ("ES256", "ML-DSA-65")[which]


@pytest.mark.parametrize("kept", [slice(0, 1), slice(1, 2), slice(0, 0)])
def test_a_missing_signature_is_malformed(signed: bytes, kept: slice) -> None:
    def drop(item: list[list[object]]) -> None:
        item[3] = item[3][kept]

    with pytest.raises(MalformedPackage):
        SignedMessage.decode(repacked(signed, drop), TYPE, MAX_PAYLOAD)


def test_signatures_in_the_other_order_are_malformed(signed: bytes) -> None:
    with pytest.raises(MalformedPackage):
        SignedMessage.decode(repacked(signed, lambda item: item[3].reverse()), TYPE, MAX_PAYLOAD)


def test_a_third_signature_is_malformed(signed: bytes) -> None:
    with pytest.raises(MalformedPackage):
        SignedMessage.decode(repacked(signed, lambda item: item[3].append(item[3][0])), TYPE, MAX_PAYLOAD)


@pytest.mark.parametrize("where", ["body", "first signer", "second signer"])
def test_an_unprotected_header_is_malformed(signed: bytes, where: str) -> None:
    def add_header(item: list[object]) -> None:
        signatures = item[3]
        assert isinstance(signatures, list)
        holder = {"body": item, "first signer": signatures[0], "second signer": signatures[1]}[where]
        holder[1] = {4: b"another key id"}

    with pytest.raises(MalformedPackage):
        SignedMessage.decode(repacked(signed, add_header), TYPE, MAX_PAYLOAD)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\xa0",
        cbor2.dumps({1: -8, 4: bytes(32)}),
        cbor2.dumps({1: -7}),
        cbor2.dumps({1: -7, 4: bytes(31)}),
        cbor2.dumps({1: -7, 4: bytes(32), 5: b""}),
        b"\xff" * 60,
    ],
)
def test_another_signer_header_is_malformed(signed: bytes, header: bytes) -> None:
    def change(item: list[list[list[bytes]]]) -> None:
        item[3][0][0] = header

    with pytest.raises(MalformedPackage):
        SignedMessage.decode(repacked(signed, change), TYPE, MAX_PAYLOAD)


def test_signers_with_different_key_ids_are_malformed(signed: bytes, other_signing_key: SoftwareSigningKey) -> None:
    def change(item: list[list[list[bytes]]]) -> None:
        item[3][1][0] = cbor2.dumps({1: -49, 4: other_signing_key.key_id}, canonical=True)

    with pytest.raises(MalformedPackage):
        SignedMessage.decode(repacked(signed, change), TYPE, MAX_PAYLOAD)


def test_an_untagged_message_is_malformed(signed: bytes) -> None:
    with pytest.raises(MalformedPackage, match="tagged"):
        SignedMessage.decode(signed[2:], TYPE, MAX_PAYLOAD)


def test_a_message_of_another_content_type_is_malformed(signed: bytes) -> None:
    with pytest.raises(MalformedPackage):
        SignedMessage.decode(signed, "application/vnd.enrollment.other", MAX_PAYLOAD)


def test_a_relabelled_message_does_not_verify(signed: bytes, trusted: Trusted) -> None:
    message = SignedMessage.decode(signed, TYPE, MAX_PAYLOAD)
    with pytest.raises(SignatureInvalid):
        replace(message, content_type="application/vnd.enrollment.other").verify(trusted)


def test_a_payload_over_the_limit_is_malformed(signing_key: SoftwareSigningKey) -> None:
    longest = cose.sign(bytes(MAX_PAYLOAD), TYPE, signing_key)
    assert SignedMessage.decode(longest, TYPE, MAX_PAYLOAD).payload == bytes(MAX_PAYLOAD)
    with pytest.raises(MalformedPackage, match="longer"):
        SignedMessage.decode(cose.sign(bytes(MAX_PAYLOAD + 1), TYPE, signing_key), TYPE, MAX_PAYLOAD)


def test_an_unknown_signer_is_named(signed: bytes, signing_key: SoftwareSigningKey) -> None:
    with pytest.raises(UnknownSigner) as caught:
        verified_payload(signed, {})
    assert caught.value.facts["key_id"] == signing_key.key_id.hex()


def test_a_key_filed_under_another_id_is_not_used(
    signed: bytes, signing_key: SoftwareSigningKey, other_signing_key: SoftwareSigningKey
) -> None:
    with pytest.raises(UnknownSigner):
        verified_payload(signed, {signing_key.key_id: other_signing_key.verifying_key})


def test_signatures_of_another_key_under_this_key_id_do_not_verify(
    signing_key: SoftwareSigningKey, other_signing_key: SoftwareSigningKey, trusted: Trusted
) -> None:
    class Impostor:
        key_id = signing_key.key_id
        sign_es256 = other_signing_key.sign_es256
        sign_ml_dsa_65 = other_signing_key.sign_ml_dsa_65

    with pytest.raises(SignatureInvalid):
        verified_payload(cose.sign(PAYLOAD, TYPE, Impostor()), trusted)


@pytest.mark.parametrize("signature", [b"", bytes(64), b"\xff" * 64, bytes(63), bytes(65)])
def test_an_impossible_es256_signature_is_invalid(signing_key: SoftwareSigningKey, signature: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        signing_key.verifying_key.verify_es256(signature, b"data")


@pytest.mark.parametrize("length", [0, 3308, 3309, 3310])
def test_an_impossible_ml_dsa_65_signature_is_invalid(signing_key: SoftwareSigningKey, length: int) -> None:
    with pytest.raises(SignatureInvalid):
        signing_key.verifying_key.verify_ml_dsa_65(b"\xff" * length, b"data")


def test_an_es256_signature_in_der_is_invalid(signing_key: SoftwareSigningKey) -> None:
    raw = signing_key.sign_es256(b"data")
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    assert decode_dss_signature(der)
    with pytest.raises(SignatureInvalid):
        signing_key.verifying_key.verify_es256(der, b"data")


def test_each_algorithm_signs_its_own_bytes(signing_key: SoftwareSigningKey) -> None:
    key_id = signing_key.key_id
    assert cose.signature_input(TYPE, ES256, key_id, PAYLOAD) != cose.signature_input(TYPE, ML_DSA_65, key_id, PAYLOAD)
