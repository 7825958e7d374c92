"""The manifest: what a package holds, who made it, and where it stands in the station's sequence.

Its bytes are deterministic CBOR, a map of the keys below (docs/package-format.md). The same rules hold when a manifest
is built and when it is decoded: a station cannot seal what the registry would refuse.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from enrollment.core.errors import MalformedPackage
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

FORMAT_VERSION: Final = 1
MAX_MANIFEST_BYTES: Final = 128 * 1024
MAX_PARTS: Final = 256
MAX_PART_BYTES: Final = 32 * 1024 * 1024
MAX_OPERATORS: Final = 32
MAX_CLOCK_OFFSET_MS: Final = 100 * 366 * 86_400_000  # a dead clock battery starts at 1970
MAX_NAME_LENGTH: Final = 96  # characters
MAX_MEDIA_TYPE_LENGTH: Final = 127  # characters

# Separated by dots and slashes, never led by one and never two together: safe as a relative path on any system.
PART_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*(?:[./][a-z0-9][a-z0-9_-]*)*")
MEDIA_TYPE: Final = re.compile(
    r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*(?:;[a-z0-9][a-z0-9-]*=[A-Za-z0-9][A-Za-z0-9.:_-]*)*"
)

(
    _VERSION,
    _PACKAGE_ID,
    _DOSSIER_ID,
    _STATION_ID,
    _SEQUENCE,
    _PREVIOUS_DIGEST,
    _PROCEDURE,
    _OPERATORS,
    _OPENED_AT,
    _COMPLETED_AT,
    _CREATED_AT,
    _CLOCK_OFFSET,
    _RECIPIENT_KEY_ID,
    _PARTS,
) = range(1, 15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part: a record, an image, the demographics.

    name: lower case, such as "fingerprint/2/image"; unique in its package.
    media_type: lower case, such as "image/jpeg".
    length: bytes, 1..MAX_PART_BYTES; an empty part is a mistake of whoever made it.
    sha256: of the part's bytes.
    Raises MalformedPackage.
    """

    name: str
    media_type: str
    length: int
    sha256: bytes

    def __post_init__(self) -> None:
        require_text("a part's name", self.name, PART_NAME, MAX_NAME_LENGTH)
        require_text("a part's media type", self.media_type, MEDIA_TYPE, MAX_MEDIA_TYPE_LENGTH)
        require_int("a part's length", self.length, 1, MAX_PART_BYTES)
        require_bytes("a part's SHA-256", self.sha256, DIGEST_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFields:
    """What the station says of a package; the sealing adds the recipient and the parts.

    package_id, dossier_id: UUIDv7.
    station_id, procedure_id, procedure_version, operators: identifiers of 1..64 characters A-Z a-z 0-9 . _ @ -
    sequence: gap-free number of the station's packages, from 1.
    previous_digest: SHA-256 of the sealed package before this one; None exactly when sequence is 1.
    operators: ids of those who captured, each once, the one who opened the dossier first.
    opened_at_ms, completed_at_ms: of the dossier; created_at_ms: of the package. Milliseconds since 1970-01-01 UTC by
        the station's clock. No order is required of them: clocks in the field are set while people work.
    clock_offset_ms: station clock minus reference, as last measured; None if it never was.
    Raises MalformedPackage.
    """

    package_id: UUID
    dossier_id: UUID
    station_id: str
    sequence: int
    previous_digest: bytes | None
    procedure_id: str
    procedure_version: str
    operators: tuple[str, ...]
    opened_at_ms: int
    completed_at_ms: int
    created_at_ms: int
    clock_offset_ms: int | None

    def __post_init__(self) -> None:
        require_uuid7("package_id", self.package_id)
        require_uuid7("dossier_id", self.dossier_id)
        require_text("station_id", self.station_id)
        require_int("sequence", self.sequence, 1, MAX_SEQUENCE)
        if (self.previous_digest is None) != (self.sequence == 1):
            raise MalformedPackage(
                "previous_digest must be absent in a station's first package, and only there", sequence=self.sequence
            )
        if self.previous_digest is not None:
            require_bytes("previous_digest", self.previous_digest, DIGEST_BYTES)
        require_text("procedure_id", self.procedure_id)
        require_text("procedure_version", self.procedure_version)
        _require_some("operators", self.operators, MAX_OPERATORS)
        for operator in self.operators:
            require_text("an operator id", operator)
        _require_distinct("operators", self.operators)
        require_int("opened_at_ms", self.opened_at_ms, 0, MAX_TIME_MS)
        require_int("completed_at_ms", self.completed_at_ms, 0, MAX_TIME_MS)
        require_int("created_at_ms", self.created_at_ms, 0, MAX_TIME_MS)
        if self.clock_offset_ms is not None:
            require_int("clock_offset_ms", self.clock_offset_ms, -MAX_CLOCK_OFFSET_MS, MAX_CLOCK_OFFSET_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(ManifestFields):
    """The signed description of a package.

    recipient_key_id: of the key to which the package is sealed, 32 bytes.
    parts: 1..MAX_PARTS, names unique, in the order of their bytes in the package.
    Raises MalformedPackage.
    """

    recipient_key_id: bytes
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        ManifestFields.__post_init__(self)
        require_bytes("recipient_key_id", self.recipient_key_id, DIGEST_BYTES)
        _require_some("parts", self.parts, MAX_PARTS)
        _require_distinct("the names of parts", tuple(part.name for part in self.parts))

    def encode(self) -> bytes:
        """The deterministic bytes that are signed."""
        return cbor.encode(
            {
                _VERSION: FORMAT_VERSION,
                _PACKAGE_ID: self.package_id.bytes,
                _DOSSIER_ID: self.dossier_id.bytes,
                _STATION_ID: self.station_id,
                _SEQUENCE: self.sequence,
                _PREVIOUS_DIGEST: self.previous_digest,
                _PROCEDURE: [self.procedure_id, self.procedure_version],
                _OPERATORS: list(self.operators),
                _OPENED_AT: self.opened_at_ms,
                _COMPLETED_AT: self.completed_at_ms,
                _CREATED_AT: self.created_at_ms,
                _CLOCK_OFFSET: self.clock_offset_ms,
                _RECIPIENT_KEY_ID: self.recipient_key_id,
                _PARTS: [[part.name, part.media_type, part.length, part.sha256] for part in self.parts],
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Read the bytes of `encode`, and nothing else. Raises MalformedPackage."""
        fields = cbor.decode_fields(
            data, what="a manifest", max_bytes=MAX_MANIFEST_BYTES, version=FORMAT_VERSION, keys=_PARTS
        )
        procedure_id, procedure_version = _row("procedure", fields[_PROCEDURE], 2)
        return cls(
            package_id=uuid_from("package_id", fields[_PACKAGE_ID]),
            dossier_id=uuid_from("dossier_id", fields[_DOSSIER_ID]),
            station_id=fields[_STATION_ID],
            sequence=fields[_SEQUENCE],
            previous_digest=fields[_PREVIOUS_DIGEST],
            procedure_id=procedure_id,
            procedure_version=procedure_version,
            operators=tuple(_row("operators", fields[_OPERATORS])),
            opened_at_ms=fields[_OPENED_AT],
            completed_at_ms=fields[_COMPLETED_AT],
            created_at_ms=fields[_CREATED_AT],
            clock_offset_ms=fields[_CLOCK_OFFSET],
            recipient_key_id=fields[_RECIPIENT_KEY_ID],
            parts=tuple(_decode_part(row) for row in _row("parts", fields[_PARTS])),
        )


def _decode_part(value: object) -> Part:
    name, media_type, length, sha256 = _row("a part", value, 4)
    return Part(name=name, media_type=media_type, length=length, sha256=sha256)


def _row(name: str, value: object, length: int | None = None) -> Sequence[Any]:
    """A CBOR array; its elements are checked by the constructor that takes them."""
    if not isinstance(value, list) or (length is not None and len(value) != length):
        raise MalformedPackage(f"{name} must be an array", field=name)
    return value


def _require_some(name: str, values: object, most: int) -> None:
    if not isinstance(values, tuple) or not 1 <= len(values) <= most:
        raise MalformedPackage(f"{name} must be a tuple of 1..{most}", field=name)


def _require_distinct(name: str, values: tuple[str, ...]) -> None:
    if len(set(values)) != len(values):
        raise MalformedPackage(f"{name} must be distinct", field=name)
