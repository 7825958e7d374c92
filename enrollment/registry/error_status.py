"""Exception -> gRPC status: the one table, and the interceptor that applies it.

Every refusal carries google.rpc.ErrorInfo (the stable reason; the facts as metadata) and a google.rpc.LocalizedMessage
each in Vietnamese and in English. What is in no row is a fault of ours: INTERNAL, and its text stays in the log.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, NamedTuple, NoReturn, TypeVar

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import code_pb2, error_details_pb2, status_pb2

from enrollment.core import errors as core
from enrollment.registry import errors as registry

logger = logging.getLogger(__name__)

DOMAIN: Final = "registry.enrollment"
DETAILS_KEY: Final = "grpc-status-details-bin"
OUR_FAULTS: Final = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)

Context = grpc.aio.ServicerContext[Any, Any]

Request = TypeVar("Request")
Response = TypeVar("Response")


class Row(NamedTuple):
    """How one class of exceptions is told to clients."""

    code: grpc.StatusCode
    vietnamese: str
    english: str


INVALID, PRECONDITION, DENIED = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.PERMISSION_DENIED,
)
INTERNAL: Final = Row(
    grpc.StatusCode.INTERNAL,
    "Lỗi bên trong hệ thống tiếp nhận. Hãy thử lại sau; nếu còn lỗi, báo cho người quản trị.",
    "The registry failed. Try again later; if it fails again, tell its administrator.",
)
TABLE: Final[dict[type[Exception], Row]] = {
    core.MalformedPackage: Row(
        INVALID, "Gói hồ sơ hỏng: không đúng định dạng.", "The package is broken: it is not of the format."
    ),
    core.InvalidInput: Row(INVALID, "Dữ liệu không dùng được.", "The data cannot be used."),
    core.RuleViolation: Row(PRECONDITION, "Hiện không được phép.", "Not allowed now."),
    core.WrongRecipient: Row(
        INVALID,
        "Gói hồ sơ được niêm phong bằng khóa mà trung tâm này không mở (của nơi khác, đã thu hồi hoặc hết hạn). "
        "Hãy kiểm tra khóa công khai của trung tâm tại trạm.",
        "The package is sealed to a key that opens nothing here: another registry's, withdrawn, or out of time. "
        "Check the registry key that the station pins.",
    ),
    core.SignatureInvalid: Row(
        INVALID, "Chữ ký của gói hồ sơ không đúng.", "A signature of the package does not hold."
    ),
    core.UnknownSigner: Row(
        INVALID,
        "Gói hồ sơ được ký bằng khóa chưa đăng ký cho trạm này.",
        "The package is signed by a key that is not enrolled for this station.",
    ),
    core.DigestMismatch: Row(
        INVALID,
        "Nội dung nhận được khác với nội dung đã công bố. Hãy gửi lại từ đầu.",
        "The bytes that arrived are not those that were announced. Send the package again.",
    ),
    core.SequenceBroken: Row(
        PRECONDITION,
        "Gói hồ sơ không nối tiếp gói trước của trạm. Người giám sát cần đối chiếu sổ gửi.",
        "The package does not follow the station's last one. A supervisor must compare the ledgers.",
    ),
    core.TrustFailure: Row(INVALID, "Không xác thực được gói hồ sơ.", "The package cannot be trusted."),
    core.EnrollmentError: Row(INVALID, "Yêu cầu bị từ chối.", "The request is refused."),
    registry.StationUnknown: Row(
        DENIED, "Trạm này chưa được đăng ký với trung tâm.", "This station is not enrolled with the registry."
    ),
    registry.StationMismatch: Row(DENIED, "Gói hồ sơ do trạm khác tạo ra.", "The package was made by another station."),
    registry.InvalidRequest: Row(
        INVALID, "Yêu cầu có trường không hợp lệ.", "A field of the request cannot be what it should be."
    ),
    registry.PackageTooLarge: Row(
        INVALID,
        "Gói hồ sơ lớn hơn mức trung tâm nhận.",
        "The package is larger than the registry takes.",
    ),
    registry.UploadUnknown: Row(
        grpc.StatusCode.NOT_FOUND,
        "Chưa có lượt gửi nào cho gói này. Hãy bắt đầu gửi lại.",
        "No upload of this package has begun. Begin it again.",
    ),
    registry.OffsetMismatch: Row(
        PRECONDITION,
        "Phần gửi không nối tiếp phần trung tâm đã nhận. Hãy hỏi lại vị trí và gửi tiếp.",
        "The bytes do not go on where the registry stands. Begin again and go on from the offset it names.",
    ),
    registry.StorageFull: Row(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "Trung tâm hết chỗ lưu trữ. Hồ sơ vẫn an toàn tại trạm; hệ thống sẽ gửi lại sau.",
        "The registry's disk is full. The package is safe at the station and is sent again later.",
    ),
    registry.StorageFailed: Row(
        grpc.StatusCode.UNAVAILABLE,
        "Kho lưu trữ của trung tâm không phản hồi. Hệ thống sẽ gửi lại sau.",
        "The registry's storage does not answer. The package is sent again later.",
    ),
    registry.SetupInvalid: INTERNAL,
    registry.RegistryError: INTERNAL,
}


def row_of(error: Exception) -> Row:
    """The row of the error's class, or of the nearest class above it."""
    return next((TABLE[kind] for kind in type(error).__mro__ if kind in TABLE), INTERNAL)


