"""TCP ports of this machine, as tests handle them."""

from __future__ import annotations

import socket


class ReservedPort:
    """A port of 127.0.0.1 on which a server of ours may listen, again and again, and that nobody else gets meanwhile.

    A free port that is merely looked up may be another process's when it is used; and whoever calls there while nobody
    listens may be given that same port to call from, and so reach itself. Here a socket is bound to it that does not
    listen. Linux lets servers that set SO_REUSEADDR listen beside it, as those of gRPC and asyncio do.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number = int(self._socket.getsockname()[1])

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.number}"

    def release(self) -> None:
        self._socket.close()
