"""The camera's own port: a multipart stream and a still."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from firmware_stubs.camera.firmware import CameraFirmware, Disconnected
from firmware_stubs.camera.http_server import Handler, Server
from firmware_stubs.camera.scene import BOUNDARY, part

SEND_BUFFER_BYTES: Final = 512_000  # about a tenth of a second: a camera has little memory to be late from


class StreamHandler(Handler):
    """Sends frames at the pace of this one client: it waits here, in its own thread, and nobody else does."""

    server: Server[CameraFirmware]

    def stream(self) -> None:
        """Answer GET /stream, until the client leaves or the camera ends."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.settimeout(None)
        camera = self.server.camera
        camera.connected(+1)
        try:
            self.send_response(200)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
            self.send_header("Cache-Control", "no-store")
            self.send_header("Connection", "close")
            self.end_headers()
            tick, sent = camera.tick(), 0
            while not self._client_left():
                tick, content = camera.next_frame(tick, sent)
                if content is not None:
                    self.wfile.write(part(content))
                    camera.delivered()
                    sent += 1
        except (Disconnected, ConnectionError):
            return
        finally:
            camera.connected(-1)

    def still(self) -> None:
        """Answer GET /still with the newest frame of a sensor that is awake."""
        camera = self.server.camera
        tick, content = camera.tick() - 1, None
        try:
            while content is None and not self._client_left():
                tick, content = camera.next_frame(tick, camera.warm_up_frames)
        except Disconnected:
            return
        if content is not None:
            self.answer(content, "image/jpeg")

    def _client_left(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        try:
            return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""
        except ConnectionError:
            return True

    routes: ClassVar[Mapping[str, Mapping[str, Callable[[Any], None]]]] = {
        "/stream": {"GET": stream},
        "/still": {"GET": still},
    }
