"""The keys of cards in files of the keys folder: for development, and for points that write no cards of the country.

    card-factory.key          the key set that cards leave the factory with: magic | ENC | MAC | DEK
    card-master-VERSION.key   of which the keys of that version are made, a card's own: magic | key

Whoever has a master key writes any card, so where cards of the country are written it stays in a token:
card_keys_pkcs11. The files are those of private_files.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from enrollment.core.chip.card_keys import (
    FACTORY_VERSION,
    KEY_LENGTHS,
    OWN_VERSIONS,
    CardKeys,
    KeySet,
    MasterKey,
    aes_cmac,
)
from enrollment.service.keys.errors import KeysExist, KeysUnusable
from enrollment.service.keys.private_files import protection, read_private, sync_folder, write_new

FACTORY_FILE: Final = "card-factory.key"
FACTORY_MAGIC: Final = b"ECF0"
MASTER_MAGIC: Final = b"ECM0"
GLOBALPLATFORM_TEST_KEY: Final = bytes(range(0x40, 0x50))  # published: what blank cards for development have

_MASTER_NAME: Final = re.compile(r"card-master-([0-9]{1,3})\.key")


def master_file(version: int) -> str:
    """The name of a version's file."""
    return f"card-master-{version}.key"


def create_card_keys(
    folder: Path, version: int, passphrase: bytes | None, *, octets: int = 32, factory: KeySet | None = None
) -> CardKeys:
    """Make a master key in an existing keys folder, and put the factory's keys there where there are none yet.

    octets: of the master key: what its cards' keys have, 16, 24 or 32. factory: GlobalPlatform's published test keys
    where it is None.
    Raises KeysExist for a version that there is, KeysUnusable.
    """
    if version not in OWN_VERSIONS or octets not in KEY_LENGTHS:
        raise KeysUnusable("versions of card keys are 1 to 127, their lengths 16, 24 or 32", folder=str(folder))
    factory = factory or KeySet(*(GLOBALPLATFORM_TEST_KEY,) * 3)
    protect = protection(passphrase)
    try:
        if not (folder / FACTORY_FILE).exists():
            write_new(folder / FACTORY_FILE, protect(FACTORY_MAGIC + factory.enc + factory.mac + factory.dek))
        write_new(folder / master_file(version), protect(MASTER_MAGIC + os.urandom(octets)))
        sync_folder(folder)
    except FileExistsError:
        raise KeysExist(f"{folder} holds card keys of version {version} already", folder=str(folder)) from None
    except OSError as error:
        where = error.filename or folder
        raise KeysUnusable(f"{where} cannot be written: {error.strerror}", folder=str(folder)) from error
    return load_card_keys(folder, passphrase)


def load_card_keys(folder: Path, passphrase: bytes | None) -> CardKeys:
    """The factory's keys and those of every version. Raises KeysUnusable, naming the file."""
    sources: dict[int, KeySet | MasterKey] = {FACTORY_VERSION: load_factory_keys(folder, passphrase)}
    for path in sorted(folder.glob("card-master-*.key")):
        name = _MASTER_NAME.fullmatch(path.name)
        if name is not None and int(name[1]) in OWN_VERSIONS:
            sources[int(name[1])] = _master(path, passphrase)
    if len(sources) == 1:
        raise KeysUnusable(f"{folder} holds no master key of cards", folder=str(folder))
    return CardKeys(sources)


def load_factory_keys(folder: Path, passphrase: bytes | None) -> KeySet:
    """What blank cards are opened with. Raises KeysUnusable, naming the file."""
    path = folder / FACTORY_FILE
    keys = _content(path, passphrase, FACTORY_MAGIC)
    third = len(keys) // 3
    if len(keys) % 3 or third not in KEY_LENGTHS:
        raise KeysUnusable(f"{path} holds no key set", file=str(path))
    return KeySet(keys[:third], keys[third : 2 * third], keys[2 * third :])


def _master(path: Path, passphrase: bytes | None) -> MasterKey:
    key = _content(path, passphrase, MASTER_MAGIC)
    if len(key) not in KEY_LENGTHS:
        raise KeysUnusable(f"{path} holds no master key", file=str(path))
    return MasterKey(lambda message: aes_cmac(key, message), len(key))


def _content(path: Path, passphrase: bytes | None, magic: bytes) -> bytes:
    content = read_private(path, passphrase)
    if not content.startswith(magic):
        raise KeysUnusable(f"{path} holds something else", file=str(path))
    return content[len(magic) :]
