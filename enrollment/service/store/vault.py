"""Encryption at rest: each dossier has its own AES-256-GCM key, wrapped by the station's key.

A ciphertext is nonce (12 bytes) | ciphertext | tag (16 bytes). Its associated data binds it to its dossier and its
place, so that no stored blob can be moved to another dossier. Destroying the wrapped key is the purge.
"""

from __future__ import annotations

import hmac
import os
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from enrollment.service.store.errors import StoredDataDamaged

KEY_BITS: Final = 256
NONCE_BYTES: Final = 12


class KeyWrapper(Protocol):
    """The station's key, in software or in a token."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt a key; the context must be given again to unwrap it."""
        ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Raises ValueError when the bytes were not wrapped by this key under this context."""
        ...


class DossierCipher:
    """Encrypts and decrypts what belongs to one dossier."""

    def __init__(self, dossier_id: str, key: bytes) -> None:
        self._dossier_id = dossier_id
        self._key = key
        self._cipher = AESGCM(key)

    def seal(self, place: str, content: bytes) -> bytes:
        """Encrypt. place: where it is kept, for example "part/portrait.jpg"."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, self._context(place))

    def open(self, place: str, sealed: bytes) -> bytes:
        """Decrypt. Raises StoredDataDamaged for anything that was not sealed for this place of this dossier."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], self._context(place))
        except (InvalidTag, ValueError) as error:
            raise StoredDataDamaged(
                f"{place} of this dossier does not decrypt", dossier_id=self._dossier_id, place=place
            ) from error

    def digest(self, content: bytes) -> bytes:
        """Tells equal contents of this dossier; keyed, because a plain digest of a name could be guessed. 32 bytes."""
        return hmac.digest(self._key, content, "sha256")

    def _context(self, place: str) -> bytes:
        return f"{self._dossier_id}|{place}".encode()


class Vault:
    """Makes and opens dossier keys."""

    def __init__(self, wrapper: KeyWrapper) -> None:
        self._wrapper = wrapper

    def new_key(self, dossier_id: str) -> tuple[bytes, DossierCipher]:
        """A fresh key, wrapped for storage, and its cipher."""
        key = AESGCM.generate_key(KEY_BITS)
        return self._wrapper.wrap(key, dossier_id.encode()), DossierCipher(dossier_id, key)

    def cipher(self, dossier_id: str, wrapped_key: bytes) -> DossierCipher:
        """Raises StoredDataDamaged when the station's key does not fit."""
        try:
            key = self._wrapper.unwrap(wrapped_key, dossier_id.encode())
        except ValueError as error:
            raise StoredDataDamaged(
                "the dossier's key does not open under this station's key: was the keys folder exchanged?",
                dossier_id=dossier_id,
            ) from error
        return DossierCipher(dossier_id, key)
