"""Errors as google.rpc.Status: the table's code, and three details.

ErrorInfo has the stable reason, the domain "enrollment.v1" and the facts as metadata; two LocalizedMessage follow, vi
first. Nothing is told of an error that the table does not know but the number under which it was logged.
"""

from __future__ import annotations

from typing import Final

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo, LocalizedMessage
from google.rpc.status_pb2 import Status

from drivers.errors import DriverError
from enrollment.core.errors import EnrollmentError
from enrollment.service.rpc.error_table import TABLE, Row

DOMAIN: Final = "enrollment.v1"
MAX_FACT_LENGTH: Final = 200  # characters; trailers must stay far below gRPC's 8 KiB
MAX_FACTS: Final = 12

_UNEXPECTED: Final = Row(
    grpc.StatusCode.INTERNAL,
    "Lỗi ngoài dự kiến: báo kỹ thuật viên mã sự cố.",
    "Unexpected failure: tell a technician the incident.",
)


def status_of(error: EnrollmentError | DriverError) -> Status:
    """The status for an error of our own trees."""
    row = next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
    return _status(row, str(error), error.reason, error.facts)


def internal(incident: str) -> Status:
    """The status for anything else: nothing of it is told but the number under which it was logged."""
    return _status(_UNEXPECTED, f"unexpected failure, incident {incident}", "INTERNAL", {"incident": incident})


def grpc_code(status: Status) -> grpc.StatusCode:
    """The gRPC code of a google.rpc.Status."""
    return _CODES[status.code]


def _status(row: Row, message: str, reason: str, facts: dict[str, str | int | float]) -> Status:
    status = Status(code=row.code.value[0], message=_shortened(message, 4 * MAX_FACT_LENGTH))
    told = {_shortened(name, 63): _shortened(str(value)) for name, value in list(facts.items())[:MAX_FACTS]}
    for detail in (
        ErrorInfo(reason=reason, domain=DOMAIN, metadata=told),
        LocalizedMessage(locale="vi", message=row.vi),
        LocalizedMessage(locale="en", message=row.en),
    ):
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def _shortened(text: str, length: int = MAX_FACT_LENGTH) -> str:
    text = text.encode("utf-8", "replace").decode()  # a lone surrogate cannot be sent
    return text if len(text) <= length else f"{text[: length - 1]}…"


_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}
