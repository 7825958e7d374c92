"""HTTP as both ports speak it: one request a connection, JSON for whatever is refused, nothing left open at the end."""

from __future__ import annotations

import http.server
import json
import logging
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Final, Generic, TypeVar

from firmware_stubs.camera.refusal import Refusal

REQUEST_TIMEOUT_S: Final = 10.0  # for saying the request; a stream may then last for ever
MAX_DRAINED_BYTES: Final = 64_000_000
_CHUNK_BYTES: Final = 65_536

_log = logging.getLogger(__name__)


Inside = TypeVar("Inside")


class Server(http.server.ThreadingHTTPServer, Generic[Inside]):
    """A thread for each connection; all of them end with the server."""

    daemon_threads = False  # so that server_close() waits for them

    def __init__(self, address: tuple[str, int], handler: type[Handler], camera: Inside) -> None:
        self.camera = camera
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(address, handler)

    @property
    def url(self) -> str:
        """http://HOST:PORT, with the port that was really bound."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, then hand it to its thread."""
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection, then close it."""
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what ended a connection: a client that left is no error."""
        failure = sys.exception()
        if isinstance(failure, ConnectionError | TimeoutError):
            _log.debug("connection ended: %s", failure)
        else:
            _log.error("request failed", exc_info=failure)

    def end(self) -> None:
        """Stop listening, cut every connection and wait for its thread."""
        self.shutdown()
        with self._open_lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError as gone:
                    _log.debug("connection was gone already: %s", gone)
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    """One request. Subclasses fill `routes`: path -> method -> what to do; it may raise Refusal before it answers."""

    routes: ClassVar[Mapping[str, Mapping[str, Callable[[Any], None]]]]
    protocol_version = "HTTP/1.1"
    server_version = "camera-stub"
    sys_version = ""
    timeout = REQUEST_TIMEOUT_S
    server: Server[Any]

    def dispatch(self) -> None:
        """Find what to do by path and method, and do it."""
        self.close_connection = True
        self._unread = self._announced()
        try:
            self._route()(self)
        except Refusal as refusal:
            self.answer_json({"error": refusal.reason, "detail": refusal.detail}, refusal.status)
            self._drain()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = do_OPTIONS = dispatch  # noqa: N815 - named by the protocol

    def body(self, limit: int) -> bytes:
        """Read the request's body. Raises Refusal where it is unannounced, longer than `limit` octets or cut short."""
        if "Transfer-Encoding" in self.headers or "Content-Length" not in self.headers:
            raise Refusal(411, "LENGTH_REQUIRED", "a body is announced by Content-Length")
        if self._unread is None:
            raise Refusal(400, "LENGTH_INVALID", "Content-Length is not a number")
        if self._unread > limit:
            raise Refusal(413, "BODY_TOO_LARGE", f"{limit} octets at most")
        announced, self._unread = self._unread, 0
        try:
            content = self.rfile.read(announced)
        except TimeoutError:
            raise Refusal(408, "BODY_LATE", f"nothing came for {REQUEST_TIMEOUT_S:g} s") from None
        if len(content) < announced:
            raise Refusal(400, "BODY_TRUNCATED", f"{len(content)} octets of {announced}")
        return content

    def answer(self, content: bytes, media_type: str, status: int = 200) -> None:
        """Answer with a whole body."""
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def answer_json(self, said: Mapping[str, object], status: int = 200) -> None:
        """Answer with a JSON object."""
        self.answer(json.dumps(said).encode() + b"\n", "application/json", status)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that http.server itself cannot read: in JSON too, and 4xx."""
        status = HTTPStatus.METHOD_NOT_ALLOWED if code == HTTPStatus.NOT_IMPLEMENTED else HTTPStatus(code)
        self.close_connection = True
        self.request_version = self.protocol_version  # whatever was said: without a status line nobody could read this
        self.answer_json({"error": status.name, "detail": message or status.phrase}, status)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives it
        """Log to the module's logger instead of standard error."""
        _log.debug(format, *args)

    def _route(self) -> Callable[[Any], None]:
        methods = self.routes.get(self.path.partition("?")[0])
        if methods is None:
            raise Refusal(404, "NOT_FOUND", f"there is {', '.join(self.routes)}")
        if self.command not in methods:
            raise Refusal(405, "METHOD_NOT_ALLOWED", f"allowed: {', '.join(methods)}")
        return methods[self.command]

    def _announced(self) -> int | None:
        """Octets of body that the request announces; None where that is no number."""
        said = self.headers.get("Content-Length", "0").strip()
        return int(said) if said.isascii() and said.isdecimal() and len(said) < 19 else None

    def _drain(self) -> None:
        """Read what was refused, within reason: closing on unread octets would take the answer from the client."""
        left = min(self._unread or 0, MAX_DRAINED_BYTES)
        while left > 0 and (chunk := self.rfile.read(min(left, _CHUNK_BYTES))):
            left -= len(chunk)
