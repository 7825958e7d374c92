"""The one interceptor: every call of our services is read, authenticated, carried out and answered for here.

    bytes -> size limit -> operator session and role -> protobuf -> servicer -> answer, or a typed error status

Servicers therefore never abort and never see a request that is not well-formed protobuf. Health and reflection pass
untouched. Streams are written one message at a time: the next one is asked for when the last one has left, so a client
that stops reading stops its own stream and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Protocol, TypeAlias, cast

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from drivers.errors import DriverError
from enrollment.core.errors import EnrollmentError
from enrollment.service.rpc import error_status
from enrollment.service.rpc.errors import MalformedRequest, MethodNotImplemented

_log = logging.getLogger(__name__)

MAX_REQUEST_BYTES: Final = 256 * 1024  # requests are ids and personal fields; what is large only flows outwards
FREE_SERVICES: Final = ("/grpc.health.v1.", "/grpc.reflection.")
DETAILS_KEY: Final = "grpc-status-details-bin"

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Metadata = tuple[tuple[str, str | bytes], ...]


class Gate(Protocol):
    """Lets a call through, or raises ClientNotAdmitted, NotAuthenticated or RoleRequired.

    presented: the certificate that TLS verified, PEM; None for a call from this PC. admit_pc is asked again before each
    message of a stream.
    """

    def admit_pc(self, presented: bytes | None) -> None: ...
    async def admit(self, method: str, metadata: Metadata) -> None: ...


# Hears of every call that has ended: method, status code, reason ("" for none), seconds (None for a stream).
AtEnd = Callable[[str, str, str, float | None], None]


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every handler of our services."""

    def __init__(self, gate: Gate, at_end: AtEnd | None = None) -> None:
        self._gate = gate
        self._at_end = at_end

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        method = handler_call_details.method
        handler: Any = await continuation(handler_call_details)
        if method.startswith(FREE_SERVICES):
            return cast(Handler, handler)
        if handler is None:
            return grpc.unary_unary_rpc_method_handler(_refuse_unknown)
        metadata = cast(Metadata, tuple(handler_call_details.invocation_metadata or ()))

        async def admitted(request: bytes, context: Context) -> Message:
            self._gate.admit_pc(_presented(context))
            if len(request) > MAX_REQUEST_BYTES:
                raise MalformedRequest(
                    f"a request of {len(request)} bytes; at most {MAX_REQUEST_BYTES}", size_bytes=len(request)
                )
            await self._gate.admit(method, metadata)
            try:
                return cast(Message, handler.request_deserializer(request))
            except (DecodeError, UnicodeDecodeError) as error:
                raise MalformedRequest("the request is not the protobuf message of this method") from error

        async def call(request: bytes, context: Context) -> Message:
            with self._counted(method, time.monotonic()) as end:
                try:
                    answer: Awaitable[Message] = handler.unary_unary(await admitted(request, context), context)
                    return await answer
                except Exception as error:  # noqa: BLE001  whatever it is, the caller hears of it and the log does
                    await _end_with(error, method, context, end)

        async def stream(request: bytes, context: Context) -> None:
            with self._counted(method, None) as end:
                try:
                    answers: AsyncGenerator[Message, None] = handler.unary_stream(
                        await admitted(request, context), context
                    )
                    async with aclosing(answers):
                        async for answer in answers:
                            self._gate.admit_pc(_presented(context))
                            await context.write(answer)
                except grpc.aio.InternalError as error:
                    raise asyncio.CancelledError from error  # the client is gone, in the middle of a message
                except Exception as error:  # noqa: BLE001  whatever it is, the caller hears of it and the log does
                    await _end_with(error, method, context, end)

        make, wrapped = (
            (grpc.unary_stream_rpc_method_handler, stream)
            if handler.response_streaming
            else (grpc.unary_unary_rpc_method_handler, call)
        )
        return make(wrapped, response_serializer=handler.response_serializer)

    @contextmanager
    def _counted(self, method: str, began_s: float | None) -> Iterator[_End]:
        """Tell of a call's end when it ends, whichever way. began_s: None where the duration means nothing."""
        end = _End()
        try:
            yield end
        except asyncio.CancelledError:
            end.code, end.reason = grpc.StatusCode.CANCELLED.name, ""
            raise
        finally:
            if self._at_end is not None:
                self._at_end(method, end.code, end.reason, None if began_s is None else time.monotonic() - began_s)


def _presented(context: Context) -> bytes | None:
    """The client's certificate; only the port for other PCs asks for one, and lets nobody in without."""
    certificates = context.auth_context().get("x509_pem_cert", ())
    return next(iter(certificates), None)


@dataclass(slots=True)
class _End:
    """How a call ended."""

    code: str = grpc.StatusCode.OK.name
    reason: str = ""


async def _refuse_unknown(_request: bytes, context: Context) -> NoReturn:
    await _end_with(NotImplementedError(), "a method that this daemon has not", context, _End())


async def _end_with(error: Exception, method: str, context: Context, end: _End) -> NoReturn:
    """End the call with the error's status; unexpected errors get an incident number and leave no words behind."""
    if isinstance(error, NotImplementedError):
        error = MethodNotImplemented("this version of the daemon does not have this method yet")
    if isinstance(error, (EnrollmentError, DriverError)):
        status = error_status.status_of(error)
        end.reason = error.reason
        _log.info("%s refused: %s", method, error.reason)
    else:
        incident = uuid.uuid4().hex[:12]
        _log.error("%s failed, incident %s: %s", method, incident, places(error))
        status = error_status.internal(incident)
        end.reason = "INTERNAL"
    end.code = error_status.grpc_code(status).name
    details = ((DETAILS_KEY, status.SerializeToString()),)
    await context.abort(error_status.grpc_code(status), status.message, details)


def places(error: BaseException) -> str:
    """An exception's type and the lines that it came through; its message may hold what a log must not."""
    if isinstance(error, BaseExceptionGroup):
        return " and ".join(places(part) for part in error.exceptions)
    lines = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        lines.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    cause = f" caused by {places(error.__cause__)}" if error.__cause__ is not None else ""
    return f"{type(error).__name__} at {' < '.join(reversed(lines))}{cause}"
