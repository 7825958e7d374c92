"""The registry's receipt: its signed word that it holds a package, sequence and all.

The bytes are a COSE_Sign (cose.py) over a deterministic-CBOR map of the keys below (docs/package-format.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from enrollment.core.errors import DigestMismatch
from enrollment.core.sealing import cose
from enrollment.core.sealing import deterministic_cbor as cbor
from enrollment.core.sealing.field_rules import (
    DIGEST_BYTES,
    MAX_SEQUENCE,
    MAX_TIME_MS,
    require_bytes,
    require_int,
    require_text,
    require_uuid7,
    uuid_from,
)
from enrollment.core.sealing.signing_key import SigningKey, VerifyingKey

RECEIPT_VERSION: Final = 1
RECEIPT_CONTENT_TYPE: Final = "application/vnd.enrollment.receipt+cbor"
MAX_RECEIPT_PAYLOAD_BYTES: Final = 512

_VERSION, _PACKAGE_SHA256, _PACKAGE_ID, _STATION_ID, _SEQUENCE, _RECEIVED_AT, _REGISTRY_ID = range(1, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the registry confirms.

    package_sha256: of the sealed package, 32 bytes.
    package_id, station_id, sequence: as the package's manifest has them.
    received_at_ms: when the registry took it into its ledger, by its own clock; milliseconds since 1970-01-01 UTC.
    registry_id: an identifier such as a station's.
    Raises MalformedPackage.
    """

    package_sha256: bytes
    package_id: UUID
    station_id: str
    sequence: int
    received_at_ms: int
    registry_id: str

    def __post_init__(self) -> None:
        require_bytes("package_sha256", self.package_sha256, DIGEST_BYTES)
        require_uuid7("package_id", self.package_id)
        require_text("station_id", self.station_id)
        require_int("sequence", self.sequence, 1, MAX_SEQUENCE)
        require_int("received_at_ms", self.received_at_ms, 0, MAX_TIME_MS)
        require_text("registry_id", self.registry_id)

    def encode(self) -> bytes:
        """The deterministic bytes that are signed."""
        return cbor.encode(
            {
                _VERSION: RECEIPT_VERSION,
                _PACKAGE_SHA256: self.package_sha256,
                _PACKAGE_ID: self.package_id.bytes,
                _STATION_ID: self.station_id,
                _SEQUENCE: self.sequence,
                _RECEIVED_AT: self.received_at_ms,
                _REGISTRY_ID: self.registry_id,
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Receipt:
        """Read the bytes of `encode`, and nothing else. Raises MalformedPackage."""
        fields = cbor.decode_fields(
            data, what="a receipt", max_bytes=MAX_RECEIPT_PAYLOAD_BYTES, version=RECEIPT_VERSION, keys=_REGISTRY_ID
        )
        return cls(
            package_sha256=fields[_PACKAGE_SHA256],
            package_id=uuid_from("package_id", fields[_PACKAGE_ID]),
            station_id=fields[_STATION_ID],
            sequence=fields[_SEQUENCE],
            received_at_ms=fields[_RECEIVED_AT],
            registry_id=fields[_REGISTRY_ID],
        )


def sign_receipt(receipt: Receipt, signing_key: SigningKey) -> bytes:
    """Sign a receipt; ML-DSA-65 signatures are randomised, so sign once and keep the bytes."""
    return cose.sign(receipt.encode(), RECEIPT_CONTENT_TYPE, signing_key)


def read_receipt(data: bytes, trusted: Mapping[bytes, VerifyingKey]) -> Receipt:
    """Verify a receipt for whatever package it names: checks 1 to 4 of verify_receipt."""
    message = cose.SignedMessage.decode(data, RECEIPT_CONTENT_TYPE, MAX_RECEIPT_PAYLOAD_BYTES)  # 1
    message.verify(trusted)  # 2, 3
    return Receipt.decode(message.payload)  # 4


def verify_receipt(data: bytes, trusted: Mapping[bytes, VerifyingKey], package_sha256: bytes) -> Receipt:
    """Verify a receipt for the package with this SHA-256, in this order:

    1. it is a COSE_Sign of the one allowed form, for a receipt    else MalformedPackage
    2. both signatures name one trusted registry key               else UnknownSigner
    3. both signatures hold, ES256 and ML-DSA-65                   else SignatureInvalid
    4. the receipt is deterministic and complete                   else MalformedPackage
    5. it is for this package                                      else DigestMismatch
    """
    receipt = read_receipt(data, trusted)  # 1, 2, 3, 4
    if receipt.package_sha256 != package_sha256:  # 5
        raise DigestMismatch(
            "the receipt is for another package", expected=package_sha256.hex(), found=receipt.package_sha256.hex()
        )
    return receipt
