"""The commands that write a card, and what their answers may be.

    CREATE FILE     00 E0 00 00   63 04 size (2) identifier (2)
    UPDATE BINARY   00 D6 offset (2)  octets               P1 80 | short identifier, P2 offset: of that file
                    00 D7 00 00   54 L offset  53 L octets     beyond 7FFF
    READ BINARY     00 B0 offset (2);  00 B1 00 00  54 L offset  ->  53 L octets
    PUT DATA        00 DA 00 tag  the data object
    PUT KEY         80 D8 replaced-version 81   version, thrice: 88 L length, key under the old DEK, 03, check value
    lock            80 DA DE AD   ends personalisation, for good

Sources: ISO/IEC 7816-4, 7816-9; GlobalPlatform 2.3.1, 11.8, and Amendment D, 7.2; PUT DATA and lock as the open travel
document applets have them.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from enrollment.core.chip.apdu import MAX_SHORT_LE, Command
from enrollment.core.chip.card_keys import BLOCK_OCTETS, KeySet, key_check_value
from enrollment.core.errors import MalformedCardAnswer, MalformedRecord
from enrollment.core.records.data_object import DataObject, content_of, encode_objects

MAX_EVEN_OFFSET: Final = 0x7FFF
ODD_OVERHEAD: Final = 10  # octets of the two data objects beside what an odd UPDATE BINARY writes
LOCK: Final = Command(0x80, 0xDA, 0xDE, 0xAD)

_OFFSET, _DISCRETIONARY, _CREATE, _AES = 0x54, 0x53, 0x63, 0x88
_MAX_SHORT_IDENTIFIER: Final = 0x1E
_SHORT: Final = 0x80
_NO_RESPONSE_DATA: Final = 0x0C


def select_file(file_id: str) -> Command:
    """file_id: four hexadecimal digits."""
    return Command(0, 0xA4, 0x02, _NO_RESPONSE_DATA, bytes.fromhex(file_id))


def create_file(file_id: str, size: int) -> Command:
    """A transparent file of `size` octets."""
    return Command(0, 0xE0, 0, 0, DataObject(_CREATE, size.to_bytes(2) + bytes.fromhex(file_id)).encode())


def has_short_identifier(file_id: str) -> bool:
    """Whether the file can be named in UPDATE BINARY by the low octet of its identifier (ICAO Doc 9303-10, 3.6)."""
    return 0x0100 < int(file_id, 16) <= 0x0100 | _MAX_SHORT_IDENTIFIER


def update_at_start(file_id: str, octets: bytes) -> Command:
    """Write the beginning of a file that has a short identifier, and make it the current one."""
    return Command(0, 0xD6, _SHORT | int(file_id, 16) & 0x1F, 0, octets)


def update(offset: int, octets: bytes) -> Command:
    """Write into the current file."""
    if offset <= MAX_EVEN_OFFSET:
        return Command(0, 0xD6, offset >> 8, offset & 0xFF, octets)
    objects = (_offset(offset), DataObject(_DISCRETIONARY, octets))
    return Command(0, 0xD7, 0, 0, encode_objects(objects))


def update_named(file_id: str, octets: bytes) -> Command:
    """Write the beginning of a file, whichever is current."""
    identifier = bytes.fromhex(file_id)
    objects = (_offset(0), DataObject(_DISCRETIONARY, octets))
    return Command(0, 0xD7, identifier[0], identifier[1], encode_objects(objects))


def read(offset: int, octets: int) -> Command:
    """Read from the current file."""
    if offset <= MAX_EVEN_OFFSET:
        return Command(0, 0xB0, offset >> 8, offset & 0xFF, b"", octets)
    header = 2 if octets < 0x80 else 3 if octets < 0x100 else 4  # Le counts the data object whole
    return Command(0, 0xB1, 0, 0, _offset(offset).encode(), octets + header)


def read_octets(command: Command, answer: bytes) -> bytes:
    """What the answer to `read` says. Raises MalformedCardAnswer."""
    if not command.ins & 1 or not answer:
        return answer
    try:
        return content_of(answer, _DISCRETIONARY, "READ BINARY")
    except MalformedRecord as error:
        raise MalformedCardAnswer(str(error), step="READ BINARY") from None


def put_data(secret: DataObject) -> Command:
    """A key or password of the chip protocols, with a tag of one octet."""
    return Command(0, 0xDA, 0, secret.tag, secret.encode())


def put_key(replaced: int, version: int, keys: KeySet, dek: bytes) -> tuple[Command, bytes]:
    """A whole key set in the place of version `replaced`, and what the card must answer. dek: of the replaced set."""
    parts = b"".join(_key(key, dek) for key in (keys.enc, keys.mac, keys.dek))
    told = bytes((version,)) + b"".join(map(key_check_value, (keys.enc, keys.mac, keys.dek)))
    return Command(0x80, 0xD8, replaced, 0x81, bytes((version,)) + parts, MAX_SHORT_LE), told


def _key(key: bytes, dek: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(dek), modes.CBC(bytes(BLOCK_OCTETS))).encryptor()
    sealed = encryptor.update(key.ljust(-(-len(key) // BLOCK_OCTETS) * BLOCK_OCTETS, b"\0"))
    check = key_check_value(key)
    return bytes((_AES, 1 + len(sealed), len(key))) + sealed + bytes((len(check),)) + check


def _offset(offset: int) -> DataObject:
    return DataObject(_OFFSET, offset.to_bytes(2, "big"))
