"""USB/IP 1.1.1 messages, to and from bytes; no I/O. All fields are big endian.

    question        0x0111 | code (2) | status (4) | ...            device list and import, one TCP connection each
    urb header      command (4) | seqnum (4) | devid (4) | direction (4) | ep (4) | 28 bytes by command | data

Source: Documentation/usb/usbip_protocol.rst of the Linux kernel. Error numbers on this wire are Linux's, negated.
"""

from __future__ import annotations

import errno
import re
import struct
from dataclasses import dataclass
from enum import IntEnum

from drivers.errors import ProtocolViolation
from drivers.usb.request import Request

VERSION = 0x0111
MAX_EXPORTED_DEVICES = 512
BUSID_BYTES = 32

_OPERATION = struct.Struct(">HHI")
_DEVICE = struct.Struct(">256s32sIIIHHH6B")
_SUBMIT = struct.Struct(">IIIIIIiiii8s")
_UNLINK = struct.Struct(">IIIIII24x")
_REPLY = struct.Struct(">II12xii20x")

OPERATION_BYTES = _OPERATION.size
DEVICE_BYTES = _DEVICE.size
INTERFACE_BYTES = 4
URB_HEADER_BYTES = _SUBMIT.size

_URB_DIR_IN = 0x200
_BUSID = re.compile(r"[0-9A-Za-z._:-]{1,31}")


class Operation(IntEnum):
    """Codes of the opening question and its answer."""

    REQUEST_DEVLIST = 0x8005
    REPLY_DEVLIST = 0x0005
    REQUEST_IMPORT = 0x8003
    REPLY_IMPORT = 0x0003


class Command(IntEnum):
    """Commands of an imported device's connection."""

    SUBMIT = 1
    UNLINK = 2
    RET_SUBMIT = 3
    RET_UNLINK = 4


class ImportStatus(IntEnum):
    """Why an import was refused (usbip_common.h of the Linux tools)."""

    OK = 0
    NOT_AVAILABLE = 1
    DEVICE_BUSY = 2
    DEVICE_ERROR = 3
    NO_DEVICE = 4
    ERROR = 5


ERRNO_OF_IMPORT_STATUS: dict[int, int] = {
    ImportStatus.NOT_AVAILABLE: errno.EBUSY,
    ImportStatus.DEVICE_BUSY: errno.EBUSY,
    ImportStatus.DEVICE_ERROR: errno.EIO,
    ImportStatus.NO_DEVICE: errno.ENODEV,
    ImportStatus.ERROR: errno.EIO,
}

# The numbers are Linux's; this machine's errno may differ.
_ERRNO_OF_LINUX = {
    2: errno.ECANCELED,  # ENOENT: unlinked, waited for
    19: errno.ENODEV,
    32: errno.EPIPE,
    75: errno.EOVERFLOW,
    104: errno.ECANCELED,  # ECONNRESET: unlinked
    108: errno.ENODEV,  # ESHUTDOWN: the device or its controller went away
    110: errno.ETIMEDOUT,
    121: 0,  # EREMOTEIO: shorter than asked, which is no error here
}


@dataclass(frozen=True, slots=True)
class ExportedDevice:
    """One device that a server offers."""

    busid: str
    busnum: int
    devnum: int
    vendor_id: int
    product_id: int
    interface_count: int

    @property
    def devid(self) -> int:
        return self.busnum << 16 | self.devnum


@dataclass(frozen=True, slots=True)
class Reply:
    """Header of a RET_SUBMIT or RET_UNLINK."""

    command: int
    seqnum: int
    status: int
    actual_length: int

    @property
    def error(self) -> int:
        """status as an errno of this machine; 0 is success. An unknown number becomes EIO."""
        return 0 if self.status == 0 else _ERRNO_OF_LINUX.get(-self.status, errno.EIO)


def encode_devlist_request() -> bytes:
    return _OPERATION.pack(VERSION, Operation.REQUEST_DEVLIST, 0)


def encode_import_request(busid: str) -> bytes:
    """Raises ProtocolViolation for a busid that cannot be one."""
    if _BUSID.fullmatch(busid) is None:
        raise ProtocolViolation("not a USB/IP bus id", length=len(busid))
    return _OPERATION.pack(VERSION, Operation.REQUEST_IMPORT, 0) + busid.encode("ascii").ljust(BUSID_BYTES, b"\0")


def decode_operation(header: bytes, expected: Operation) -> int:
    """Return the status of an answer. Raises ProtocolViolation where it is not the expected answer."""
    version, code, status = _OPERATION.unpack(header)
    if code != expected:
        raise ProtocolViolation("not an answer to the USB/IP question asked", code=code, version=version)
    return int(status)


def decode_device_count(count: bytes) -> int:
    value = int.from_bytes(count, "big")
    if value > MAX_EXPORTED_DEVICES:
        raise ProtocolViolation("a USB/IP server lists more devices than any has", count=value)
    return value


def decode_device(record: bytes) -> ExportedDevice:
    """record: DEVICE_BYTES bytes. Raises ProtocolViolation for a bus id that no address can hold."""
    fields = _DEVICE.unpack(record)
    busid = fields[1].split(b"\0", 1)[0].decode("ascii", "replace")
    if _BUSID.fullmatch(busid) is None:
        raise ProtocolViolation("a USB/IP server lists a device without a usable bus id")
    return ExportedDevice(busid, fields[2], fields[3], fields[5], fields[6], fields[13])


def encode_submit(seqnum: int, devid: int, request: Request) -> bytes:
    header = _SUBMIT.pack(
        Command.SUBMIT,
        seqnum,
        devid,
        int(request.is_in),
        request.endpoint & 0x0F,
        _URB_DIR_IN if request.is_in else 0,
        request.length,
        0,  # start frame: no isochronous transfers here
        -1,  # number of packets: likewise
        request.interval,
        request.setup,
    )
    return header + request.payload


def encode_unlink(seqnum: int, devid: int, victim: int) -> bytes:
    return _UNLINK.pack(Command.UNLINK, seqnum, devid, 0, 0, victim)


def decode_reply(header: bytes | bytearray) -> Reply:
    """header: URB_HEADER_BYTES bytes. Raises ProtocolViolation for what is no reply."""
    command, seqnum, status, actual_length = _REPLY.unpack(header)
    if command not in (Command.RET_SUBMIT, Command.RET_UNLINK):
        raise ProtocolViolation("a USB/IP message that is no reply", command=command)
    return Reply(command, seqnum, status, actual_length)
