"""What a kind of card offers, as data. `VN_CCCD` follows what is published of the Vietnamese chip card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import reduce
from operator import xor
from typing import Final


class Access(Enum):
    """What must have been proved before a file opens."""

    ALWAYS = "always"
    READER = "reader"  # secure messaging after BAC, PACE or chip authentication
    TERMINAL = "terminal"  # terminal authentication, which this card does not offer: nobody
    PERSONALISER = "personaliser"  # an SCP03 session


@dataclass(frozen=True, slots=True)
class Profile:
    """aid: of the application. master: files that are found without it. memory_bytes: for all files.
    read: the files that may be, and who reads each; until the card is operational the personaliser may read all.
    scp_i: the "i" parameter of SCP03: 10 pseudo-random challenge, 20 R-MAC, 60 R-MAC and R-ENC.
    extended: whether it takes extended lengths. announced: whether its ATR tells so.
    other_atr: what it answers to a reset instead, whatever that tells: T=0, or nothing that makes sense.
    """

    name: str
    aid: bytes
    master: frozenset[int]
    read: Mapping[int, Access] = field(hash=False)
    memory_bytes: int = 96 * 1024
    scp_i: int = 0x70
    extended: bool = True
    announced: bool = True
    other_atr: bytes = b""

    @property
    def atr(self) -> bytes:
        """T=1; historical bytes with the card capabilities (ISO/IEC 7816-4, 12.1.1.9)."""
        if self.other_atr:
            return self.other_atr
        lengths = 0x80 | (0x40 if self.announced else 0)  # command chaining; extended Lc and Le
        historical = bytes((0x80, 0x73, 0x84, 0x21, lengths))
        told = bytes((0x80 | len(historical), 0x80, 0x01)) + historical
        return b"\x3b" + told + bytes((reduce(xor, told),))


VN_CCCD: Final = Profile(
    name="vn-cccd",
    aid=bytes.fromhex("A0000002471001"),
    master=frozenset((0x011C,)),
    read={
        0x011C: Access.ALWAYS,  # EF.CardAccess
        0x011D: Access.READER,  # EF.SOD
        0x011E: Access.READER,  # EF.COM
        **{0x0100 | group: Access.READER for group in (1, 2, 13, 14, 15)},
        0x0103: Access.TERMINAL,  # fingers
    },
)
PROFILES: Final = {VN_CCCD.name: VN_CCCD}
