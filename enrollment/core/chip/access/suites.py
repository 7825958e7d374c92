"""The two ways in which secure messaging encrypts and authenticates. One cipher context a message, none an octet.

    3DES  CBC, two keys, from zero; MAC: ISO/IEC 9797-1 algorithm 3 (single DES, the last block by three)
    AES   CBC from the encrypted counter; MAC: CMAC, its first 8 octets

Source: ICAO Doc 9303-11, 8th edition, 9.8.6 and 9.8.7; padding: ISO/IEC 9797-1, method 2.
"""

from __future__ import annotations

from typing import Final, Protocol

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from enrollment.core.chip.access.keys import TRIPLE_DES, Purpose, derive

MAC_OCTETS: Final = 8


class Suite(Protocol):
    """block: octets. counter, below: the send sequence counter, a block."""

    block: int

    def encrypt(self, counter: bytes, padded: bytes) -> bytes: ...

    def decrypt(self, counter: bytes, sealed: bytes) -> bytes: ...

    def mac(self, padded: bytes) -> bytes: ...


class TripleDesSuite:
    """encryption, authentication: 16 octets each."""

    block = 8

    def __init__(self, encryption: bytes, authentication: bytes) -> None:
        self._encryption = TripleDES(encryption + encryption[:8])
        self._single = Cipher(TripleDES(authentication[:8] * 3), modes.CBC(bytes(8)))  # one key thrice is single DES
        self._last = Cipher(TripleDES(authentication + authentication[:8]), modes.ECB())  # noqa: S305 - one block

    def encrypt(self, counter: bytes, padded: bytes) -> bytes:
        return Cipher(self._encryption, modes.CBC(bytes(8))).encryptor().update(padded)

    def decrypt(self, counter: bytes, sealed: bytes) -> bytes:
        return Cipher(self._encryption, modes.CBC(bytes(8))).decryptor().update(sealed)

    def mac(self, padded: bytes) -> bytes:
        before = self._single.encryptor().update(padded[:-8])[-8:]
        last = int.from_bytes(before, "big") ^ int.from_bytes(padded[-8:], "big")
        return self._last.encryptor().update(last.to_bytes(8, "big"))


class AesSuite:
    """encryption, authentication: 16, 24 or 32 octets each."""

    block = 16

    def __init__(self, encryption: bytes, authentication: bytes) -> None:
        self._encryption = algorithms.AES(encryption)
        self._first = Cipher(self._encryption, modes.ECB()).encryptor()  # noqa: S305 - the counter alone: 9.8.6.1
        self._authentication = CMAC(algorithms.AES(authentication))

    def encrypt(self, counter: bytes, padded: bytes) -> bytes:
        return self._chain(counter).encryptor().update(padded)

    def decrypt(self, counter: bytes, sealed: bytes) -> bytes:
        return self._chain(counter).decryptor().update(sealed)

    def mac(self, padded: bytes) -> bytes:
        context = self._authentication.copy()
        context.update(padded)
        return context.finalize()[:MAC_OCTETS]

    def _chain(self, counter: bytes) -> Cipher[modes.CBC]:
        return Cipher(self._encryption, modes.CBC(self._first.update(counter)))


def suite_of(secret: bytes, octets: int) -> Suite:
    """Both keys derived from what was agreed. octets: of an AES key, or keys.TRIPLE_DES."""
    kind = TripleDesSuite if octets == TRIPLE_DES else AesSuite
    return kind(derive(secret, Purpose.ENCRYPTION, octets), derive(secret, Purpose.AUTHENTICATION, octets))


def padded(octets: bytes, block: int) -> bytes:
    """Octets to whole blocks: 80, then zeros."""
    return octets + b"\x80" + bytes(-(len(octets) + 1) % block)


def unpadded(octets: bytes) -> bytes | None:
    """What was padded; None where that is no padding."""
    stripped = octets.rstrip(b"\0")
    return stripped[:-1] if stripped.endswith(b"\x80") else None