def status_of(error: Exception) -> status_pb2.Status:
    """The google.rpc.Status that a client gets."""
    row = row_of(error)
    known = isinstance(error, (core.EnrollmentError, registry.RegistryError)) and row is not INTERNAL
    details: list[Any] = [
        error_details_pb2.ErrorInfo(
            reason=getattr(error, "reason", "INTERNAL") if known else "INTERNAL",
            domain=DOMAIN,
            metadata={name: str(fact) for name, fact in getattr(error, "facts", {}).items()} if known else {},
        ),
        error_details_pb2.LocalizedMessage(locale="vi", message=row.vietnamese),
        error_details_pb2.LocalizedMessage(locale="en", message=row.english),
    ]
    packed = []
    for detail in details:
        message = AnyMessage()
        message.Pack(detail)
        packed.append(message)
    code = code_pb2.Code.Value(row.code.name)
    return status_pb2.Status(code=code, message=str(error) if known else row.english, details=packed)


class ErrorStatusInterceptor(grpc.aio.ServerInterceptor):
    """Ends a call of our own service with the status of the exception that its method raised."""

    def __init__(self, service: str) -> None:
        self._prefix = f"/{service}/"

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Request, Response] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Request, Response] | None:
        """Wrap the method's handler; calls of other services (health, reflection) go through as they are."""
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(self._prefix):
            return handler
        decode, encode = handler.request_deserializer, handler.response_serializer
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(_answering(handler.unary_unary), decode, encode)
        return grpc.stream_stream_rpc_method_handler(_streaming(handler.stream_stream), decode, encode)


def _answering(method: Any) -> Any:
    async def call(request: object, context: Context) -> object:
        try:
            return await method(request, context)
        except Exception as error:  # noqa: BLE001 - the boundary where every exception becomes a status
            await _abort(error, context)

    return call


def _streaming(method: Any) -> Any:
    async def call(requests: object, context: Context) -> AsyncIterator[object]:
        try:
            async for response in method(requests, context):
                yield response
        except Exception as error:  # noqa: BLE001 - the boundary where every exception becomes a status
            await _abort(error, context)

    return call


async def _abort(error: Exception, context: Context) -> NoReturn:
    row = row_of(error)
    if row.code in OUR_FAULTS:
        logger.error("a call failed", exc_info=error)
    status = status_of(error)
    await context.abort(row.code, status.message, ((DETAILS_KEY, status.SerializeToString()),))
