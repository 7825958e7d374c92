"""The receipt of a card's hand-over, and the counter-entry that makes it void: the station's signed word.

Each is a COSE_Sign (cose.py) of a content type of its own over a deterministic-CBOR map (docs/card-ledger.md): neither
can pass for the other, nor for a registry's receipt. They hold ids and a score, no personal field and no print.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from enrollment.core.errors import DigestMismatch, MalformedPackage
from enrollment.core.sealing import cose
from enrollment.core.sealing import deterministic_cbor as cbor
from enrollment.core.sealing.field_rules import (
    DIGEST_BYTES,
    MAX_TIME_MS,
    require_bytes,
    require_int,
    require_text,
    require_uuid7,
    uuid_from,
)
from enrollment.core.sealing.signing_key import SigningKey, VerifyingKey

HAND_OVER_VERSION: Final = 1
HAND_OVER_CONTENT_TYPE: Final = "application/vnd.enrollment.card-hand-over+cbor"
VOID_CONTENT_TYPE: Final = "application/vnd.enrollment.card-hand-over-void+cbor"
MAX_HAND_OVER_PAYLOAD_BYTES: Final = 2048
MAX_REASON: Final = 200  # characters
MAX_SCORE: Final = 1_000_000  # thousandths
PARTS: Final = 1_000_000_000  # a false match rate is counted in parts of so many

_VERSION, _ID, _STATION_ID, _CARD_ID, _DOSSIER_ID, _OPERATOR, _AT, _HOW = range(1, 9)
_RECEIPT_SHA256, _REASON = 8, 9
_FINGER, _VOUCHED = 1, 2
_CARD_NUMBER: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_WORDS: Final = re.compile(r"[^\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerVerified:
    """A live finger was compared with the dossier's. Raises MalformedPackage.

    position: ISO/IEC 19794 number, 1..10. score, threshold: thousandths of the matcher's. algorithm, version: which.
    false_match_rate: of such a comparison, in parts of 10^9.
    """

    position: int
    score: int
    threshold: int
    algorithm: str
    version: str
    false_match_rate: int

    def __post_init__(self) -> None:
        require_int("position", self.position, 1, 10)
        require_int("threshold", self.threshold, 0, MAX_SCORE)
        require_int("score", self.score, self.threshold, MAX_SCORE)
        require_text("algorithm", self.algorithm)
        require_text("version", self.version)
        require_int("false_match_rate", self.false_match_rate, 1, PARTS)

    def fields(self) -> list[cbor.CborValue]:
        """As encoded."""
        return [
            _FINGER, self.position, self.score, self.threshold, self.algorithm, self.version, self.false_match_rate
        ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoOfficers:
    """Two officers vouched for the citizen; the first is the receipt's operator. Raises MalformedPackage."""

    second_operator_id: str
    reason: str

    def __post_init__(self) -> None:
        require_text("second_operator_id", self.second_operator_id)
        require_text("reason", self.reason, _WORDS, MAX_REASON)

    def fields(self) -> list[cbor.CborValue]:
        """As encoded."""
        return [_VOUCHED, self.second_operator_id, self.reason]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOverReceipt:
    """What the station confirms. handed_over_at_ms: station clock, milliseconds since 1970-01-01 UTC.

    receipt_id: UUIDv7. how: what the citizen was known by. Raises MalformedPackage.
    """

    receipt_id: UUID
    station_id: str
    card_id: str
    dossier_id: UUID
    operator_id: str
    handed_over_at_ms: int
    how: FingerVerified | TwoOfficers

    def __post_init__(self) -> None:
        require_uuid7("receipt_id", self.receipt_id)
        require_text("station_id", self.station_id)
        require_text("card_id", self.card_id, _CARD_NUMBER)
        require_uuid7("dossier_id", self.dossier_id)
        require_text("operator_id", self.operator_id)
        require_int("handed_over_at_ms", self.handed_over_at_ms, 0, MAX_TIME_MS)
        if isinstance(self.how, TwoOfficers) and self.how.second_operator_id == self.operator_id:
            raise MalformedPackage("two officers must be two", field="second_operator_id")

    def encode(self) -> bytes:
        """The deterministic bytes that are signed."""
        return cbor.encode(
            {
                _VERSION: HAND_OVER_VERSION,
                _ID: self.receipt_id.bytes,
                _STATION_ID: self.station_id,
                _CARD_ID: self.card_id,
                _DOSSIER_ID: self.dossier_id.bytes,
                _OPERATOR: self.operator_id,
                _AT: self.handed_over_at_ms,
                _HOW: self.how.fields(),
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> HandOverReceipt:
        """Read the bytes of `encode`, and nothing else. Raises MalformedPackage."""
        fields = _fields(data, "a hand-over receipt", 8)
        return cls(
            receipt_id=uuid_from("receipt_id", fields[_ID]),
            station_id=fields[_STATION_ID],
            card_id=fields[_CARD_ID],
            dossier_id=uuid_from("dossier_id", fields[_DOSSIER_ID]),
            operator_id=fields[_OPERATOR],
            handed_over_at_ms=fields[_AT],
            how=_how_from(fields[_HOW]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VoidedHandOver:
    """The counter-entry: the hand-over of this receipt was taken back. Raises MalformedPackage.

    receipt_sha256: of the signed receipt, 32 bytes. operator_id: the supervisor.
    """

    void_id: UUID
    station_id: str
    card_id: str
    dossier_id: UUID
    operator_id: str
    undone_at_ms: int
    receipt_sha256: bytes
    reason: str

    def __post_init__(self) -> None:
        require_uuid7("void_id", self.void_id)
        require_text("station_id", self.station_id)
        require_text("card_id", self.card_id, _CARD_NUMBER)
        require_uuid7("dossier_id", self.dossier_id)
        require_text("operator_id", self.operator_id)
        require_int("undone_at_ms", self.undone_at_ms, 0, MAX_TIME_MS)
        require_bytes("receipt_sha256", self.receipt_sha256, DIGEST_BYTES)
        require_text("reason", self.reason, _WORDS, MAX_REASON)

    def encode(self) -> bytes:
        """The deterministic bytes that are signed."""
        return cbor.encode(
            {
                _VERSION: HAND_OVER_VERSION,
                _ID: self.void_id.bytes,
                _STATION_ID: self.station_id,
                _CARD_ID: self.card_id,
                _DOSSIER_ID: self.dossier_id.bytes,
                _OPERATOR: self.operator_id,
                _AT: self.undone_at_ms,
                _RECEIPT_SHA256: self.receipt_sha256,
                _REASON: self.reason,
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> VoidedHandOver:
        """Read the bytes of `encode`, and nothing else. Raises MalformedPackage."""
        fields = _fields(data, "a counter-entry of a hand-over", 9)
        return cls(
            void_id=uuid_from("void_id", fields[_ID]),
            station_id=fields[_STATION_ID],
            card_id=fields[_CARD_ID],
            dossier_id=uuid_from("dossier_id", fields[_DOSSIER_ID]),
            operator_id=fields[_OPERATOR],
            undone_at_ms=fields[_AT],
            receipt_sha256=fields[_RECEIPT_SHA256],
            reason=fields[_REASON],
        )


def sign_hand_over(receipt: HandOverReceipt, key: SigningKey) -> bytes:
    """Sign once and keep the bytes: ML-DSA-65 signatures are randomised."""
    return cose.sign(receipt.encode(), HAND_OVER_CONTENT_TYPE, key)


def sign_void(void: VoidedHandOver, key: SigningKey) -> bytes:
    """Likewise."""
    return cose.sign(void.encode(), VOID_CONTENT_TYPE, key)


def verify_hand_over(data: bytes, trusted: Mapping[bytes, VerifyingKey]) -> HandOverReceipt:
    """Verify a receipt, in this order:

    1. it is a COSE_Sign of the one allowed form, for a hand-over  else MalformedPackage
    2. both signatures name one trusted station key                else UnknownSigner
    3. both signatures hold, ES256 and ML-DSA-65                   else SignatureInvalid
    4. the receipt is deterministic and complete                   else MalformedPackage
    """
    message = cose.SignedMessage.decode(data, HAND_OVER_CONTENT_TYPE, MAX_HAND_OVER_PAYLOAD_BYTES)  # 1
    message.verify(trusted)  # 2, 3
    return HandOverReceipt.decode(message.payload)  # 4


def verify_void(data: bytes, trusted: Mapping[bytes, VerifyingKey], receipt: bytes) -> VoidedHandOver:
    """Verify a counter-entry as above, and that it is for this signed receipt: else DigestMismatch."""
    message = cose.SignedMessage.decode(data, VOID_CONTENT_TYPE, MAX_HAND_OVER_PAYLOAD_BYTES)
    message.verify(trusted)
    void = VoidedHandOver.decode(message.payload)
    found = hashlib.sha256(receipt).digest()
    if void.receipt_sha256 != found:
        raise DigestMismatch(
            "the counter-entry is for another receipt", expected=void.receipt_sha256.hex(), found=found.hex()
        )
    return void


def _fields(data: bytes, what: str, keys: int) -> dict[int, Any]:
    return cbor.decode_fields(
        data, what=what, max_bytes=MAX_HAND_OVER_PAYLOAD_BYTES, version=HAND_OVER_VERSION, keys=keys
    )


def _how_from(value: Any) -> FingerVerified | TwoOfficers:
    match value:
        case [1, position, score, threshold, algorithm, version, rate]:
            return FingerVerified(
                position=position, score=score, threshold=threshold, algorithm=algorithm, version=version,
                false_match_rate=rate,
            )  # fmt: skip
        case [2, second, reason]:
            return TwoOfficers(second_operator_id=second, reason=reason)
    raise MalformedPackage("a hand-over receipt must say how the citizen was known", field="how")
