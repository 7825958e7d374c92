"""What opens a card: the three fields of its machine readable zone, or the number printed on it (CAN).

Source: ICAO Doc 9303-11, 8th edition, 4.3.2 and 4.4.4.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from enrollment.core.chip.mrz import MachineReadableZone, check_digit
from enrollment.core.errors import InvalidInput

_DOCUMENT_NUMBER: Final = re.compile(r"[0-9A-Z<]{1,22}")  # longer than nine where it runs on in the optional data
_DATE: Final = re.compile(r"[0-9<]{6}")
_ACCESS_NUMBER: Final = re.compile(r"[0-9]{4,12}")


class PasswordKind(IntEnum):
    """How MSE:Set AT names it."""

    ZONE = 1
    ACCESS_NUMBER = 2


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One password. secret: what keys are derived from: SHA-1 of the zone's fields, or the CAN's digits."""

    kind: PasswordKind
    secret: bytes = field(repr=False)

    @classmethod
    def of_fields(cls, document_number: str, birth: str, expiry: str) -> AccessKey:
        """From the printed zone, without check digits. birth, expiry: YYMMDD, unknown parts `<`.

        Raises InvalidInput, naming the field.
        """
        found = {"document_number": document_number.ljust(9, "<"), "birth": birth, "expiry": expiry}
        for name, value in found.items():
            if not (_DOCUMENT_NUMBER if name == "document_number" else _DATE).fullmatch(value):
                raise InvalidInput(f"{name}: not as it stands in a machine readable zone", field=name)
        return cls._of_information("".join(value + check_digit(value) for value in found.values()))

    @classmethod
    def of_zone(cls, zone: MachineReadableZone) -> AccessKey:
        """From a zone that was read."""
        return cls._of_information(zone.access_information)

    @classmethod
    def of_access_number(cls, digits: str) -> AccessKey:
        """From the CAN. Raises InvalidInput for anything but 4 to 12 digits."""
        if not _ACCESS_NUMBER.fullmatch(digits):
            raise InvalidInput("card access number: must be 4 to 12 digits", field="card_access_number")
        return cls(PasswordKind.ACCESS_NUMBER, digits.encode("ascii"))

    @classmethod
    def _of_information(cls, information: str) -> AccessKey:
        digest = hashlib.sha1(information.encode("ascii")).digest()  # noqa: S324 - the standard's
        return cls(PasswordKind.ZONE, digest)
