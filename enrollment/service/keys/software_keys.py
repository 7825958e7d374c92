"""The station's keys in files: signing, wrapping, TLS.

    signing-es256.pem, signing-ml-dsa-65.pem    sign manifests (PKCS #8)
    wrapping.key                                wraps the dossiers' keys (AES-256), itself encrypted under a passphrase
    client-key.pem                              TLS client key, certified by the registry
    verifying-key.txt, client-csr.pem           what the registry is given; public

Private files have mode 0600 in a folder of mode 0700. With a passphrase PKCS #8 files use PBES2 and the wrapping key
scrypt with AES-256-GCM. Without one, whoever steals the disk has the keys: use a passphrase or an encrypted disk.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from enrollment.core.sealing.public_keys import encode_verifying_key
from enrollment.core.sealing.signing_key import P256_COORDINATE_BYTES, VerifyingKey
from enrollment.service.keys.errors import KeysExist, KeysUnusable

ES256_FILE: Final = "signing-es256.pem"
ML_DSA_FILE: Final = "signing-ml-dsa-65.pem"
WRAPPING_FILE: Final = "wrapping.key"
CLIENT_KEY_FILE: Final = "client-key.pem"
VERIFYING_FILE: Final = "verifying-key.txt"
REQUEST_FILE: Final = "client-csr.pem"

PLAIN: Final = b"EWK0"  # wrapping.key: magic | key
UNDER_PASSPHRASE: Final = b"EWK1"  # wrapping.key: magic | salt (16) | nonce (12) | ciphertext and tag (48)
KEY_BYTES: Final = 32
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
SCRYPT_N: Final = 2**16  # 64 MiB, about 0.2 s: paid once, at start
SCRYPT_R: Final = 8
SCRYPT_P: Final = 1
OTHERS: Final = 0o077

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
        if (folder / WRAPPING_FILE).exists():
            raise KeysExist(f"{folder} holds keys already; keep them, or name another folder", folder=str(folder))
        es256, ml_dsa_65 = ec.generate_private_key(ec.SECP256R1()), MLDSA65PrivateKey.generate()
        client = ec.generate_private_key(ec.SECP256R1())
        wrapping = os.urandom(KEY_BYTES)
        verifying_key = VerifyingKey.from_public_keys(es256.public_key(), ml_dsa_65.public_key())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, station_id)])
        request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(client, hashes.SHA256())
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
            _write_private(folder / ES256_FILE, _pem(es256, passphrase))
            _write_private(folder / ML_DSA_FILE, _pem(ml_dsa_65, passphrase))
            _write_private(folder / CLIENT_KEY_FILE, _pem(client, passphrase))
            (folder / VERIFYING_FILE).write_bytes(encode_verifying_key(verifying_key))
            (folder / REQUEST_FILE).write_bytes(request.public_bytes(Encoding.PEM))
            # Last: a folder with a wrapping key is a complete one.
            _write_private(folder / WRAPPING_FILE, _protect(wrapping, passphrase))
        except OSError as error:
            raise KeysUnusable(f"{folder} cannot be written: {error.strerror}", folder=str(folder)) from error
        return cls(es256, ml_dsa_65, wrapping, verifying_key)

    @classmethod
    def load(cls, folder: Path, passphrase: bytes | None = None) -> Self:
        """Read the keys. Raises KeysUnusable, naming the file."""
        es256 = _load_pem(folder / ES256_FILE, passphrase)
        ml_dsa_65 = _load_pem(folder / ML_DSA_FILE, passphrase)
        if not isinstance(es256, ec.EllipticCurvePrivateKey) or not isinstance(ml_dsa_65, MLDSA65PrivateKey):
            raise KeysUnusable(f"{folder} holds signing keys of another kind", folder=str(folder))
        wrapping = _unprotect(folder / WRAPPING_FILE, passphrase)
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


def load_client_key(path: Path, passphrase: bytes | None) -> bytes:
    """The TLS client key as unencrypted PEM, as gRPC takes it: in memory only. Raises KeysUnusable."""
    key = _load_pem(path, passphrase)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _pem(key: PrivateKey, passphrase: bytes | None) -> bytes:
    encryption = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def _load_pem(path: Path, passphrase: bytes | None) -> PrivateKey:
    content = _read_private(path)
    encrypted = b"ENCRYPTED" in content
    if encrypted and passphrase is None:
        raise KeysUnusable(f"{path} needs the station's passphrase: name its file in station.toml", file=str(path))
    try:
        key = load_pem_private_key(content, passphrase if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeysUnusable(f"{path} is damaged, or the passphrase is another one", file=str(path)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | MLDSA65PrivateKey):
        raise KeysUnusable(f"{path} holds a key of another kind", file=str(path))
    return key


def _derive(passphrase: bytes, salt: bytes) -> AESGCM:
    return AESGCM(Scrypt(salt=salt, length=KEY_BYTES, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P).derive(passphrase))


def _protect(key: bytes, passphrase: bytes | None) -> bytes:
    if passphrase is None:
        return PLAIN + key
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    return UNDER_PASSPHRASE + salt + nonce + _derive(passphrase, salt).encrypt(nonce, key, UNDER_PASSPHRASE)


def _unprotect(path: Path, passphrase: bytes | None) -> bytes:
    content = _read_private(path)
    magic, rest = content[: len(PLAIN)], content[len(PLAIN) :]
    if magic == PLAIN and len(rest) == KEY_BYTES:
        return rest
    if magic != UNDER_PASSPHRASE:
        raise KeysUnusable(f"{path} is no wrapping key", file=str(path))
    if passphrase is None:
        raise KeysUnusable(f"{path} needs the station's passphrase: name its file in station.toml", file=str(path))
    salt, rest = rest[:SALT_BYTES], rest[SALT_BYTES:]
    nonce, sealed = rest[:NONCE_BYTES], rest[NONCE_BYTES:]
    try:
        return _derive(passphrase, salt).decrypt(nonce, sealed, UNDER_PASSPHRASE)
    except (InvalidTag, ValueError) as error:
        raise KeysUnusable(f"{path} is damaged, or the passphrase is another one", file=str(path)) from error


def _write_private(path: Path, content: bytes) -> None:
    """Create, never overwrite; on disk when this returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read_private(path: Path) -> bytes:
    try:
        if os.name == "posix" and path.stat().st_mode & OTHERS:
            raise KeysUnusable(f"{path} can be read by others: chmod 600 it, and have new keys made", file=str(path))
        return path.read_bytes()
    except OSError as error:
        raise KeysUnusable(f"{path} cannot be read: {error.strerror}", file=str(path)) from error
