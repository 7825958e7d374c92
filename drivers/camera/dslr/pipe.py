"""What the driver and the process that runs libgphoto2 say to each other, over a pair of sockets.

    length of said (4) | length of content (4) | said, JSON in UTF-8 | content        big endian

A request says {"call": NAME, ...}; its answer {"value": ...}, or {"error": REASON, "message": ..., "facts": {...}}.
Content is a picture, as the camera gave it.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Any, TypeAlias

_HEAD = struct.Struct(">II")

Content: TypeAlias = bytes | bytearray


@dataclass(frozen=True, slots=True)
class Message:
    """said: what JSON can hold. content: by reference, nobody writes to it."""

    said: dict[str, Any] = field(default_factory=dict)
    content: Content = b""


def send(channel: socket.socket, message: Message) -> None:
    """Raises OSError where the other side is gone."""
    said = json.dumps(message.said).encode()
    channel.sendall(_HEAD.pack(len(said), len(message.content)) + said)
    channel.sendall(message.content)


def receive(channel: socket.socket, limit_s: float | None = None) -> Message:
    """The next message; waits for the whole of it, for limit_s seconds at most.

    Raises TimeoutError, EOFError where the other side is gone, OSError.
    """
    deadline = None if limit_s is None else time.monotonic() + limit_s
    said_length, content_length = _HEAD.unpack(_exactly(channel, _HEAD.size, deadline))
    said = json.loads(_exactly(channel, said_length, deadline))
    return Message(said, _exactly(channel, content_length, deadline))


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
