"""The station's keys in files: signing, wrapping, TLS.

    signing-es256.pem, signing-ml-dsa-65.pem    sign manifests (PKCS #8)
    wrapping.key                                wraps the dossiers' keys (AES-256)
    client-key.pem                              TLS client key, certified by the registry
    verifying-key.txt, client-csr.pem           what the registry is given; public

Private files have mode 0600 in a folder of mode 0700. With a passphrase every one of them is encrypted alike, by scrypt
and AES-256-GCM: PKCS #8's own PBES2 would be the weak door to the same passphrase. Without one, whoever steals the disk
has the keys: use a passphrase or an encrypted disk.
"""

from __future__ import annotations

import base64
import binascii
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
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

WRAPPING_MAGIC: Final = b"EWK0"  # wrapping.key: magic | key
# Any private file under a passphrase: base64 of salt (16) | nonce (12) | ciphertext and tag, between these two lines.
BEGIN: Final = b"-----BEGIN ENROLLMENT ENCRYPTED KEY-----"
END: Final = b"-----END ENROLLMENT ENCRYPTED KEY-----"
MAX_KEY_FILE_BYTES: Final = 64 * 1024
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
        protect = _protection(passphrase)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
            _clear_leftovers(folder)
            _write(folder / ES256_FILE, protect(_pem(es256)))
            _write(folder / ML_DSA_FILE, protect(_pem(ml_dsa_65)))
            _write(folder / CLIENT_KEY_FILE, protect(_pem(client)))
            _write(folder / VERIFYING_FILE, encode_verifying_key(verifying_key), 0o644)
            _write(folder / REQUEST_FILE, request.public_bytes(Encoding.PEM), 0o644)
            _sync_folder(folder)
            # Last: a folder with a wrapping key is a complete one.
            _write(folder / WRAPPING_FILE, protect(WRAPPING_MAGIC + wrapping))
            _sync_folder(folder)
        except OSError as error:
            where = error.filename or folder
            raise KeysUnusable(f"{where} cannot be written: {error.strerror}", folder=str(folder)) from error
        return cls(es256, ml_dsa_65, wrapping, verifying_key)

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


def load_client_key(path: Path, passphrase: bytes | None) -> bytes:
    """The TLS client key as unencrypted PEM, as gRPC takes it: in memory only. Raises KeysUnusable."""
    key = _load_pem(path, passphrase)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _load_pem(path: Path, passphrase: bytes | None) -> PrivateKey:
    """A PKCS #8 file of ours, or one that a certificate authority's tools encrypted under the same passphrase."""
    content = _read_private(path, passphrase)
    password = passphrase if b"ENCRYPTED" in content else None
    try:
        key = load_pem_private_key(content, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeysUnusable(f"{path} is damaged, or the passphrase is another one", file=str(path)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | MLDSA65PrivateKey):
        raise KeysUnusable(f"{path} holds a key of another kind", file=str(path))
    return key


def _load_wrapping(path: Path, passphrase: bytes | None) -> bytes:
    content = _read_private(path, passphrase)
    key = content[len(WRAPPING_MAGIC) :]
    if not content.startswith(WRAPPING_MAGIC) or len(key) != KEY_BYTES:
        raise KeysUnusable(f"{path} is no wrapping key", file=str(path))
    return key


@lru_cache(maxsize=2)  # all files of a folder have one salt: the price is paid once, not at each reconnection
def _derived(passphrase: bytes, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=KEY_BYTES, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P).derive(passphrase)


def _protection(passphrase: bytes | None) -> Callable[[bytes], bytes]:
    """What a file's content goes through before it is written."""
    if passphrase is None:
        return lambda content: content
    salt = os.urandom(SALT_BYTES)
    cipher = AESGCM(_derived(passphrase, salt))

    def protect(content: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        text = base64.encodebytes(salt + nonce + cipher.encrypt(nonce, content, BEGIN))
        return BEGIN + b"\n" + text + END + b"\n"

    return protect


def _unprotect(path: Path, content: bytes, passphrase: bytes | None) -> bytes:
    if passphrase is None:
        raise KeysUnusable(f"{path} needs the station's passphrase: name its file in station.toml", file=str(path))
    try:
        raw = base64.b64decode(content.strip().removeprefix(BEGIN).removesuffix(END))
        salt, nonce = raw[:SALT_BYTES], raw[SALT_BYTES : SALT_BYTES + NONCE_BYTES]
        return AESGCM(_derived(passphrase, salt)).decrypt(nonce, raw[SALT_BYTES + NONCE_BYTES :], BEGIN)
    except (InvalidTag, ValueError, binascii.Error) as error:
        raise KeysUnusable(f"{path} is damaged, or the passphrase is another one", file=str(path)) from error


def _clear_leftovers(folder: Path) -> None:
    """Take away what a creation left that was cut short: nothing was ever signed or encrypted with it.

    Raises FileExistsError for files that it did not leave: the ES256 key, which is written first, is not there.
    """
    ours = (folder / ES256_FILE).exists()
    for path in (folder / name for name in (ML_DSA_FILE, CLIENT_KEY_FILE, VERIFYING_FILE, REQUEST_FILE, ES256_FILE)):
        if not ours and path.exists():
            raise FileExistsError(errno.EEXIST, "somebody else put a file of this name there", str(path))
        path.unlink(missing_ok=True)


def _write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Create, never overwrite; on disk when this returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Put the files' names on disk, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_private(path: Path, passphrase: bytes | None) -> bytes:
    try:
        if os.name == "posix" and path.stat().st_mode & OTHERS:
            raise KeysUnusable(f"{path} can be read by others: chmod 600 it, and have new keys made", file=str(path))
        with path.open("rb") as file:
            content = file.read(MAX_KEY_FILE_BYTES)
    except OSError as error:
        raise KeysUnusable(f"{path} cannot be read: {error.strerror}", file=str(path)) from error
    return _unprotect(path, content, passphrase) if content.startswith(BEGIN) else content
