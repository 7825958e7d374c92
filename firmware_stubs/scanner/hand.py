"""The hand that lays fingers, cuts cables and arms faults: HTTP with JSON answers.

    PUT    /platen                        an image file as body; X-Resolution-Ppi (500 unless told)
    PUT    /platen?finger=S&impression=K  a synthetic finger
    GET    /platen                        PNG of what the sensor sees: upright, dark ridges; 384 x 290 on a U.are.U
    DELETE /platen                        lift the finger
    GET    /state                         what the device is doing
    GET    /state?until=U&timeout_s=T     the same, once U holds: a mode, "imported", "released" or "images:N"
    POST   /unplug, /plug                 the cable
    PUT    /fault                         {"kind": ..., "times": n, "after": m}: strikes n times (1 unless told),
                                          once it has let m chances pass (0 unless told)
    DELETE /fault                         disarm all

A refusal is {"reason", "message"} with a 4xx status; 408 when U did not come to hold in time.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import threading
from collections.abc import Collection, Coroutine
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final, Protocol, TypeVar
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.scanner.picture import UnusableImage, decode_grey, fit, synthetic_finger

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
MAX_WAIT_S: Final = 600.0
MAX_TIMES: Final = 1_000_000
_SOCKET_LIMIT_S: Final = 30.0

_log = logging.getLogger(__name__)

State = dict[str, Any]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class FaultOrder:
    """A fault to arm: it strikes `times` times, once it has let `after` chances pass."""

    kind: Enum
    times: int = 1
    after: int = 0


class Controlled(Protocol):
    """What the hand can do. Every coroutine runs on the device's event loop.

    fault_kinds: the faults that this device can have. picture_size: of its platen, (width, height) at 500 ppi.
    """

    @property
    def fault_kinds(self) -> Collection[Enum]: ...
    @property
    def picture_size(self) -> tuple[int, int]: ...
    async def lay(self, picture: NDArray[np.uint8]) -> State: ...
    async def lift(self) -> State: ...
    async def platen_png(self) -> bytes: ...
    async def state(self) -> State: ...
    async def state_when(self, condition: str, timeout_s: float) -> State: ...
    async def unplug(self) -> State: ...
    async def plug(self) -> State: ...
    async def arm(self, order: FaultOrder) -> State: ...
    async def disarm(self) -> State: ...


class Refused(Exception):
    """A request that cannot be done."""

    def __init__(self, status: HTTPStatus, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class ControlServer:
    """Threads that parse HTTP, and one event loop that owns the device. kind: for more paths than the usual ones."""

    def __init__(
        self,
        host: str,
        port: int,
        device: Controlled,
        loop: asyncio.AbstractEventLoop,
        kind: type[ControlHandler] | None = None,
    ) -> None:
        handler = type("Handler", (kind or ControlHandler,), {"device": device, "loop": loop})
        self._server = _HttpServer((host, port), handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="scanner-control", daemon=True
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


class ControlHandler(BaseHTTPRequestHandler):
    """One request to the hand."""

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
                return self._await(device.lay(synthetic_finger(seed, impression, device.picture_size)))
            case ("PUT", "/platen"):
                return self._await(device.lay(fit(decode_grey(body), self._ppi(), device.picture_size)))
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
                return self._await(device.arm(parse_fault(body, device.fault_kinds)))
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


def parse_fault(body: bytes, kinds: Collection[Enum]) -> FaultOrder:
    """A fault in JSON, one of `kinds`. Raises Refused."""
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict) or not asked.keys() <= {"kind", "times", "after"}:
        raise Refused(HTTPStatus.BAD_REQUEST, "BAD_FAULT", 'the body must be {"kind": ..., "times": ..., "after": ...}')
    fault = next((kind for kind in kinds if kind.value == asked.get("kind")), None)
    if fault is None:
        known = ", ".join(str(kind.value) for kind in kinds)
        raise Refused(HTTPStatus.BAD_REQUEST, "UNKNOWN_FAULT", f"kinds: {known}")
    return FaultOrder(fault, _count(asked, "times", 1, least=1), _count(asked, "after", 0, least=0))


def _count(asked: dict[str, Any], name: str, default: int, *, least: int) -> int:
    count = asked.get(name, default)
    if not isinstance(count, int) or isinstance(count, bool) or not least <= count <= MAX_TIMES:
        raise Refused(HTTPStatus.BAD_REQUEST, "BAD_FAULT", f"{name} must be {least} to {MAX_TIMES}")
    return count
