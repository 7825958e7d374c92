"""PACE with generic mapping over elliptic curves and AES, card side (ICAO Doc 9303-11, 4.4)."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from firmware_stubs.card import tlv
from firmware_stubs.card.apdu import Refused, Status
from firmware_stubs.card.curve import PARAMETERS, Curve, Point
from firmware_stubs.card.passwords import password
from firmware_stubs.card.scp03 import cmac
from firmware_stubs.card.secure_messaging import MAC, PASSWORD, SecureMessaging, derive

ECDH_GM_AES: Final = {bytes.fromhex(f"04007F0007020204020{n}"): length for n, length in ((2, 16), (3, 24), (4, 32))}
NONCE_BYTES: Final = 16


class Pace:
    """One run, from MSE:Set AT to the tokens; each step is taken once and in its order.

    random: N bytes of chance.
    """

    def __init__(self, data: bytes, objects: Mapping[int, bytes], random: Callable[[int], bytes]) -> None:
        told = dict(tlv.decode(data))
        self._oid = told.get(0x80, b"")
        curve = PARAMETERS.get(int.from_bytes(told.get(0x84, b"\x0d")))
        if self._oid not in ECDH_GM_AES or curve is None:
            raise Refused(Status.WRONG_DATA)
        self._curve: Curve = curve
        self._length = ECDH_GM_AES[self._oid]
        self._key = derive(password(objects, int.from_bytes(told.get(0x83, b""))), PASSWORD, self._length)
        self._random = random
        self._step = 0
        self._nonce = b""
        self._generator: Point = None
        self._secret = b""
        self._own = self._theirs = b""

    def general_authenticate(self, data: bytes) -> tuple[bytes, SecureMessaging | None]:
        """Answer the next step; the session after the last. Raises Refused, after which the run is over."""
        step, self._step = self._step, self._step + 1
        match step, tlv.decode(tlv.only(data, 0x7C)):
            case 0, []:
                return tlv.encode(0x7C, tlv.encode(0x80, self._sealed_nonce())), None
            case 1, [(0x81, point)]:
                return tlv.encode(0x7C, tlv.encode(0x82, self._mapped(point))), None
            case 2, [(0x83, point)]:
                return tlv.encode(0x7C, tlv.encode(0x84, self._agreed(point))), None
            case 3, [(0x85, token)]:
                if not hmac.compare_digest(self._token(self._own), token):
                    raise Refused(Status.AUTHENTICATION_FAILED)
                answer = tlv.encode(0x7C, tlv.encode(0x86, self._token(self._theirs)))
                return answer, SecureMessaging.aes(self._secret, self._length)
        raise Refused(Status.CONDITIONS_NOT_SATISFIED)

    def _sealed_nonce(self) -> bytes:
        self._nonce = self._random(NONCE_BYTES)
        return Cipher(algorithms.AES(self._key), modes.CBC(bytes(16))).encryptor().update(self._nonce)

    def _mapped(self, theirs: bytes) -> bytes:
        curve = self._curve
        scalar = self._scalar()
        shared = curve.multiply(scalar, curve.decode(theirs))
        self._generator = curve.add(curve.multiply(int.from_bytes(self._nonce), curve.generator), shared)
        return curve.encode(curve.multiply(scalar, curve.generator))

    def _agreed(self, theirs: bytes) -> bytes:
        curve = self._curve
        scalar = self._scalar()
        self._theirs = theirs
        self._own = curve.encode(curve.multiply(scalar, self._generator))
        if self._own == theirs:
            raise Refused(Status.AUTHENTICATION_FAILED)
        self._secret = curve.abscissa(curve.multiply(scalar, curve.decode(theirs)))
        return self._own

    def _token(self, public: bytes) -> bytes:
        signed = tlv.encode(0x7F49, tlv.encode(0x06, self._oid) + tlv.encode(0x86, public))
        return cmac(derive(self._secret, MAC, self._length), signed)[:8]

    def _scalar(self) -> int:
        return int.from_bytes(self._random(self._curve.octets)) % self._curve.n
