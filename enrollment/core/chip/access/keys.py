"""Keys for encryption and message authentication, derived from a shared secret.

Source: ICAO Doc 9303-11, 8th edition, 9.7.1: KDF(K, c) = H(K || c), SHA-1 for 3DES and AES-128, else SHA-256.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum
from typing import Final

TRIPLE_DES: Final = 0  # octets of an AES key are 16, 24 or 32; no AES key has none
AES_OCTETS: Final = frozenset({16, 24, 32})


class Purpose(IntEnum):
    """The counter c."""

    ENCRYPTION = 1
    AUTHENTICATION = 2
    PASSWORD = 3


def derive(secret: bytes, purpose: Purpose, octets: int) -> bytes:
    """A key. octets: of an AES key, or TRIPLE_DES for 16 octets of odd parity: K1 and K2."""
    material = secret + purpose.to_bytes(4, "big")
    if octets > 16:
        return hashlib.sha256(material).digest()[:octets]
    key = hashlib.sha1(material).digest()[:16]  # noqa: S324 - the standard's
    return key if octets else bytes(octet & 0xFE | ~(octet >> 1).bit_count() & 1 for octet in key)
