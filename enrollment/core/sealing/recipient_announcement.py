"""The registry's signed word to which key its stations seal from now on: how a new recipient key reaches them.

The bytes are a COSE_Sign (cose.py) by the key that signs receipts, which stations pin, over a deterministic-CBOR map of
the keys below (docs/package-format.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from enrollment.core.errors import MalformedPackage, WrongRecipient
from enrollment.core.sealing import cose
from enrollment.core.sealing import deterministic_cbor as cbor
from enrollment.core.sealing.field_rules import MAX_TIME_MS, require_int, require_text
from enrollment.core.sealing.recipient_key import RecipientPublicKey
from enrollment.core.sealing.signing_key import SigningKey, VerifyingKey

ANNOUNCEMENT_VERSION: Final = 1
ANNOUNCEMENT_CONTENT_TYPE: Final = "application/vnd.enrollment.recipient+cbor"
MAX_ANNOUNCEMENT_PAYLOAD_BYTES: Final = 2048

_VERSION, _REGISTRY_ID, _ISSUED_AT, _RECIPIENT = range(1, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientAnnouncement:
    """What the registry announces.

    registry_id: as receipts name it.
    issued_at_ms: by the registry's clock, milliseconds since 1970-01-01 UTC; of two, the later one holds.
    recipient: the key to which packages are sealed.
    Raises MalformedPackage.
    """

    registry_id: str
    issued_at_ms: int
    recipient: RecipientPublicKey

    def __post_init__(self) -> None:
        require_text("registry_id", self.registry_id)
        require_int("issued_at_ms", self.issued_at_ms, 0, MAX_TIME_MS)

    def encode(self) -> bytes:
        """The deterministic bytes that are signed."""
        return cbor.encode(
            {
                _VERSION: ANNOUNCEMENT_VERSION,
                _REGISTRY_ID: self.registry_id,
                _ISSUED_AT: self.issued_at_ms,
                _RECIPIENT: [self.recipient.ml_kem_768, self.recipient.x25519],
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> RecipientAnnouncement:
        """Read the bytes of `encode`, and nothing else. Raises MalformedPackage."""
        fields = cbor.decode_fields(
            data,
            what="a recipient announcement",
            max_bytes=MAX_ANNOUNCEMENT_PAYLOAD_BYTES,
            version=ANNOUNCEMENT_VERSION,
            keys=_RECIPIENT,
        )
        match fields[_RECIPIENT]:
            case [bytes() as ml_kem_768, bytes() as x25519]:
                recipient = RecipientPublicKey(ml_kem_768=ml_kem_768, x25519=x25519)
            case _:
                raise MalformedPackage("a recipient announcement must name two keys")
        return cls(registry_id=fields[_REGISTRY_ID], issued_at_ms=fields[_ISSUED_AT], recipient=recipient)


def sign_announcement(announcement: RecipientAnnouncement, signing_key: SigningKey) -> bytes:
    """Sign an announcement with the key that signs receipts."""
    return cose.sign(announcement.encode(), ANNOUNCEMENT_CONTENT_TYPE, signing_key)


def verify_announcement(data: bytes, trusted: Mapping[bytes, VerifyingKey], registry_id: str) -> RecipientAnnouncement:
    """Verify an announcement of the registry with this id, in this order:

    1. it is a COSE_Sign of the one allowed form, of an announcement   else MalformedPackage
    2. both signatures name one trusted registry key                   else UnknownSigner
    3. both signatures hold, ES256 and ML-DSA-65                       else SignatureInvalid
    4. the announcement is deterministic and complete                  else MalformedPackage
    5. it is this registry's                                           else WrongRecipient

    Whether it is later than the one in use is the caller's to judge.
    """
    message = cose.SignedMessage.decode(data, ANNOUNCEMENT_CONTENT_TYPE, MAX_ANNOUNCEMENT_PAYLOAD_BYTES)  # 1
    message.verify(trusted)  # 2, 3
    announcement = RecipientAnnouncement.decode(message.payload)  # 4
    if announcement.registry_id != registry_id:  # 5
        raise WrongRecipient("the recipient of another registry", found=announcement.registry_id, expected=registry_id)
    return announcement
