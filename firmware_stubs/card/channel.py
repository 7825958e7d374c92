"""What a secure channel is to the card: it opens commands and closes answers, or breaks."""

from __future__ import annotations

from typing import Protocol

from firmware_stubs.card.apdu import Command
from firmware_stubs.card.profile import Access


class SecureChannel(Protocol):
    """One session. proved: what its being there proves."""

    @property
    def proved(self) -> Access: ...

    def is_wrapped(self, command: Command) -> bool:
        """Whether the command claims to come through this channel."""

    def unwrap(self, command: Command) -> Command:
        """Check and open a command. Raises Refused: the channel is then over."""

    def wrap(self, data: bytes, status: int) -> bytes:
        """Close an answer: response data, without the status word."""


def pad(data: bytes, block: int) -> bytes:
    """ISO/IEC 9797-1 padding method 2: 80, then zeros to the block's end."""
    return data + b"\x80" + bytes(-(len(data) + 1) % block)


def unpad(data: bytes) -> bytes | None:
    """What `pad` was given; None where it is no padding."""
    stripped = data.rstrip(b"\0")
    return stripped[:-1] if stripped.endswith(b"\x80") else None
