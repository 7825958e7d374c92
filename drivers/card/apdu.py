"""The four cases of a command APDU, short and extended (ISO/IEC 7816-3, 12.1.3), as whoever carries it must know them.

1  CLA INS P1 P2
2  CLA INS P1 P2 Le            Le: 1 octet, 00 for 256;   extended 00 and 2 octets, 0000 for 65,536
3  CLA INS P1 P2 Lc data       Lc: 1 octet;               extended 00 and 2 octets
4  CLA INS P1 P2 Lc data Le    Le: 1 octet;               extended 2 octets
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, Self

from drivers.errors import UnsupportedDevice

CHAIN: Final = 0x10  # of CLA: more of this command's data is to come
MAX_SHORT_DATA: Final = 255
MAX_SHORT_ANSWER: Final = 256
MAX_DATA: Final = 65_535
MAX_ANSWER: Final = 65_536


@dataclass(frozen=True, slots=True)
class CommandApdu:
    """header: CLA INS P1 P2. awaited: octets that may be answered (Ne), 0 for none."""

    header: bytes
    data: bytes = field(default=b"", repr=False)
    awaited: int = 0

    @classmethod
    def parse(cls, apdu: bytes) -> Self:
        """Read one in any form. Raises UnsupportedDevice where it is none."""
        header, body = apdu[:4], apdu[4:]
        if len(header) < 4:
            raise UnsupportedDevice("no command APDU: fewer than four octets", length=len(apdu))
        if not body:
            return cls(header)
        if len(body) == 1:
            return cls(header, awaited=body[0] or MAX_SHORT_ANSWER)
        width = 1 if body[0] else 2
        if width == 2:
            if len(body) == 3:
                return cls(header, awaited=int.from_bytes(body[1:]) or MAX_ANSWER)
            body = body[1:]
        length = int.from_bytes(body[:width])
        data, le = body[width : width + length], body[width + length :]
        if not length or len(data) < length or len(le) not in (0, width):
            raise UnsupportedDevice("no command APDU: its lengths do not fit", length=len(apdu))
        most = MAX_SHORT_ANSWER if width == 1 else MAX_ANSWER
        return cls(header, data, (int.from_bytes(le) or most) if le else 0)

    def encode(self) -> bytes:
        """In the short form where it fits, else in the extended one."""
        data, awaited = self.data, self.awaited
        if len(data) <= MAX_SHORT_DATA and awaited <= MAX_SHORT_ANSWER:
            lc = bytes((len(data),)) if data else b""
            return self.header + lc + data + (bytes((awaited & 0xFF,)) if awaited else b"")
        lc = b"\0" + len(data).to_bytes(2) if data else b""
        le = (b"" if data else b"\0") + (awaited & 0xFFFF).to_bytes(2) if awaited else b""
        return self.header + lc + data + le

    def awaiting(self, count: int) -> Self:
        """The same command, for another length of answer."""
        return replace(self, awaited=count)

    def pieces(self, most: int) -> list[Self]:
        """A chain of commands with at most so many octets of data each (ISO/IEC 7816-4, 5.3.3); itself where it fits.

        The chain bit of the command's own CLA stays as it is in the last piece: it is the caller's.
        """
        if len(self.data) <= most:
            return [self]
        starts = range(0, len(self.data), most)
        more = bytes((self.header[0] | CHAIN,)) + self.header[1:]
        parts = [replace(self, header=more, data=self.data[at : at + most], awaited=0) for at in starts]
        parts[-1] = replace(self, data=self.data[starts[-1] :])
        return parts
