"""Command and response of a chip card (ISO/IEC 7816-4, 5.1): values, and their octets.

Whoever speaks to a card is handed a `Transmit`; how long commands reach the card is the reader's business. Who has
many commands that do not depend on answers is handed a `TransmitEach` beside it, which does not let the card wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from enrollment.core.errors import CardRefused, MalformedCardAnswer

MAX_DATA: Final = 65_535  # octets of a command's data field
MAX_SHORT_DATA, MAX_SHORT_LE = 255, 256
MAX_LE: Final = 65_536
OK: Final = 0x9000


@dataclass(frozen=True, slots=True)
class Command:
    """le: octets that may be answered, 1 to MAX_LE; None where nothing but a status word is awaited."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = field(default=b"", repr=False)
    le: int | None = None

    @property
    def header(self) -> bytes:
        """CLA INS P1 P2."""
        return bytes((self.cla, self.ins, self.p1, self.p2))

    def encode(self) -> bytes:
        """In the short form where it fits, else in the extended form. Raises ValueError beyond MAX_DATA or MAX_LE."""
        if len(self.data) > MAX_DATA or (self.le is not None and not 1 <= self.le <= MAX_LE):
            raise ValueError("a command longer than any card takes")
        if len(self.data) <= MAX_SHORT_DATA and (self.le or 0) <= MAX_SHORT_LE:
            lc = bytes((len(self.data),)) if self.data else b""
            le = b"" if self.le is None else bytes((self.le & 0xFF,))
            return self.header + lc + self.data + le
        lc = b"\0" + len(self.data).to_bytes(2) if self.data else b""
        le = b"" if self.le is None else (b"" if self.data else b"\0") + (self.le & 0xFFFF).to_bytes(2)
        return self.header + lc + self.data + le


@dataclass(frozen=True, slots=True)
class Response:
    """status: the status word, 0x9000 for success."""

    data: bytes = field(repr=False)
    status: int

    @classmethod
    def decode(cls, octets: bytes) -> Response:
        """Raises MalformedCardAnswer for fewer than two octets."""
        if len(octets) < 2:
            raise MalformedCardAnswer("a card answered without a status word", length=len(octets))
        return cls(octets[:-2], int.from_bytes(octets[-2:]))

    def expect(self, step: str, *allowed: int) -> bytes:
        """The data, where the status word is OK or one of `allowed`. Raises CardRefused, naming the step."""
        if self.status != OK and self.status not in allowed:
            raise CardRefused(f"the card answered {self.status:04X} to {step}", step=step, status=f"{self.status:04X}")
        return self.data


Transmit: TypeAlias = Callable[[Command], Response]
TransmitEach: TypeAlias = Callable[[Iterable[Command]], Iterator[Response]]
"""Commands one after another, up to the first whose status word is not OK; their answers in this order.

Commands may be taken before the answers to those before them are handed out, and one of them may be sent by then.
"""


def one_by_one(transmit: Transmit) -> TransmitEach:
    """What a Transmit makes of it: each answer is handed out before the next command is sent."""

    def transmit_each(commands: Iterable[Command]) -> Iterator[Response]:
        for command in commands:
            response = transmit(command)
            yield response
            if response.status != OK:
                return

    return transmit_each
