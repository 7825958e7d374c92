"""Private files of the station: written once, for their owner only, and encrypted where there is a passphrase.

Every one of them is encrypted alike, by scrypt and AES-256-GCM: PKCS #8's own PBES2 would be the weak door to the same
passphrase. Without one, whoever steals the disk has the keys: use a passphrase or an encrypted disk.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from enrollment.service.keys.errors import KeysUnusable

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


@lru_cache(maxsize=2)  # all files of a folder have one salt: the price is paid once, not at each reconnection
def _derived(passphrase: bytes, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=KEY_BYTES, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P).derive(passphrase)


def protection(passphrase: bytes | None) -> Callable[[bytes], bytes]:
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
        raise KeysUnusable(
            f"{path} needs the station's passphrase: name its file in station.toml",
            file=str(path),
            problem="no passphrase",
        )
    try:
        raw = base64.b64decode(content.strip().removeprefix(BEGIN).removesuffix(END))
        salt, nonce = raw[:SALT_BYTES], raw[SALT_BYTES : SALT_BYTES + NONCE_BYTES]
        return AESGCM(_derived(passphrase, salt)).decrypt(nonce, raw[SALT_BYTES + NONCE_BYTES :], BEGIN)
    except (InvalidTag, ValueError, binascii.Error) as error:
        raise KeysUnusable(
            f"{path} is damaged, or the passphrase is another one", file=str(path), problem="damaged"
        ) from error


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other commands that make something out of an existing folder until the block ends. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_new(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Create whole, never overwrite; the content on disk when this returns."""
    new = _written_beside(path, content, mode)
    try:
        os.link(new, path)
    finally:
        new.unlink()


def replace_file(path: Path, content: bytes, mode: int) -> None:
    """Write in one step, name and all: a reader, and whoever comes after a power cut, sees the old file or the new."""
    _written_beside(path, content, mode).replace(path)
    sync_folder(path.parent)


def _written_beside(path: Path, content: bytes, mode: int) -> Path:
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)  # of a call that was cut short
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return new


def sync_folder(folder: Path) -> None:
    """Put the files' names on disk, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_private(path: Path, passphrase: bytes | None) -> bytes:
    """A file's content in the clear. Raises KeysUnusable, naming the file."""
    try:
        if os.name == "posix" and path.stat().st_mode & OTHERS:
            raise KeysUnusable(
                f"{path} can be read by others: chmod 600 it, and have new keys made",
                file=str(path),
                problem="open to others",
            )
        with path.open("rb") as file:
            content = file.read(MAX_KEY_FILE_BYTES)
    except OSError as error:
        raise KeysUnusable(f"{path} cannot be read: {error.strerror}", file=str(path), problem="unreadable") from error
    return _unprotect(path, content, passphrase) if content.startswith(BEGIN) else content
