"""What a reader's name tells. It counts readers and slots in the order in which they came, so the next plugging in may
change it.

    Gemalto PC Twin Reader (70D7E2EE) 00 00        pcsc-lite: model (serial number) reader slot, both in hexadecimal
    ACS ACR39U ICC Reader 0                        Windows: model and a number
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINUX = re.compile(r"(?P<model>.*?)(?: \((?P<serial>[^()]+)\))? (?P<reader>[0-9A-F]{2}) (?P<slot>[0-9A-F]{2})")
_WINDOWS = re.compile(r"(?P<model>.*?) (?P<reader>\d{1,2})")


@dataclass(frozen=True, slots=True)
class ReaderName:
    """model: without what changes from one plugging in to the next. serial: "" where the name has none."""

    model: str
    serial: str
    slot: int


def parse_name(name: str) -> ReaderName:
    """Read any name."""
    if found := _LINUX.fullmatch(name):
        return ReaderName(found["model"], found["serial"] or "", int(found["slot"], 16))
    if found := _WINDOWS.fullmatch(name):
        return ReaderName(found["model"], "", 0)
    return ReaderName(name, "", 0)
