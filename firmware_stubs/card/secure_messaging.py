"""Secure messaging of ICAO Doc 9303-11 clause 9.8, card side: 3DES with retail MAC, or AES with CMAC."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from firmware_stubs.card import tlv
from firmware_stubs.card.apdu import MAX_EXTENDED_LE, MAX_SHORT_LE, Command, Refused, Status
from firmware_stubs.card.channel import pad, unpad
from firmware_stubs.card.profile import Access
from firmware_stubs.card.scp03 import cmac

WRAPPED: Final = 0x0C
MAC_LENGTH: Final = 8
ENCRYPTION, MAC, PASSWORD = 1, 2, 3  # counters of the key derivation, clause 9.7.1
_PLAIN, _INDICATED, _LE, _STATUS, _MAC = 0x85, 0x87, 0x97, 0x99, 0x8E


def derive(secret: bytes, counter: int, length: int) -> bytes:
    """An AES key of 16, 24 or 32 bytes (clause 9.7.1.2)."""
    material = secret + counter.to_bytes(4)
    return (hashlib.sha1(material) if length == 16 else hashlib.sha256(material)).digest()[:length]  # noqa: S324


def derive_3des(secret: bytes, counter: int) -> bytes:
    """A two-key 3DES key, 16 bytes of odd parity (clause 9.7.1.1)."""
    return bytes(byte & 0xFE | (byte >> 1).bit_count() + 1 & 1 for byte in derive(secret, counter, 16))


class TripleDesSuite:
    """Encrypts with zero IV; MACs by ISO/IEC 9797-1 algorithm 3. Keys of 16 bytes."""

    block = 8

    def __init__(self, encryption_key: bytes, mac_key: bytes) -> None:
        self._encryption = TripleDES(encryption_key + encryption_key[:8])
        self._first = TripleDES(mac_key[:8] * 3)  # three times the same key: single DES
        self._second = TripleDES(mac_key[8:] * 3)

    def cipher(self, _counter: bytes) -> Cipher[modes.CBC]:
        return Cipher(self._encryption, modes.CBC(bytes(8)))

    def mac(self, padded: bytes) -> bytes:
        chain = Cipher(self._first, modes.CBC(bytes(8))).encryptor()
        last = chain.update(padded)[-8:]
        last = Cipher(self._second, modes.ECB()).decryptor().update(last)  # noqa: S305 - one block, as the standard says
        return Cipher(self._first, modes.ECB()).encryptor().update(last)  # noqa: S305


class AesSuite:
    """Encrypts with the encrypted counter as IV; MACs by CMAC. Keys of 16, 24 or 32 bytes."""

    block = 16

    def __init__(self, encryption_key: bytes, mac_key: bytes) -> None:
        self._encryption = algorithms.AES(encryption_key)
        self._mac_key = mac_key

    def cipher(self, counter: bytes) -> Cipher[modes.CBC]:
        encryptor = Cipher(self._encryption, modes.ECB()).encryptor()  # noqa: S305 - one block, clause 9.8.6.1
        return Cipher(self._encryption, modes.CBC(encryptor.update(counter)))

    def mac(self, padded: bytes) -> bytes:
        return cmac(self._mac_key, padded)[:MAC_LENGTH]


class SecureMessaging:
    """One session. counter: the send sequence counter, a block."""

    proved = Access.READER

    def __init__(self, suite: TripleDesSuite | AesSuite, counter: bytes) -> None:
        self._suite = suite
        self._counter = int.from_bytes(counter)
        self._odd = False

    @classmethod
    def aes(cls, secret: bytes, length: int) -> SecureMessaging:
        """A session of the keys that the secret gives, its counter at zero."""
        return cls(AesSuite(derive(secret, ENCRYPTION, length), derive(secret, MAC, length)), bytes(AesSuite.block))

    def is_wrapped(self, command: Command) -> bool:
        return command.cla & WRAPPED == WRAPPED

    def unwrap(self, command: Command) -> Command:
        objects = tlv.decode(command.data)
        told = dict(objects)
        if _MAC not in told:
            raise Refused(Status.SM_OBJECT_MISSING)
        protected = b"".join(tlv.encode(tag, value) for tag, value in objects if tag != _MAC)
        counter = self._count()
        mac = self._suite.mac(self._padded(counter + self._padded(command.header) + protected))
        if not hmac.compare_digest(mac, told[_MAC]):
            raise Refused(Status.SM_OBJECT_INCORRECT)
        self._odd = bool(command.ins & 1)
        data = b""
        if _INDICATED in told or _PLAIN in told:
            data = self._opened(told, counter)
        return Command(
            command.cla & ~WRAPPED, command.ins, command.p1, command.p2, data, _asked(told.get(_LE)), command.extended
        )

    def wrap(self, data: bytes, status: int) -> bytes:
        counter = self._count()
        answer = b""
        if data:
            encryptor = self._suite.cipher(counter).encryptor()
            sealed = encryptor.update(self._padded(data)) + encryptor.finalize()
            answer = tlv.encode(_PLAIN, sealed) if self._odd else tlv.encode(_INDICATED, b"\x01" + sealed)
        answer += tlv.encode(_STATUS, status.to_bytes(2))
        return answer + tlv.encode(_MAC, self._suite.mac(self._padded(counter + answer)))

    def _opened(self, told: dict[int, bytes], counter: bytes) -> bytes:
        indicated = told.get(_INDICATED)
        sealed = told[_PLAIN] if indicated is None else indicated[1:]
        known = indicated is None or indicated[:1] == b"\x01"
        if not known or not sealed or len(sealed) % self._suite.block:
            raise Refused(Status.SM_OBJECT_INCORRECT)
        decryptor = self._suite.cipher(counter).decryptor()
        plain = unpad(decryptor.update(sealed) + decryptor.finalize())
        if plain is None:
            raise Refused(Status.SM_OBJECT_INCORRECT)
        return plain

    def _count(self) -> bytes:
        block = self._suite.block
        self._counter = (self._counter + 1) % (1 << 8 * block)
        return self._counter.to_bytes(block)

    def _padded(self, content: bytes) -> bytes:
        return pad(content, self._suite.block)


def _asked(told: bytes | None) -> int | None:
    if told is None:
        return None
    if len(told) not in (1, 2):
        raise Refused(Status.SM_OBJECT_INCORRECT)
    return int.from_bytes(told) or (MAX_SHORT_LE if len(told) == 1 else MAX_EXTENDED_LE)
