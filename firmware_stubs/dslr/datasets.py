"""The data sets of PTP as octets (ISO 15740, clause 5): little endian, strings in UTF-16 behind their length."""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass

from firmware_stubs.dslr.codes import IMAGE_JPEG, STORAGE_ID, VENDOR_NIKON, Event, Operation, Property


@dataclass(slots=True)
class Setting:
    """One property. form: struct code of its PTP type; choices: what it may be set to, () where read only."""

    code: Property
    form: str
    value: int
    choices: tuple[int, ...] = ()

    def encode(self) -> bytes:
        """The value alone."""
        return struct.pack("<" + self.form, self.value)

    def describe(self) -> bytes:
        """DevicePropDesc, with an enumeration where there is a choice."""
        kind = {"B": 0x0002, "h": 0x0003, "H": 0x0004, "I": 0x0006}[self.form]
        head = struct.pack("<HHB", self.code, kind, bool(self.choices)) + self.encode() * 2
        if not self.choices:
            return head + b"\0"
        return head + struct.pack(f"<BH{len(self.choices)}{self.form}", 2, len(self.choices), *self.choices)


def text(said: str) -> bytes:
    """A string; at most 254 characters."""
    if not said:
        return b"\0"
    return bytes([len(said) + 1]) + said.encode("utf-16-le") + b"\0\0"


def numbers16(values: Collection[int]) -> bytes:
    """An array of UINT16."""
    return struct.pack(f"<I{len(values)}H", len(values), *values)


def numbers32(values: Collection[int]) -> bytes:
    """An array of UINT32."""
    return struct.pack(f"<I{len(values)}I", len(values), *values)


def device_info(
    operations: Collection[Operation], properties: Collection[Property], serial: str, live_view: bool
) -> bytes:
    """DeviceInfo; the vendor's extension is what a host takes live view from."""
    return b"".join(
        (
            struct.pack("<HIH", 100, VENDOR_NIKON if live_view else 0, 100),
            text(""),
            struct.pack("<H", 0),
            numbers16(sorted(operations)),
            numbers16(sorted(Event)),
            numbers16(sorted(properties)),
            numbers16([IMAGE_JPEG]),
            numbers16([IMAGE_JPEG]),
            text("Stub Optical"),
            text("Reflex 6"),
            text("1.02"),
            text(serial),
        )
    )


def storage_info(capacity: int, free: int, free_images: int) -> bytes:
    """StorageInfo of a memory card with folders by DCF."""
    return struct.pack("<HHHQQI", 4, 3, 0, capacity, free, free_images) + text("card") + text("")


def object_info(name: str, size: int, width: int, height: int) -> bytes:
    """ObjectInfo of one JPEG file without a thumbnail, in the card's root."""
    return (
        struct.pack("<IHHI", STORAGE_ID, IMAGE_JPEG, 0, size)
        + struct.pack("<HIII", 0, 0, 0, 0)
        + struct.pack("<III", width, height, 24)
        + struct.pack("<IHII", 0, 0, 0, 0)
        + text(name)
        + text("20260101T090000")
        + text("20260101T090000")
        + text("")
    )
