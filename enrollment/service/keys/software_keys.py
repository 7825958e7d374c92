"""The station's keys in files: signing, wrapping, TLS.

    signing-es256.pem, signing-ml-dsa-65.pem    sign manifests (PKCS #8)
    wrapping.key                                wraps the dossiers' keys (AES-256)
    client-key.pem                              TLS client key, certified by the registry
    verifying-key.txt, client-csr.pem           what the registry is given; public

Private files have mode 0600 in a folder of mode 0700; private_files says how they are encrypted.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from enrollment.core.certificates import signing_request
from enrollment.core.sealing.public_keys import encode_verifying_key
from enrollment.core.sealing.signing_key import P256_COORDINATE_BYTES, VerifyingKey
from enrollment.service.keys.errors import KeysExist, KeysUnusable
from enrollment.service.keys.private_files import protection, read_private, sync_folder, write_new

ES256_FILE: Final = "signing-es256.pem"
ML_DSA_FILE: Final = "signing-ml-dsa-65.pem"
WRAPPING_FILE: Final = "wrapping.key"
CLIENT_KEY_FILE: Final = "client-key.pem"
VERIFYING_FILE: Final = "verifying-key.txt"
REQUEST_FILE: Final = "client-csr.pem"

WRAPPING_MAGIC: Final = b"EWK0"  # wrapping.key: magic | key
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12

PrivateKey = ec.EllipticCurvePrivateKey | MLDSA65PrivateKey


@dataclass(frozen=True, slots=True, repr=False)
class SoftwareKeys:
    """Loaded keys: a core SigningKey, and the store's KeyWrapper. Its repr shows nothing."""

    _es256: ec.EllipticCurvePrivateKey
    _ml_dsa_65: MLDSA65PrivateKey
    _wrapping: bytes
    verifying_key: VerifyingKey

    @classmethod
    def create(cls, folder: Path, station_id: str, passphrase: bytes | None = None) -> Self:
        """Make all keys in a new folder. Raises KeysExist, KeysUnusable (the folder cannot be written)."""
        if cls.complete(folder):
            raise KeysExist(f"{folder} holds keys already; keep them, or name another folder", folder=str(folder))
        es256, ml_dsa_65 = ec.generate_private_key(ec.SECP256R1()), MLDSA65PrivateKey.generate()
        client = ec.generate_private_key(ec.SECP256R1())
        wrapping = os.urandom(KEY_BYTES)
        verifying_key = VerifyingKey.from_public_keys(es256.public_key(), ml_dsa_65.public_key())
        protect = protection(passphrase)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
            _clear_leftovers(folder)
            write_new(folder / ES256_FILE, protect(_pem(es256)))
            write_new(folder / ML_DSA_FILE, protect(_pem(ml_dsa_65)))
            write_new(folder / CLIENT_KEY_FILE, protect(_pem(client)))
            write_new(folder / VERIFYING_FILE, encode_verifying_key(verifying_key), 0o644)
            write_new(folder / REQUEST_FILE, signing_request(client, station_id), 0o644)
            sync_folder(folder)
            # Last: a folder with a wrapping key is a complete one.
            write_new(folder / WRAPPING_FILE, protect(WRAPPING_MAGIC + wrapping))
            sync_folder(folder)
        except OSError as error:
            where = error.filename or folder
            raise KeysUnusable(f"{where} cannot be written: {error.strerror}", folder=str(folder)) from error
        return cls(es256, ml_dsa_65, wrapping, verifying_key)

    @staticmethod
    def complete(folder: Path) -> bool:
        """Whether all keys were made here."""
        return (folder / WRAPPING_FILE).exists()

    @classmethod
    def load(cls, folder: Path, passphrase: bytes | None = None) -> Self:
        """Read the keys. Raises KeysUnusable, naming the file."""
        es256 = _load_pem(folder / ES256_FILE, passphrase)
        ml_dsa_65 = _load_pem(folder / ML_DSA_FILE, passphrase)
        if not isinstance(es256, ec.EllipticCurvePrivateKey) or not isinstance(ml_dsa_65, MLDSA65PrivateKey):
            raise KeysUnusable(f"{folder} holds signing keys of another kind", folder=str(folder))
        wrapping = _load_wrapping(folder / WRAPPING_FILE, passphrase)
        verifying_key = VerifyingKey.from_public_keys(es256.public_key(), ml_dsa_65.public_key())
        return cls(es256, ml_dsa_65, wrapping, verifying_key)

    @property
    def key_id(self) -> bytes:
        """As core.sealing.signing_key.SigningKey."""
        return self.verifying_key.key_id

    def sign_es256(self, data: bytes) -> bytes:
        """As core.sealing.signing_key.SigningKey."""
        r, s = decode_dss_signature(self._es256.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(P256_COORDINATE_BYTES, "big") + s.to_bytes(P256_COORDINATE_BYTES, "big")

    def sign_ml_dsa_65(self, data: bytes) -> bytes:
        """As core.sealing.signing_key.SigningKey."""
        return self._ml_dsa_65.sign(data)

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """As store.vault.KeyWrapper: nonce | AES-256-GCM ciphertext and tag."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self._wrapping).encrypt(nonce, key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """As store.vault.KeyWrapper. Raises ValueError."""
        try:
            return AESGCM(self._wrapping).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context)
        except InvalidTag as error:
            raise ValueError("not wrapped by this key under this context") from error


def load_tls_key(path: Path, passphrase: bytes | None) -> bytes:
    """A TLS key as unencrypted PEM, as gRPC takes it: in memory only. Raises KeysUnusable."""
    key = _load_pem(path, passphrase)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _load_pem(path: Path, passphrase: bytes | None) -> PrivateKey:
    """A PKCS #8 file of ours, or one that a certificate authority's tools encrypted under the same passphrase."""
    content = read_private(path, passphrase)
    password = passphrase if b"ENCRYPTED" in content else None
    try:
        key = load_pem_private_key(content, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeysUnusable(
            f"{path} is damaged, or the passphrase is another one", file=str(path), problem="damaged"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | MLDSA65PrivateKey):
        raise KeysUnusable(f"{path} holds a key of another kind", file=str(path))
    return key


def _load_wrapping(path: Path, passphrase: bytes | None) -> bytes:
    content = read_private(path, passphrase)
    key = content[len(WRAPPING_MAGIC) :]
    if not content.startswith(WRAPPING_MAGIC) or len(key) != KEY_BYTES:
        raise KeysUnusable(f"{path} is no wrapping key", file=str(path))
    return key


def _clear_leftovers(folder: Path) -> None:
    """Take away what a creation left that was cut short: nothing was ever signed or encrypted with it.

    Raises FileExistsError for files that it did not leave: the ES256 key, which is written first, is not there.
    """
    ours = (folder / ES256_FILE).exists()
    for path in (folder / name for name in (ML_DSA_FILE, CLIENT_KEY_FILE, VERIFYING_FILE, REQUEST_FILE, ES256_FILE)):
        if not ours and path.exists():
            raise FileExistsError(errno.EEXIST, "somebody else put a file of this name there", str(path))
        path.unlink(missing_ok=True)
