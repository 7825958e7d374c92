"""The registry's private keys, held in software: unencrypted PKCS #8 files that only their owner can read.

For development and tests. A real registry puts the same two Protocols (core.sealing.signing_key, recipient_key) before
its hardware security modules.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from enrollment.core.sealing.recipient_key import RecipientPublicKey, open_with
from enrollment.core.sealing.signing_key import P256_COORDINATE_BYTES, VerifyingKey
from enrollment.registry.errors import SetupInvalid

RECEIPT_ES256_FILE: Final = "receipt-es256.pem"
RECEIPT_ML_DSA_65_FILE: Final = "receipt-ml-dsa-65.pem"
RECIPIENT_ML_KEM_768_FILE: Final = "recipient-ml-kem-768.pem"
RECIPIENT_X25519_FILE: Final = "recipient-x25519.pem"

_OTHER_KINDS: Final = "the key files hold other kinds of keys than their names say"

# RFC 6979, as RFC 9053 section 2.1 recommends: a weak random source cannot give the key away.
_ECDSA_SHA256: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


class SoftwareSigningKey:
    """A SigningKey over two private keys in memory."""

    def __init__(self, es256: ec.EllipticCurvePrivateKey, ml_dsa_65: MLDSA65PrivateKey) -> None:
        self._es256 = es256
        self._ml_dsa_65 = ml_dsa_65
        self._verifying_key = VerifyingKey.from_public_keys(es256.public_key(), ml_dsa_65.public_key())
        self._key_id = self._verifying_key.key_id

    @classmethod
    def generate(cls) -> SoftwareSigningKey:
        """Make a new pair of keys."""
        return cls(ec.generate_private_key(ec.SECP256R1()), MLDSA65PrivateKey.generate())

    @property
    def key_id(self) -> bytes:
        """As the verifying key has it, 32 bytes."""
        return self._key_id

    @property
    def verifying_key(self) -> VerifyingKey:
        """The public half."""
        return self._verifying_key

    def sign_es256(self, data: bytes) -> bytes:
        """Sign SHA-256 of the data; returns r | s, 64 bytes."""
        r, s = decode_dss_signature(self._es256.sign(data, _ECDSA_SHA256))
        return r.to_bytes(P256_COORDINATE_BYTES, "big") + s.to_bytes(P256_COORDINATE_BYTES, "big")

    def sign_ml_dsa_65(self, data: bytes) -> bytes:
        """Sign the data with an empty context; returns 3309 bytes."""
        return self._ml_dsa_65.sign(data)

    def save(self, folder: Path) -> None:
        """Write both private keys as new files."""
        _save(folder / RECEIPT_ES256_FILE, self._es256)
        _save(folder / RECEIPT_ML_DSA_65_FILE, self._ml_dsa_65)

    @classmethod
    def load(cls, folder: Path) -> SoftwareSigningKey:
        """Read what `save` wrote. Raises SetupInvalid."""
        es256, ml_dsa_65 = _load(folder / RECEIPT_ES256_FILE), _load(folder / RECEIPT_ML_DSA_65_FILE)
        if not (isinstance(es256, ec.EllipticCurvePrivateKey) and isinstance(ml_dsa_65, MLDSA65PrivateKey)):
            raise SetupInvalid(_OTHER_KINDS, problem="other keys")
        return cls(es256, ml_dsa_65)


class SoftwareRecipientKey:
    """A RecipientPrivateKey over two private keys in memory.

    The registry's first one lies in the keys folder itself, each one after a rotation in a folder of its own there.
    """

    def __init__(self, ml_kem_768: MLKEM768PrivateKey, x25519: X25519PrivateKey) -> None:
        self._ml_kem_768 = ml_kem_768
        self._x25519 = x25519
        self._hpke_key = hpke.MLKEM768X25519PrivateKey(ml_kem_768, x25519)
        self._public_key = RecipientPublicKey.from_public_keys(ml_kem_768.public_key(), x25519.public_key())
        self._key_id = self._public_key.key_id

    @classmethod
    def generate(cls) -> SoftwareRecipientKey:
        """Make a new pair of keys."""
        return cls(MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())

    @property
    def key_id(self) -> bytes:
        """As the public key has it, 32 bytes."""
        return self._key_id

    @property
    def public_key(self) -> RecipientPublicKey:
        """The public half."""
        return self._public_key

    def open_sealed(self, sealed: bytes, info: bytes) -> bytes:
        """Open encapsulation | ciphertext | tag. Raises DigestMismatch where the seal does not hold."""
        return open_with(self._hpke_key, sealed, info)

    def save(self, folder: Path) -> None:
        """Write both private keys as new files."""
        _save(folder / RECIPIENT_ML_KEM_768_FILE, self._ml_kem_768)
        _save(folder / RECIPIENT_X25519_FILE, self._x25519)

    def save_rotated(self, keys: Path) -> None:
        """Write both private keys into a new folder among the registry's keys."""
        folder = _rotated(keys, self._key_id)
        folder.mkdir(mode=0o700)
        self.save(folder)
        sync_folder(folder)
        sync_folder(keys)

    @classmethod
    def load(cls, keys: Path, key_id: bytes) -> SoftwareRecipientKey:
        """Read the recipient key with this id from the registry's keys. Raises SetupInvalid."""
        rotated = _rotated(keys, key_id)
        folder = rotated if rotated.exists() else keys
        ml_kem_768, x25519 = _load(folder / RECIPIENT_ML_KEM_768_FILE), _load(folder / RECIPIENT_X25519_FILE)
        if not (isinstance(ml_kem_768, MLKEM768PrivateKey) and isinstance(x25519, X25519PrivateKey)):
            raise SetupInvalid(_OTHER_KINDS, problem="other keys")
        key = cls(ml_kem_768, x25519)
        if key.key_id != key_id:
            raise SetupInvalid(
                "the private half of a recipient key is not among the keys", key_id=key_id.hex(), problem="other keys"
            )
        return key


@dataclass(frozen=True, slots=True)
class RegistryKeys:
    """What the registry signs receipts with, and the recipient that its trust file names."""

    receipt: SoftwareSigningKey
    recipient: SoftwareRecipientKey

    @classmethod
    def generate(cls) -> RegistryKeys:
        """Make new keys for a registry."""
        return cls(receipt=SoftwareSigningKey.generate(), recipient=SoftwareRecipientKey.generate())

    def save(self, folder: Path) -> None:
        """Write all private keys as new files."""
        self.receipt.save(folder)
        self.recipient.save(folder)


def write_private_file(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read, on disk before this returns. Raises FileExistsError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make new names in a folder durable, where the platform can (a folder cannot be opened on Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rotated(keys: Path, key_id: bytes) -> Path:
    return keys / f"recipient-{key_id.hex()}"


def _save(
    path: Path, key: ec.EllipticCurvePrivateKey | MLDSA65PrivateKey | MLKEM768PrivateKey | X25519PrivateKey
) -> None:
    write_private_file(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _load(path: Path) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise SetupInvalid(f"the key file {path.name} cannot be read", file=path.name, problem="unreadable") from error
