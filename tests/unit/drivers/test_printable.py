"""What a device says of itself, before anybody sees it."""

from __future__ import annotations

import pytest

from drivers.discovery import FoundDevice
from drivers.spi import LONGEST_TEXT, DeviceIdentity, DeviceKind, printable


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("U.are.U® 4500", "U.are.U® 4500"),
        ("Máy quét 指紋", "Máy quét 指紋"),
        ("\x1b[2JA\x00", "\ufffd[2JA\ufffd"),
        (" two\r\nlines\t", "two lines"),
        ("A\u202eB\u200d", "A\ufffdB\ufffd"),
        ("\ud800", "\ufffd"),
        ("x" * 1000, "x" * LONGEST_TEXT),
    ],
)
def test_text_of_a_device_is_one_short_printable_line(said: str, shown: str) -> None:
    assert printable(said) == shown


def test_whoever_names_a_device_shows_it_printable() -> None:
    assert DeviceIdentity("\x1b[31m", "\a", "\n", "\0") == DeviceIdentity("\ufffd[31m", "\ufffd", "", "\ufffd")
    found = FoundDevice("x-1", DeviceKind.CAMERA, "x", "x:1", "\x1b[31m", "a\nb", "\ud800")
    assert (found.vendor, found.model, found.serial) == ("\ufffd[31m", "a b", "\ufffd")
