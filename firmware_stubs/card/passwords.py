"""What the holder's card is opened by: the MRZ's three fields, or the CAN. Written by PUT DATA when it is personalised.

62 L {04 L document number} {04 L date of birth} {04 L date of expiry}     without check digits
65 L {04 06 CAN}
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Mapping
from typing import Final

from firmware_stubs.card import tlv
from firmware_stubs.card.apdu import Refused, Status

MRZ_OBJECT, CAN_OBJECT = 0x62, 0x65
MRZ, CAN = 0x01, 0x02  # password references of MSE:Set AT (Doc 9303-11, 4.4.4.1)
_WEIGHTS: Final = (7, 3, 1)
_LETTERS: Final = string.digits + string.ascii_uppercase
_VALUES: Final = {"<": 0} | {sign: value for value, sign in enumerate(_LETTERS)}


def check_digit(field: str) -> str:
    """Of a field of the MRZ (Doc 9303-3, 4.9). Raises KeyError for a character that is not of it."""
    return str(sum(_VALUES[character] * _WEIGHTS[at % 3] for at, character in enumerate(field)) % 10)


def password(objects: Mapping[int, bytes], reference: int) -> bytes:
    """SHA-1 of the MRZ information, 20 bytes, or the CAN's digits. Raises Refused with 6A88 where none was written."""
    tag = {MRZ: MRZ_OBJECT, CAN: CAN_OBJECT}.get(reference, 0)
    if tag not in objects:
        raise Refused(Status.REFERENCED_DATA_NOT_FOUND)
    fields = [value for _, value in tlv.decode(objects[tag])]
    if reference == CAN:
        return b"".join(fields[:1])
    try:
        document, *dates = (field.decode("ascii") for field in fields)
        information = "".join(field + check_digit(field) for field in (document.ljust(9, "<"), *dates))
    except (KeyError, ValueError):
        raise Refused(Status.REFERENCED_DATA_NOT_FOUND) from None
    return hashlib.sha1(information.encode()).digest()  # noqa: S324 - the standard's
