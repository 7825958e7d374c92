"""RSA signatures with message recovery (ISO/IEC 9796-2:2010 scheme 1), as cards make them in active authentication.

    6A | M1 | digest of M1 M2 | trailer     as long as the modulus; 6A: there is more to the message than M1

M1 is the card's own chance, M2 the terminal's challenge. The trailer is BC for SHA-1, or two octets that name the
digest: 33 SHA-1, 34 SHA-256, 35 SHA-512, 36 SHA-384, 38 SHA-224, each before CC. A signer may answer s or n - s.
Source: ICAO Doc 9303-11, 8th edition, 6.1.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from enrollment.core.errors import SignatureInvalid

_HEADER: Final = 0x6A
_SHA_1_ALONE: Final = 0xBC
_NAMED: Final = 0xCC
_DIGESTS: Final[Mapping[int, str]] = {0x33: "sha1", 0x34: "sha256", 0x35: "sha512", 0x36: "sha384", 0x38: "sha224"}
LEAST_MODULUS_BITS: Final = 1024
LEAST_RECOVERED: Final = 8  # octets of the card's own chance


def verify(key: RSAPublicKey, signature: bytes, challenge: bytes) -> None:
    """Raise SignatureInvalid unless the signature recovers to a message that ends with the challenge."""
    numbers, octets = key.public_numbers(), (key.key_size + 7) // 8
    value = int.from_bytes(signature, "big")
    if key.key_size < LEAST_MODULUS_BITS or len(signature) != octets or value >= numbers.n:
        raise SignatureInvalid("the signature is not of its key's length", octets=len(signature))
    recovered = pow(value, numbers.e, numbers.n)
    for candidate in (recovered, numbers.n - recovered):
        if _holds(candidate.to_bytes(octets, "big"), challenge):
            return
    raise SignatureInvalid("the signature does not hold", algorithm="ISO 9796-2 scheme 1")


def _holds(representative: bytes, challenge: bytes) -> bool:
    if representative[-1] == _SHA_1_ALONE:
        name, trailer = "sha1", 1
    elif representative[-1] == _NAMED and representative[-2] in _DIGESTS:
        name, trailer = _DIGESTS[representative[-2]], 2
    else:
        return False
    ends = len(representative) - trailer
    starts = ends - hashlib.new(name).digest_size
    if representative[0] != _HEADER or starts - 1 < LEAST_RECOVERED:
        return False
    digest = hashlib.new(name, representative[1:starts] + challenge).digest()
    return hmac.compare_digest(digest, representative[starts:ends])
