"""USB/IP messages as a server reads and writes them. Every number is big endian; the setup packet is as on the bus.

    operation       version u16 | code u16 | status u32 | OP_REQ_IMPORT: bus id, 32 bytes
    device          path 256 | bus id 32 | busnum u32 | devnum u32 | speed u32 | vendor u16 | product u16 |
                    release u16 | class, subclass, protocol, configuration, configurations, interfaces u8
    URB header      command u32 | seqnum u32 | devid u32 | direction u32 | endpoint u32 | 28 bytes by command:
      CMD_SUBMIT    flags u32 | length u32 | start frame u32 | packets u32 | interval u32 | setup 8
      CMD_UNLINK    seqnum to unlink u32 | 24 zeros
      RET_SUBMIT    status i32 | actual length u32 | start frame u32 | packets u32 | errors u32 | 8 zeros | data if IN
      RET_UNLINK    status i32 | 24 zeros

Source: Linux kernel documentation, "USB/IP protocol", version 0x0111.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

VERSION: Final = 0x0111
OPERATION_BYTES: Final = 8
BUS_ID_BYTES: Final = 32
URB_HEADER_BYTES: Final = 48
MAX_TRANSFER_BYTES: Final = 16 * 1024 * 1024
NOT_ISOCHRONOUS: Final = (0, 0xFFFFFFFF)  # the document says all ones, many clients send zero
FLAG_SHORT_NOT_OK: Final = 0x0001  # URB_SHORT_NOT_OK of the Linux kernel

_OPERATION = struct.Struct(">HHI")
_DEVICE = struct.Struct(">256s32sIIIHHHBBBBBB")
_BASIC = struct.Struct(">IIIII")
_SUBMIT = struct.Struct(">IIIII8s")
_RET_SUBMIT = struct.Struct(">IIIIIiIIII8x")
_RET_UNLINK = struct.Struct(">IIIIIi24x")


class Operation(IntEnum):
    """Codes before a device is imported."""

    REQ_DEVLIST = 0x8005
    REP_DEVLIST = 0x0005
    REQ_IMPORT = 0x8003
    REP_IMPORT = 0x0003


class OperationStatus(IntEnum):
    """Statuses of a reply; any but OK ends it after the status."""

    OK = 0
    BUSY = 2
    NO_DEVICE = 4


class Command(IntEnum):
    """URB commands after a device is imported."""

    CMD_SUBMIT = 1
    CMD_UNLINK = 2
    RET_SUBMIT = 3
    RET_UNLINK = 4


class UrbStatus(IntEnum):
    """Negative Linux error numbers, as the wire carries them on every platform."""

    OK = 0
    STALL = -32  # EPIPE
    OVERFLOW = -75  # EOVERFLOW: the device sent more than the buffer holds
    UNLINKED = -104  # ECONNRESET
    SHUTDOWN = -108  # ESHUTDOWN: the device was reset under the transfer
    SHORT = -121  # EREMOTEIO: short, and the client asked that it be an error


class MalformedFrame(Exception):
    """Bytes that no client of this protocol may send; the connection is closed."""


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """What a device list and an import reply say of one device."""

    path: str
    bus_id: str
    bus_number: int
    device_number: int
    speed: int
    vendor_id: int
    product_id: int
    release: int
    device_class: tuple[int, int, int]
    configuration: int
    interfaces: tuple[tuple[int, int, int], ...]

    def encode(self) -> bytes:
        """The 312 bytes that both replies share."""
        return _DEVICE.pack(
            self.path.encode("ascii"),
            self.bus_id.encode("ascii"),
            self.bus_number,
            self.device_number,
            self.speed,
            self.vendor_id,
            self.product_id,
            self.release,
            *self.device_class,
            self.configuration,
            1,
            len(self.interfaces),
        )

    def encode_interfaces(self) -> bytes:
        """Four bytes an interface; only a device list carries them."""
        return b"".join(bytes((*triple, 0)) for triple in self.interfaces)


@dataclass(frozen=True, slots=True)
class Submit:
    """CMD_SUBMIT without its OUT data; the direction decides whether that follows."""

    sequence: int
    device_id: int
    incoming: bool
    endpoint: int
    flags: int
    length: int
    setup: bytes


@dataclass(frozen=True, slots=True)
class Unlink:
    """CMD_UNLINK."""

    sequence: int
    device_id: int
    target: int


def decode_operation(header: bytes) -> int:
    """The code of an 8-byte operation header. Raises MalformedFrame for another version."""
    version, code, _status = _OPERATION.unpack(header)
    if version != VERSION:
        raise MalformedFrame(f"version {version:#06x}, this server speaks {VERSION:#06x}")
    return int(code)


def decode_bus_id(field: bytes) -> str:
    """A bus id out of its 32-byte field. Raises MalformedFrame where it is not a closed ASCII string."""
    text, zero, _rest = field.partition(b"\0")
    if not zero or not text.isascii():
        raise MalformedFrame("the bus id is not ASCII closed by a zero")
    return text.decode("ascii")


def encode_device_list(devices: list[DeviceRecord]) -> bytes:
    """OP_REP_DEVLIST."""
    head = _OPERATION.pack(VERSION, Operation.REP_DEVLIST, OperationStatus.OK) + len(devices).to_bytes(4, "big")
    return head + b"".join(device.encode() + device.encode_interfaces() for device in devices)


def encode_import(status: OperationStatus, device: DeviceRecord | None = None) -> bytes:
    """OP_REP_IMPORT; the device only with OK."""
    head = _OPERATION.pack(VERSION, Operation.REP_IMPORT, status)
    return head + (device.encode() if device is not None else b"")


def decode_urb(header: bytes) -> Submit | Unlink:
    """A 48-byte URB header. Raises MalformedFrame for what a client may not send."""
    command, sequence, device_id, direction, endpoint = _BASIC.unpack_from(header)
    if command == Command.CMD_UNLINK:
        return Unlink(sequence, device_id, int.from_bytes(header[20:24], "big"))
    if command != Command.CMD_SUBMIT:
        raise MalformedFrame(f"command {command:#x}")
    flags, length, _start_frame, packets, _interval, setup = _SUBMIT.unpack_from(header, _BASIC.size)
    if direction > 1 or endpoint > 15:
        raise MalformedFrame(f"direction {direction}, endpoint {endpoint}")
    if length > MAX_TRANSFER_BYTES:
        raise MalformedFrame(f"a transfer of {length} bytes, at most {MAX_TRANSFER_BYTES}")
    if packets not in NOT_ISOCHRONOUS:
        raise MalformedFrame("isochronous transfers are not offered")
    return Submit(sequence, device_id, direction == 1, endpoint, flags, length, setup)


def encode_submit_reply(sequence: int, status: int, actual_length: int, payload: bytes) -> bytes:
    """RET_SUBMIT; payload is empty for OUT."""
    head = _RET_SUBMIT.pack(Command.RET_SUBMIT, sequence, 0, 0, 0, status, actual_length, 0, 0xFFFFFFFF, 0)
    return head + payload


def encode_unlink_reply(sequence: int, status: int) -> bytes:
    """RET_UNLINK."""
    return _RET_UNLINK.pack(Command.RET_UNLINK, sequence, 0, 0, 0, status)
