"""Receipts: only the registry's own word for exactly this package counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.errors import DigestMismatch, EnrollmentError, MalformedPackage, UnknownSigner
from enrollment.core.sealing import cose
from enrollment.core.sealing.receipt import RECEIPT_CONTENT_TYPE, Receipt, sign_receipt, verify_receipt
from enrollment.core.sealing.seal import SealedPackage
from enrollment.core.sealing.signing_key import VerifyingKey
from enrollment.registry.keys import SoftwareSigningKey

Trusted = Mapping[bytes, VerifyingKey]
SHA256 = bytes(range(32))
RECEIPT = Receipt(
    package_sha256=SHA256,
    package_id=UUID("01980000-0000-7000-8000-000000000001"),
    station_id="HN-07",
    sequence=41,
    received_at_ms=1_760_000_400_000,
    registry_id="registry-test",
)


@pytest.fixture(scope="module")
def signed(signing_key: SoftwareSigningKey) -> bytes:
    return sign_receipt(RECEIPT, signing_key)


def test_a_receipt_verifies_for_its_package(signed: bytes, trusted: Trusted) -> None:
    assert verify_receipt(signed, trusted, SHA256) == RECEIPT


def test_a_receipt_for_another_package_is_refused(signed: bytes, trusted: Trusted) -> None:
    with pytest.raises(DigestMismatch):
        verify_receipt(signed, trusted, bytes(32))


def test_a_receipt_of_another_registry_is_refused(trusted: Trusted, other_signing_key: SoftwareSigningKey) -> None:
    with pytest.raises(UnknownSigner):
        verify_receipt(sign_receipt(RECEIPT, other_signing_key), trusted, SHA256)


def test_every_flipped_byte_is_refused(signed: bytes, trusted: Trusted) -> None:
    for at in range(len(signed)):
        flipped = bytearray(signed)
        flipped[at] ^= 1 << at % 8
        with pytest.raises(EnrollmentError):
            verify_receipt(bytes(flipped), trusted, SHA256)


def test_every_truncation_is_malformed(signed: bytes, trusted: Trusted) -> None:
    for length in range(len(signed)):
        with pytest.raises(MalformedPackage):
            verify_receipt(signed[:length], trusted, SHA256)


@given(data=st.binary(max_size=200))
def test_random_bytes_are_malformed(trusted: Trusted, data: bytes) -> None:
    with pytest.raises(MalformedPackage):
        verify_receipt(data, trusted, SHA256)
    with pytest.raises(MalformedPackage):
        Receipt.decode(data)


def test_a_signed_manifest_is_no_receipt(
    small_package: SealedPackage, signing_key: SoftwareSigningKey, trusted: Trusted
) -> None:
    signed_manifest = cose.sign(
        small_package.manifest.encode(), "application/vnd.enrollment.manifest+cbor", signing_key
    )
    with pytest.raises(MalformedPackage):
        verify_receipt(signed_manifest, trusted, small_package.sha256)


@pytest.mark.parametrize("payload", [b"", b"\xa0", b"\x01", cbor2.dumps({1: 2}), cbor2.dumps({1: 1})])
def test_a_signed_payload_that_is_no_receipt_is_malformed(
    signing_key: SoftwareSigningKey, trusted: Trusted, payload: bytes
) -> None:
    with pytest.raises(MalformedPackage):
        verify_receipt(cose.sign(payload, RECEIPT_CONTENT_TYPE, signing_key), trusted, SHA256)


@pytest.mark.parametrize("key", range(1, 8))
@pytest.mark.parametrize("value", [None, -1, 2**63, b"", "", [], {}])
def test_a_key_of_another_type_is_malformed(key: int, value: object) -> None:
    fields = cbor2.loads(RECEIPT.encode())
    with pytest.raises(MalformedPackage):
        Receipt.decode(cbor2.dumps(fields | {key: value}, canonical=True))
    del fields[key]
    with pytest.raises(MalformedPackage):
        Receipt.decode(cbor2.dumps(fields, canonical=True))


@pytest.mark.parametrize(
    "change",
    [
        {"package_sha256": b""},
        {"package_id": UUID(int=0)},
        {"station_id": "two words"},
        {"sequence": 0},
        {"received_at_ms": -1},
        {"registry_id": ""},
    ],
)
def test_a_field_outside_its_rule_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedPackage):
        replace(RECEIPT, **change)
