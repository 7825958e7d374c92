"""Receipts of hand-overs: what was signed comes back, and nothing else passes for one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.errors import DigestMismatch, EnrollmentError, MalformedPackage, UnknownSigner
from enrollment.core.sealing import cose
from enrollment.core.sealing import deterministic_cbor as cbor
from enrollment.core.sealing.hand_over_receipt import (
    HAND_OVER_CONTENT_TYPE,
    VOID_CONTENT_TYPE,
    FingerVerified,
    HandOverReceipt,
    TwoOfficers,
    VoidedHandOver,
    sign_hand_over,
    sign_void,
    verify_hand_over,
    verify_void,
)
from enrollment.core.sealing.receipt import RECEIPT_CONTENT_TYPE
from enrollment.core.sealing.signing_key import VerifyingKey
from enrollment.registry.keys import SoftwareSigningKey

Trusted = Mapping[bytes, VerifyingKey]
FINGER = FingerVerified(
    position=2,
    score=31_500,
    threshold=1_500,
    algorithm="enrollment.fingerprint.compare",
    version="1",
    false_match_rate=100_000,
)
RECEIPT = HandOverReceipt(
    receipt_id=UUID("019ac0e2-5b1e-7c11-8f00-1f2e3d4c5b6a"),
    station_id="T-1",
    card_id="4A01B2C3D4",
    dossier_id=UUID("019ac0e2-5b1e-7c11-8f00-1f2e3d4c5b6b"),
    operator_id="op-1",
    handed_over_at_ms=1_795_000_000_000,
    how=FINGER,
)
VOUCHED = replace(RECEIPT, how=TwoOfficers(second_operator_id="op-2", reason="ngón tay băng bó"))


@pytest.fixture(scope="module")
def signed(signing_key: SoftwareSigningKey) -> bytes:
    return sign_hand_over(RECEIPT, signing_key)


@pytest.fixture(scope="module")
def void(signed: bytes) -> VoidedHandOver:
    return VoidedHandOver(
        void_id=RECEIPT.receipt_id,
        station_id="T-1",
        card_id=RECEIPT.card_id,
        dossier_id=RECEIPT.dossier_id,
        operator_id="sup-1",
        undone_at_ms=1_795_000_100_000,
        receipt_sha256=hashlib.sha256(signed).digest(),
        reason="wrong twin",
    )


@pytest.mark.parametrize("receipt", [RECEIPT, VOUCHED])
def test_what_was_signed_comes_back(
    receipt: HandOverReceipt, signing_key: SoftwareSigningKey, trusted: Trusted
) -> None:
    assert verify_hand_over(sign_hand_over(receipt, signing_key), trusted) == receipt


def test_another_stations_word_does_not_count(
    signed: bytes, void: VoidedHandOver, other_signing_key: SoftwareSigningKey, trusted: Trusted
) -> None:
    with pytest.raises(UnknownSigner):
        verify_hand_over(sign_hand_over(RECEIPT, other_signing_key), trusted)
    with pytest.raises(UnknownSigner):
        verify_void(sign_void(void, other_signing_key), trusted, signed)


def test_every_flipped_byte_is_refused(signed: bytes, trusted: Trusted) -> None:
    for at in range(len(signed)):
        flipped = bytearray(signed)
        flipped[at] ^= 1 << at % 8
        with pytest.raises(EnrollmentError):
            verify_hand_over(bytes(flipped), trusted)


def test_counter_entry_is_for_its_receipt_only(
    signed: bytes, void: VoidedHandOver, signing_key: SoftwareSigningKey, trusted: Trusted
) -> None:
    entry = sign_void(void, signing_key)
    assert verify_void(entry, trusted, signed) == void
    with pytest.raises(DigestMismatch):
        verify_void(entry, trusted, sign_hand_over(RECEIPT, signing_key))


@pytest.mark.parametrize("content_type", [VOID_CONTENT_TYPE, RECEIPT_CONTENT_TYPE])
def test_nothing_of_another_kind_passes_for_a_receipt(
    content_type: str, signing_key: SoftwareSigningKey, trusted: Trusted
) -> None:
    with pytest.raises(MalformedPackage):
        verify_hand_over(cose.sign(RECEIPT.encode(), content_type, signing_key), trusted)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (1, 2),
        (2, bytes(15)),
        (2, UUID(int=5).bytes),
        (3, "-no id-"),
        (4, "A B"),
        (4, ""),
        (6, "Nguyễn"),
        (7, -1),
        (7, "now"),
        (8, []),
        (8, [1, 2]),
        (8, [1, 11, 2000, 1500, "a", "1", 5]),
        (8, [1, 2, 1499, 1500, "a", "1", 5]),  # below its own threshold
        (8, [1, 2, 2000, 1500, "a", "1", 0]),
        (8, [2, "op-1", "vouched for himself"]),
        (8, [2, "op-2", ""]),
        (8, [2, "op-2", "x" * 201]),
        (8, [3, "op-2", "x"]),
        (9, 0),
    ],
)
def test_field_that_cannot_be_is_refused_though_it_is_signed(
    key: int, value: Any, signing_key: SoftwareSigningKey, trusted: Trusted
) -> None:
    fields: Any = cbor.decode(RECEIPT.encode(), what="a receipt", max_bytes=2048)
    data = cose.sign(cbor.encode(fields | {key: value}), HAND_OVER_CONTENT_TYPE, signing_key)
    with pytest.raises(MalformedPackage):
        verify_hand_over(data, trusted)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_type(data: bytes) -> None:
    for decode in (HandOverReceipt.decode, VoidedHandOver.decode):
        with pytest.raises(MalformedPackage):
            decode(data)
    with pytest.raises(MalformedPackage):
        verify_hand_over(data, {})
