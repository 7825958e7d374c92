"""What a driver and a process of its own say to each other, over a pair of sockets (`side_process`).

    length of said (4) | length of content (4) | said, JSON in UTF-8 | content        big endian

said is {"call": NAME, ...} of a request, {"value": ...} of an answer, or {"error": REASON, "message": ..., "facts":
{...}}; where there is nothing to say it has no octets. Content is what a device gave or is given, as it is.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

_HEAD = struct.Struct(">II")
_AT_ONCE: Final = 65_536  # octets of content that are copied to be sent with the head

Content: TypeAlias = bytes | bytearray


@dataclass(frozen=True, slots=True)
class Message:
    """said: what JSON can hold. content: by reference, nobody writes to it."""

    said: dict[str, Any] = field(default_factory=dict)
    content: Content = b""


def send(channel: socket.socket, message: Message) -> None:
    """Raises OSError where the other side is gone."""
    said = json.dumps(message.said).encode() if message.said else b""
    head = _HEAD.pack(len(said), len(message.content)) + said
    if len(message.content) <= _AT_ONCE:
        channel.sendall(head + message.content)
    else:
        channel.sendall(head)
        channel.sendall(message.content)


def receive(channel: socket.socket, limit_s: float | None = None) -> Message:
    """The next message; waits for the whole of it, for limit_s seconds at most.

    Raises TimeoutError, EOFError where the other side is gone, OSError.
    """
    deadline = None if limit_s is None else time.monotonic() + limit_s
    said_length, content_length = _HEAD.unpack(_exactly(channel, _HEAD.size, deadline))
    said = json.loads(_exactly(channel, said_length, deadline)) if said_length else {}
    return Message(said, _exactly(channel, content_length, deadline) if content_length else b"")


def _exactly(channel: socket.socket, count: int, deadline: float | None) -> bytearray:
    received = bytearray(count)
    rest = memoryview(received)
    while rest:
        if deadline is not None:
            channel.settimeout(max(1e-3, deadline - time.monotonic()))
        part = channel.recv_into(rest)
        if not part:
            raise EOFError
        rest = rest[part:]
    return received
