"""What a single field may hold. Used alike when a value is built and when it is decoded; every refusal names the field.

Identifiers are plain ASCII so that they sort, print and compare alike everywhere; none of them is a person's name.
"""

from __future__ import annotations

import re
from typing import Final
from uuid import RFC_4122, UUID

from enrollment.core.errors import MalformedPackage

DIGEST_BYTES: Final = 32  # SHA-256
UUID_BYTES: Final = 16
MAX_SEQUENCE: Final = 2**63 - 1  # the largest integer of every SQL database
MAX_TIME_MS: Final = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z
IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


def require_bytes(name: str, value: object, length: int) -> None:
    """Raise MalformedPackage unless value is bytes of this length."""
    if not isinstance(value, bytes) or len(value) != length:
        raise MalformedPackage(f"{name} must be {length} bytes", field=name)


def require_int(name: str, value: object, least: int, most: int) -> None:
    """Raise MalformedPackage unless value is an int (no bool) in least..most."""
    if type(value) is not int or not least <= value <= most:
        raise MalformedPackage(f"{name} must be an integer {least}..{most}", field=name)


def require_text(name: str, value: object, pattern: re.Pattern[str] = IDENTIFIER, longest: int = 64) -> None:
    """Raise MalformedPackage unless value is text of at most `longest` characters that matches the whole pattern."""
    if not isinstance(value, str) or len(value) > longest or pattern.fullmatch(value) is None:
        raise MalformedPackage(f"{name} is not allowed text", field=name)


def require_uuid7(name: str, value: object) -> None:
    """Raise MalformedPackage unless value is a UUID of version 7 (RFC 9562 section 5.7)."""
    if not isinstance(value, UUID) or value.variant != RFC_4122 or value.version != 7:
        raise MalformedPackage(f"{name} must be a UUIDv7", field=name)


def uuid_from(name: str, value: object) -> UUID:
    """Read the 16 bytes of a UUID. Raises MalformedPackage."""
    if not isinstance(value, bytes) or len(value) != UUID_BYTES:
        raise MalformedPackage(f"{name} must be {UUID_BYTES} bytes", field=name)
    return UUID(bytes=value)
