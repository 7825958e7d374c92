"""Announcements of a recipient key: only the pinned registry's own word, complete and in its one form."""

from __future__ import annotations

from collections.abc import Mapping

import cbor2
import pytest

from enrollment.core.errors import EnrollmentError, MalformedPackage, UnknownSigner, WrongRecipient
from enrollment.core.sealing import cose
from enrollment.core.sealing.receipt import RECEIPT_CONTENT_TYPE
from enrollment.core.sealing.recipient_announcement import (
    ANNOUNCEMENT_CONTENT_TYPE,
    RecipientAnnouncement,
    sign_announcement,
    verify_announcement,
)
from enrollment.core.sealing.signing_key import VerifyingKey
from enrollment.registry.keys import SoftwareRecipientKey, SoftwareSigningKey

Trusted = Mapping[bytes, VerifyingKey]


@pytest.fixture(scope="module")
def announcement(recipient: SoftwareRecipientKey) -> RecipientAnnouncement:
    return RecipientAnnouncement(
        registry_id="registry-test", issued_at_ms=1_760_000_400_000, recipient=recipient.public_key
    )


@pytest.fixture(scope="module")
def signed(announcement: RecipientAnnouncement, signing_key: SoftwareSigningKey) -> bytes:
    return sign_announcement(announcement, signing_key)


def test_an_announcement_of_the_pinned_registry_verifies(
    announcement: RecipientAnnouncement, signed: bytes, trusted: Trusted
) -> None:
    assert verify_announcement(signed, trusted, "registry-test") == announcement


def test_another_registrys_announcement_is_refused(
    announcement: RecipientAnnouncement, signed: bytes, trusted: Trusted, other_signing_key: SoftwareSigningKey
) -> None:
    with pytest.raises(UnknownSigner):
        verify_announcement(sign_announcement(announcement, other_signing_key), trusted, "registry-test")
    with pytest.raises(WrongRecipient):
        verify_announcement(signed, trusted, "registry-other")


def test_a_changed_or_shortened_announcement_is_refused(signed: bytes, trusted: Trusted) -> None:
    for at in range(0, len(signed), 7):
        flipped = bytearray(signed)
        flipped[at] ^= 1 << at % 8
        for data in (bytes(flipped), signed[:at]):
            with pytest.raises(EnrollmentError):
                verify_announcement(data, trusted, "registry-test")


def test_a_receipts_signature_does_not_pass_for_an_announcements(
    announcement: RecipientAnnouncement, signing_key: SoftwareSigningKey, trusted: Trusted
) -> None:
    passed_off = cose.sign(announcement.encode(), RECEIPT_CONTENT_TYPE, signing_key)
    with pytest.raises(MalformedPackage):
        verify_announcement(passed_off, trusted, "registry-test")


@pytest.mark.parametrize(
    ("key", "value"),
    [(1, 2), (2, "two words"), (3, -1), (3, "soon"), (4, [b"", b""]), (4, b""), (4, [bytes(1184), bytes(32)]), (5, 1)],
)
def test_a_field_outside_its_rule_is_malformed_even_when_signed(
    announcement: RecipientAnnouncement, signing_key: SoftwareSigningKey, trusted: Trusted, key: int, value: object
) -> None:
    fields = cbor2.loads(announcement.encode()) | {key: value}
    signed = cose.sign(cbor2.dumps(fields, canonical=True), ANNOUNCEMENT_CONTENT_TYPE, signing_key)
    with pytest.raises(MalformedPackage):
        verify_announcement(signed, trusted, "registry-test")
