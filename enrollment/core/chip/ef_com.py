"""EF.COM: which data groups the card has, and by which versions of the standard they are laid out. Not signed: what a
card has is what its security object names.

    60   5F01  LDS version, 4 digits: 0107
         5F36  Unicode version, 6 digits: 040000
         5C    tags of the data groups

Source: ICAO Doc 9303-10, 8th edition, 4.6.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from enrollment.core.chip.elementary_file import value_of
from enrollment.core.errors import MalformedRecord
from enrollment.core.records.data_object import DataObject, encode_objects, only, read_objects
from enrollment.core.records.octets import check_member

TAG: Final = 0x60
LDS_VERSION: Final = "0107"
UNICODE_VERSION: Final = "040000"
# Data group number: tag of its file
DATA_GROUP_TAGS: Final[Mapping[int, int]] = dict(
    enumerate((0x61, 0x75, 0x63, 0x76, *range(0x65, 0x6B), *range(0x6B, 0x71)), start=1)
)
_NUMBERS: Final = {tag: number for number, tag in DATA_GROUP_TAGS.items()}
_NAME: Final = "EF.COM"
_LDS, _UNICODE, _TAGS = 0x5F01, 0x5F36, 0x5C
_DIGITS: Final = {_LDS: 4, _UNICODE: 6}


@dataclass(frozen=True, slots=True)
class CommonData:
    """data_groups: their numbers, 1..16, in the order in which the file has them, each once.

    Raises MalformedRecord for anything else, and for versions that are not 4 and 6 digits.
    """

    data_groups: tuple[int, ...]
    lds_version: str = LDS_VERSION
    unicode_version: str = UNICODE_VERSION

    def __post_init__(self) -> None:
        for number in self.data_groups:
            check_member(number, frozenset(DATA_GROUP_TAGS), "data group", _NAME)
        if len(set(self.data_groups)) != len(self.data_groups):
            raise MalformedRecord(f"{_NAME}: a data group stands twice", field="data group")
        for version, digits in ((self.lds_version, 4), (self.unicode_version, 6)):
            if not (version.isascii() and version.isdigit() and len(version) == digits):
                raise MalformedRecord(f"{_NAME}: a version is not of {digits} digits", field="version", digits=digits)

    def encode(self) -> bytes:
        """The file."""
        tags = bytes(DATA_GROUP_TAGS[number] for number in self.data_groups)
        versions = (DataObject(_LDS, self.lds_version.encode()), DataObject(_UNICODE, self.unicode_version.encode()))
        return DataObject(TAG, encode_objects((*versions, DataObject(_TAGS, tags)))).encode()

    @classmethod
    def decode(cls, octets: bytes) -> CommonData:
        """Read the file. Raises MalformedRecord for anything that `encode` would not have written."""
        objects = read_objects(value_of(octets, TAG, _NAME), _NAME)
        if tuple(found.tag for found in objects) != (_LDS, _UNICODE, _TAGS):
            raise MalformedRecord(f"{_NAME}: other data objects than two versions and the tags", objects=len(objects))
        tags = only(objects, (_TAGS,), "tags", _NAME).value
        for tag in tags:
            check_member(tag, frozenset(_NUMBERS), "tag of a data group", _NAME)
        lds, unicode = (objects[at].value.decode("ascii", errors="replace") for at in range(2))
        return cls(tuple(_NUMBERS[tag] for tag in tags), lds, unicode)
