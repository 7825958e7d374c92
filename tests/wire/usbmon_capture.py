"""A pcapng file of usbmon, as `umockdev-run -p` plays it: read, and written anew from a script.

Each packet is a submission (S) or a completion (C) of a request, under one id (Linux, Documentation/usb/usbmon.rst):

     0 id 8 | 8 type 1, transfer 1, endpoint 1, device 1 | 12 bus 2 | 14 no setup 1, no data 1 | 16 seconds 8 | 24 us 4
    28 status 4 | 32 length 4 | 36 captured 4 | 40 setup 8 | 48 interval 4, start 4, flags 4, descriptors 4 | 64 data
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_HEADER: Final = struct.Struct("<QBBBBHBBqiiII8s16s")
_ENHANCED_PACKET: Final = 6
_LINK_USB_LINUX_MMAPPED: Final = 220
_TRANSFER_FLAGS_IN: Final = bytes.fromhex("00000000000000000002000000000000")
_EINPROGRESS, _ENOENT = -115, -2
INTERRUPT, CONTROL, BULK = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Packet:
    """kind: S or C. transfer: INTERRUPT, CONTROL, BULK. setup: of a control submission, else empty."""

    kind: str
    transfer: int
    endpoint: int
    setup: bytes
    data: bytes
    length: int
    status: int


def read_capture(path: Path) -> Iterator[Packet]:
    """The packets of a file. Raises ValueError for one that is no such file."""
    content = path.read_bytes()
    at = 0
    while at + 12 <= len(content):
        kind, size = struct.unpack_from("<II", content, at)
        if size < 12 or at + size > len(content):
            raise ValueError(f"{path}: not a pcapng file of this byte order")
        if kind == _ENHANCED_PACKET:
            captured = struct.unpack_from("<I", content, at + 20)[0]
            yield _decode(content[at + 28 : at + 28 + captured])
        at += size


def _decode(raw: bytes) -> Packet:
    fields = _HEADER.unpack_from(raw)
    _, kind, transfer, endpoint, _, _, no_setup, _, _, _, status, length, _, setup, _ = fields
    return Packet(chr(kind), transfer, endpoint, b"" if no_setup else setup, raw[_HEADER.size :], length, status)


class Script:
    """Requests in the order in which they were made and answered. bus, device: as the recording's `device` says."""

    def __init__(self, *, bus: int = 1, device: int = 47) -> None:
        self._address = device, bus
        self._blocks = [_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
        self._blocks.append(_block(1, struct.pack("<HHI", _LINK_USB_LINUX_MMAPPED, 0, 0)))
        self._ids = 0
        self._listening = 0
        self._reading = 0

    def save(self, path: Path) -> None:
        path.write_bytes(b"".join(self._blocks))

    def control_in(self, setup: bytes, answer: bytes, meanwhile: Callable[[], None] = lambda: None) -> None:
        """meanwhile: adds what happens before the answer."""
        request = self._next_id()
        self._add("S", request, CONTROL, 0x80, setup=setup, length=setup[6] | setup[7] << 8)
        meanwhile()
        self._add("C", request, CONTROL, 0x80, answer, length=len(answer))

    def control_out(self, setup: bytes, payload: bytes, meanwhile: Callable[[], None] = lambda: None) -> None:
        """meanwhile: adds what happens before it is taken."""
        request = self._next_id()
        self._add("S", request, CONTROL, 0x00, payload, setup=setup, length=len(payload))
        meanwhile()
        self._add("C", request, CONTROL, 0x00, length=len(payload))

    def listen(self, endpoint: int, length: int = 64) -> None:
        """Submit the interrupt read."""
        self._listening = self._next_id()
        self._add("S", self._listening, INTERRUPT, endpoint, length=length)

    def interrupt(self, endpoint: int, data: bytes) -> None:
        """End the interrupt read, and submit the next."""
        self._add("C", self._listening, INTERRUPT, endpoint, data, length=len(data))
        self.listen(endpoint)

    def stop_listening(self, endpoint: int) -> None:
        self._add("C", self._listening, INTERRUPT, endpoint, length=0, status=_ENOENT)

    def queue_read(self, endpoint: int, length: int) -> None:
        self._reading = self._next_id()
        self._add("S", self._reading, BULK, endpoint, length=length)

    def end_read(self, endpoint: int, data: bytes) -> None:
        self._add("C", self._reading, BULK, endpoint, data, length=len(data))

    def _next_id(self) -> int:
        self._ids += 1
        return 0xFFFF_8880_0000_0000 + 0x100 * self._ids

    def _add(
        self,
        kind: str,
        request: int,
        transfer: int,
        endpoint: int,
        data: bytes = b"",
        *,
        length: int,
        setup: bytes = b"",
        status: int | None = None,
    ) -> None:
        if status is None:
            status = _EINPROGRESS if kind == "S" else 0
        flags = _TRANSFER_FLAGS_IN if endpoint & 0x80 else bytes(16)
        if transfer == INTERRUPT:
            flags = b"\x08" + flags[1:]
        header = _HEADER.pack(
            *(request, ord(kind), transfer, endpoint, *self._address),
            *(0 if setup else 0x2D, 0 if data else 0x3C, 0, 0, status, length, len(data), setup, flags),
        )
        captured = header + data
        packet = struct.pack("<IIIII", 0, 0, 0, len(captured), len(captured))
        self._blocks.append(_block(_ENHANCED_PACKET, packet + captured + bytes(-len(captured) % 4)))


def _block(kind: int, body: bytes) -> bytes:
    size = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", kind) + size + body + size


def host_seeds(packets: Iterator[Packet] | Sequence[Packet]) -> tuple[int, ...]:
    """The seeds that the recorded host of a U.are.U wrote, in order: register 0x33, a key number and 32 bits."""
    return tuple(
        int.from_bytes(packet.data[1:5], "little")
        for packet in packets
        if packet.kind == "S" and packet.setup[:4] == bytes.fromhex("40043300") and len(packet.data) == 5
    )
