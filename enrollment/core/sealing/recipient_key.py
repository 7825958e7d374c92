"""The registry's key to which packages are sealed: HPKE (RFC 9180), base mode, single shot.

Suite: KEM MLKEM768-X25519 (0x647a), KDF HKDF-SHA256, AEAD AES-256-GCM. What must not be changed along with the
ciphertext goes into `info`, as RFC 9180 section 8.1 tells single-shot users.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from enrollment.core.errors import DigestMismatch, MalformedPackage
from enrollment.core.sealing.field_rules import require_bytes

KEM_ID: Final = 0x647A  # MLKEM768-X25519
KDF_ID: Final = 0x0001  # HKDF-SHA256
AEAD_ID: Final = 0x0002  # AES-256-GCM
ML_KEM_768_PUBLIC_BYTES: Final = 1184
X25519_PUBLIC_BYTES: Final = 32
ENCAPSULATION_BYTES: Final = 1120  # ML-KEM-768 ciphertext, 1088, then the ephemeral X25519 key, 32
TAG_BYTES: Final = 16

_SUITE: Final = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


class RecipientPrivateKey(Protocol):
    """The private half of a recipient, in software or in a token."""

    @property
    def key_id(self) -> bytes:
        """The key id of the matching RecipientPublicKey, 32 bytes."""
        ...

    def open_sealed(self, sealed: bytes, info: bytes) -> bytes:
        """Open encapsulation | ciphertext | tag. Raises DigestMismatch where the seal does not hold."""
        ...


@dataclass(frozen=True, slots=True)
class RecipientPublicKey:
    """The public half of a recipient.

    ml_kem_768: encapsulation key of FIPS 203, 1184 bytes.
    x25519: public key of RFC 7748, 32 bytes.
    Raises MalformedPackage for anything that is no such pair of keys.
    """

    ml_kem_768: bytes
    x25519: bytes

    def __post_init__(self) -> None:
        require_bytes("the ML-KEM-768 public key", self.ml_kem_768, ML_KEM_768_PUBLIC_BYTES)
        require_bytes("the X25519 public key", self.x25519, X25519_PUBLIC_BYTES)
        try:
            # A trial run: a key of all zeros, say, parses well and fails only when it is used.
            _SUITE.encrypt(b"", self._hpke_key())
        except ValueError as error:
            raise MalformedPackage("the recipient key is not a pair of ML-KEM-768 and X25519 keys") from error

    @classmethod
    def from_public_keys(cls, ml_kem_768: MLKEM768PublicKey, x25519: X25519PublicKey) -> RecipientPublicKey:
        """Take the two public keys as `cryptography` holds them."""
        return cls(ml_kem_768=ml_kem_768.public_bytes_raw(), x25519=x25519.public_bytes_raw())

    @property
    def key_id(self) -> bytes:
        """SHA-256 of ml_kem_768 | x25519, which is the KEM's own public key format; 32 bytes."""
        return hashlib.sha256(self.ml_kem_768 + self.x25519).digest()

    def seal(self, plaintext: bytes, info: bytes) -> bytes:
        """Encrypt so that only the recipient can open; returns encapsulation | ciphertext | tag."""
        return _SUITE.encrypt(plaintext, self._hpke_key(), info=info)

    def _hpke_key(self) -> hpke.MLKEM768X25519PublicKey:
        return hpke.MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(self.ml_kem_768), X25519PublicKey.from_public_bytes(self.x25519)
        )


def open_with(private_key: hpke.MLKEM768X25519PrivateKey, sealed: bytes, info: bytes) -> bytes:
    """Open with a key that is held in software: the body of a RecipientPrivateKey.

    Raises DigestMismatch where a byte was changed or the package was sealed to another key.
    """
    try:
        return _SUITE.decrypt(sealed, private_key, info=info)
    except InvalidTag:
        raise DigestMismatch("the seal does not hold: bytes were changed, or it was made for another key") from None
