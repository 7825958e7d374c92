"""The hand that lays fingers, cuts cables and arms faults: HTTP with JSON answers.

    PUT    /platen                        an image file as body; X-Resolution-Ppi (500 unless told)
    PUT    /platen?finger=S&impression=K  a synthetic finger
    GET    /platen                        PNG of what the sensor sees: 384 x 290, upright, dark ridges
    DELETE /platen                        lift the finger
    GET    /state                         what the device is doing
    GET    /state?until=U&timeout_s=T     the same, once U holds: a mode, "imported", "released" or "images:N"
    POST   /unplug, /plug                 the cable
    PUT    /fault                         {"kind": ..., "times": n}, n = 1 unless told
    DELETE /fault                         disarm all

A refusal is {"reason", "message"} with a 4xx status; 408 when U did not come to hold in time.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import threading
from collections.abc import Coroutine
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final, Protocol, TypeVar
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.uru4000.faults import Fault
from firmware_stubs.uru4000.platen import UnusableImage, decode_grey, fit, synthetic_finger

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
MAX_WAIT_S: Final = 600.0
MAX_TIMES: Final = 1_000_000
_SOCKET_LIMIT_S: Final = 30.0

_log = logging.getLogger(__name__)

State = dict[str, Any]
_T = TypeVar("_T")


class Controlled(Protocol):
    """What the hand can do. Every coroutine runs on the device's event loop."""

    async def lay(self, picture: NDArray[np.uint8]) -> State: ...
    async def lift(self) -> State: ...
    async def platen_png(self) -> bytes: ...
    async def state(self) -> State: ...
    async def state_when(self, condition: str, timeout_s: float) -> State: ...
    async def unplug(self) -> State: ...
    async def plug(self) -> State: ...
    async def arm(self, fault: Fault, times: int) -> State: ...
    async def disarm(self) -> State: ...


class Refused(Exception):
    """A request that cannot be done."""

    def __init__(self, status: HTTPStatus, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class ControlServer:
    """Threads that parse HTTP, and one event loop that owns the device."""

    def __init__(self, host: str, port: int, device: Controlled, loop: asyncio.AbstractEventLoop) -> None:
        handler = type("Handler", (_Handler,), {"device": device, "loop": loop})
        self._server = _HttpServer((host, port), handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="uru4000-control", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening; requests that wait for the device are left to fail with it. Blocks up to 50 ms."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.debug("a control connection broke", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    device: ClassVar[Controlled]
    loop: ClassVar[asyncio.AbstractEventLoop]
    protocol_version = "HTTP/1.1"
    timeout = _SOCKET_LIMIT_S

    def do_GET(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        _log.debug(format, *args)

    def _handle(self) -> None:
        try:
            body = self._body()
            answer = self._route(body)
        except Refused as refused:
            self._answer(refused.status, {"reason": refused.reason, "message": str(refused)})
        except UnusableImage as refused:
            self._answer(HTTPStatus.BAD_REQUEST, {"reason": refused.reason, "message": str(refused)})
        else:
            self._answer(HTTPStatus.OK, answer)

    def _body(self) -> bytes:
        declared = self.headers.get("Content-Length")
        if declared is None:
            if "Transfer-Encoding" in self.headers or (self.command == "PUT" and "?" not in self.path):
                self.close_connection = True
                raise Refused(HTTPStatus.LENGTH_REQUIRED, "LENGTH_REQUIRED", "send a Content-Length")
            return b""
        if not declared.isascii() or not declared.isdigit() or len(declared) > 12:
            self.close_connection = True
            raise Refused(HTTPStatus.BAD_REQUEST, "BAD_LENGTH", "Content-Length is not a number")
        if int(declared) > MAX_BODY_BYTES:
            self.close_connection = True
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "TOO_LARGE", f"at most {MAX_BODY_BYTES} bytes")
        return self.rfile.read(int(declared))

    def _route(self, body: bytes) -> State | bytes:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        device = self.device
        match (self.command, parts.path):
            case ("PUT", "/platen") if query:
                seed, impression = _whole(query, "finger"), _whole(query, "impression", default=0)
                return self._await(device.lay(synthetic_finger(seed, impression)))
            case ("PUT", "/platen"):
                return self._await(device.lay(fit(decode_grey(body), self._ppi())))
            case ("GET", "/platen"):
                return self._await(device.platen_png())
            case ("DELETE", "/platen"):
                return self._await(device.lift())
            case ("GET", "/state") if "until" in query:
                return self._await(device.state_when(query["until"], _seconds(query.get("timeout_s", "10"))))
            case ("GET", "/state"):
                return self._await(device.state())
            case ("POST", "/unplug"):
                return self._await(device.unplug())
            case ("POST", "/plug"):
                return self._await(device.plug())
            case ("PUT", "/fault"):
                return self._await(device.arm(*_fault(body)))
            case ("DELETE", "/fault"):
                return self._await(device.disarm())
            case (_, "/platen" | "/state" | "/unplug" | "/plug" | "/fault"):
                raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "METHOD", f"{self.command} is not offered here")
            case _:
                raise Refused(HTTPStatus.NOT_FOUND, "PATH", "no such path")

    def _await(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def _ppi(self) -> float:
        try:
            return float(self.headers.get("X-Resolution-Ppi", "500"))
        except ValueError:
            raise Refused(HTTPStatus.BAD_REQUEST, "RESOLUTION", "X-Resolution-Ppi is not a number") from None

    def _answer(self, status: HTTPStatus, content: State | bytes) -> None:
        png = isinstance(content, bytes)
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "image/png" if png else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _whole(query: dict[str, str], name: str, default: int | None = None) -> int:
    text = query.get(name, "" if default is None else str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise Refused(HTTPStatus.BAD_REQUEST, "BAD_QUERY", f"{name} must be a whole number of at most 19 digits")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.0 <= seconds <= MAX_WAIT_S:
        raise Refused(HTTPStatus.BAD_REQUEST, "BAD_QUERY", f"timeout_s must be 0 to {MAX_WAIT_S:.0f}")
    return seconds


def _fault(body: bytes) -> tuple[Fault, int]:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict) or not asked.keys() <= {"kind", "times"}:
        raise Refused(HTTPStatus.BAD_REQUEST, "BAD_FAULT", 'the body must be {"kind": ..., "times": ...}')
    try:
        fault = Fault(asked.get("kind"))
    except ValueError:
        known = ", ".join(kind.value for kind in Fault)
        raise Refused(HTTPStatus.BAD_REQUEST, "UNKNOWN_FAULT", f"kinds: {known}") from None
    times = asked.get("times", 1)
    if not isinstance(times, int) or isinstance(times, bool) or not 1 <= times <= MAX_TIMES:
        raise Refused(HTTPStatus.BAD_REQUEST, "BAD_FAULT", f"times must be 1 to {MAX_TIMES}")
    return fault, times
