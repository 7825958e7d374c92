"""That the chip is no copy: active and chip authentication, card side (ICAO Doc 9303-11, 6.1 and 6.2).

The keys are written by PUT DATA, those of curves over brainpoolP256r1:

    63 L {04 L private key}         of chip authentication
    66 L {04 L private key}         of active authentication, ECDSA with SHA-256, signature r || s
    60 L {04 L modulus}             of active authentication by RSA, in place of 66
    61 L {04 L private exponent}    its signature is of ISO/IEC 9796-2 scheme 1 with SHA-256
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from firmware_stubs.card import tlv
from firmware_stubs.card.apdu import Refused, Status
from firmware_stubs.card.curve import BRAINPOOL_P256R1
from firmware_stubs.card.secure_messaging import SecureMessaging

CHIP_KEY, ACTIVE_KEY = 0x63, 0x66
MODULUS, EXPONENT = 0x60, 0x61
LEAST_MODULUS_OCTETS: Final = 128
CA_ECDH_AES: Final = {bytes.fromhex(f"04007F0007020203020{n}"): length for n, length in ((2, 16), (3, 24), (4, 32))}


def _private(objects: Mapping[int, bytes], tag: int) -> int:
    if tag not in objects:
        raise Refused(Status.REFERENCED_DATA_NOT_FOUND)
    scalar = int.from_bytes(tlv.only(objects[tag], 0x04))
    if not 0 < scalar < BRAINPOOL_P256R1.n:
        raise Refused(Status.REFERENCED_DATA_NOT_FOUND)
    return scalar


def internal_authenticate(challenge: bytes, objects: Mapping[int, bytes], random: Callable[[int], bytes]) -> bytes:
    """Sign the terminal's 8 bytes. random: N bytes of chance. Raises Refused."""
    if len(challenge) != 8:
        raise Refused(Status.WRONG_LENGTH)
    if MODULUS in objects and EXPONENT in objects:
        return _with_recovery(challenge, tlv.only(objects[MODULUS], 0x04), tlv.only(objects[EXPONENT], 0x04), random)
    key = ec.derive_private_key(_private(objects, ACTIVE_KEY), ec.BrainpoolP256R1())
    r, s = decode_dss_signature(key.sign(challenge, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def _with_recovery(challenge: bytes, modulus: bytes, exponent: bytes, random: Callable[[int], bytes]) -> bytes:
    """6A, own chance as long as there is room, SHA-256 over it and the challenge, 34CC; raised to the exponent."""
    if len(modulus) < LEAST_MODULUS_OCTETS or not modulus[0]:
        raise Refused(Status.REFERENCED_DATA_NOT_FOUND)
    own = random(len(modulus) - 1 - 32 - 2)
    message = b"\x6a" + own + hashlib.sha256(own + challenge).digest() + b"\x34\xcc"
    n = int.from_bytes(modulus)
    signature = pow(int.from_bytes(message), int.from_bytes(exponent), n)
    return min(signature, n - signature).to_bytes(len(modulus))


class ChipAuthentication:
    """From MSE:Set AT to the new session."""

    def __init__(self, data: bytes, objects: Mapping[int, bytes]) -> None:
        oid = dict(tlv.decode(data)).get(0x80, b"")
        if oid not in CA_ECDH_AES:
            raise Refused(Status.WRONG_DATA)
        self._length = CA_ECDH_AES[oid]
        self._scalar = _private(objects, CHIP_KEY)

    def general_authenticate(self, data: bytes) -> tuple[bytes, SecureMessaging | None]:
        """Agree with the terminal's ephemeral key. Raises Refused."""
        curve = BRAINPOOL_P256R1
        theirs = curve.decode(tlv.only(tlv.only(data, 0x7C), 0x80))
        secret = curve.abscissa(curve.multiply(self._scalar, theirs))
        return tlv.encode(0x7C, b""), SecureMessaging.aes(secret, self._length)
