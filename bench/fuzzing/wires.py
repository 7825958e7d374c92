"""Targets: what devices and USB/IP servers answer, and cameras send, as the drivers read it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np

from bench.fuzzing.target import Target, require
from drivers.camera.motion_jpeg import read_jpeg
from drivers.errors import DriverError
from drivers.fingerprint.uru4000 import descramble, wire
from drivers.usb import descriptors, usbip_wire

DEVICE: Final = bytes.fromhex("1201000200000008ba050a00030101020001")
CONFIGURATION: Final = bytes.fromhex("09022000010100a032 09040000 02ffffff00 0705810340000a 07058202400000")
STRING: Final = bytes((14, 3)) + "U.are.".encode("utf-16-le")
MOST_DECODED_PIXELS: Final = 65_536
IMAGE_BLOCKS: Final = ((2, 72), (0, 1), (2, 49), (1, 1), (0, 1), (2, 49), (0, 1), (2, 116))


def usb_descriptors(data: bytes) -> None:
    """A descriptor of the kind that its second octet tells."""
    descriptors.decode_string(data).encode("utf-8")
    require((descriptors.decode_language(data) or 0) >= 0, "a language is no number")
    if data[1:2] == bytes((descriptors.TYPE_DEVICE,)):
        descriptors.decode_device(data)
    elif data[1:2] != bytes((descriptors.TYPE_STRING,)):
        found = descriptors.decode_configuration(data)
        endpoints = sum(len(interface.endpoints) for interface in found.interfaces)
        require(len(found.interfaces) + endpoints <= len(data) // 2, "more descriptors than there are octets for")


def usbip_answer(data: bytes) -> None:
    """The first octet chooses the message; the rest is cut or filled to the length that the driver waits for."""
    kind, octets = data[:1], data[1:]

    def of(length: int) -> bytes:
        return octets[:length].ljust(length, b"\0")

    match kind[0] % 4 if kind else 0:
        case 0:
            usbip_wire.decode_operation(of(usbip_wire.OPERATION_BYTES), usbip_wire.Operation.REPLY_IMPORT)
        case 1:
            usbip_wire.decode_device_count(of(4))
        case 2:
            device = usbip_wire.decode_device(of(usbip_wire.DEVICE_BYTES))
            usbip_wire.encode_import_request(device.busid)
        case _:
            require(usbip_wire.decode_reply(of(usbip_wire.URB_HEADER_BYTES)).error >= 0, "an error of no number")


def usbip_seeds() -> Iterator[bytes]:
    yield b"\0" + struct.pack(">HHI", usbip_wire.VERSION, usbip_wire.Operation.REPLY_IMPORT, 0)
    yield b"\1" + bytes((0, 0, 0, 1))
    yield b"\2" + bytes(256) + b"1-1".ljust(32, b"\0") + bytes(24)
    yield b"\3" + struct.pack(">II12xii20x", usbip_wire.Command.RET_SUBMIT, 1, -32, 0)


def uru4000_image(data: bytes) -> None:
    """The header of a transfer, a key, and a pattern of pixels, repeated for as many lines as the header says."""
    header, key, pattern = data[: wire.HEADER_BYTES], data[wire.HEADER_BYTES :][:4], data[wire.HEADER_BYTES + 4 :]
    stored = min(int.from_bytes(header[4:6], "little"), wire.IMAGE_HEIGHT)  # more are refused unread
    pixels = np.resize(np.frombuffer(pattern, np.uint8), stored * wire.IMAGE_WIDTH).tobytes()
    image = wire.decode_image(header + pixels)
    renewals = sum(1 for block in image.blocks if block.flags & wire.BlockFlag.NEW_KEY)
    descramble.may_be_scrambled(image)
    descramble.is_scrambled(image.lines[descramble.suspects(image)])
    lines = descramble.clear_lines(image, (int.from_bytes(key, "little"),) * (1 + renewals))
    require(lines.shape == image.lines.shape, "lines were lost")
    upright = descramble.assemble(image, lines, turned=True)
    require(upright.shape == (wire.IMAGE_HEIGHT, wire.IMAGE_WIDTH), "an image of another shape")


def uru4000_seeds() -> Iterator[bytes]:
    for flags in (0, wire.BlockFlag.NEW_KEY):
        listed = b"".join(bytes((kind | flags, lines)) for kind, lines in IMAGE_BLOCKS)
        stored = sum(lines for kind, lines in IMAGE_BLOCKS if not kind & wire.BlockFlag.NOT_STORED)
        header = bytes.fromhex("10408001") + stored.to_bytes(2, "little") + bytes(10) + listed
        yield header.ljust(wire.HEADER_BYTES, b"\0") + b"key!" + bytes(range(251))


def uru4000_answers(data: bytes) -> None:
    """What else the scanner says: an interrupt, its versions, a key."""
    wire.decode_firmware(data)
    wire.decode_interrupt(data)
    require(0 <= wire.decode_key(data, 0x1234_5678) < 1 << 32, "a key that is no register")


def motion_jpeg(data: bytes) -> None:
    """One frame of a camera; a large one is not decoded."""
    jpeg = read_jpeg(data)
    require(len(jpeg.content) <= len(data), "a picture of more octets than came")
    if jpeg.width * jpeg.height <= MOST_DECODED_PIXELS:
        require(jpeg.pixels.shape == (jpeg.height, jpeg.width, 3), "a picture of another size than it says")


def motion_jpeg_seeds() -> Iterator[bytes]:
    for options in ([], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]):
        yield cv2.imencode(".jpg", np.arange(768, dtype=np.uint8).reshape(16, 16, 3), options)[1].tobytes()


WIRE_TARGETS: Final = (
    Target("USB-descriptors", usb_descriptors, lambda: [DEVICE, CONFIGURATION, STRING], 512, refusal=DriverError),
    Target("USBIP", usbip_answer, usbip_seeds, 400, refusal=DriverError),
    Target("uru4000-image", uru4000_image, uru4000_seeds, 1024, refusal=DriverError),
    Target("uru4000-answers", uru4000_answers, lambda: [bytes(wire.SCRAMBLE_ANSWER_BYTES)], 64, refusal=DriverError),
    Target("motion-JPEG", motion_jpeg, motion_jpeg_seeds, 2048, refusal=DriverError),
)
