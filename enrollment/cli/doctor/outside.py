"""What is seen from outside: does the daemon listen and serve, is the session good, is it the installed version."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from enrollment.cli.connection import Station, open_channel
from enrollment.cli.doctor.report import Finding, Severity
from enrollment.cli.failure import Failure, describe
from enrollment.cli.sharing import REQUEST_FILE, SharedStation
from enrollment.v1 import diagnostics_pb2

DISTRIBUTION: Final = "enrollment-workstation"
CONNECT_TIMEOUT_S: Final = 2.0
HEALTH_TIMEOUT_S: Final = 3.0
CERTIFICATE_WARNING: Final = timedelta(days=30)
CHECKS_TIMEOUT_S: Final = 60.0  # a camera that does not answer takes its time

_START_VI: Final = (
    "Khởi động dịch vụ: systemctl start enrolld, hoặc enrolld run --config station.toml; xem nhật ký của nó."
)
_START_EN: Final = "Start it: systemctl start enrolld, or enrolld run --config station.toml; read what it logs."


def check_service(path: Path) -> Finding:
    """service: somebody listens on the socket, this user may connect, and health says SERVING."""
    problem = _connect_error(path)
    if problem == errno.ENOENT:
        return _down(f"không có {path}", f"there is no {path}", _START_VI, _START_EN)
    if problem in (errno.EACCES, errno.EPERM):
        return _down(
            f"không có quyền dùng {path}",
            f"this user may not use {path}",
            "Thêm tài khoản này vào nhóm sở hữu socket rồi đăng nhập lại.",
            "Add this user to the group that owns the socket, then sign in again.",
        )
    if problem == errno.ECONNREFUSED:
        return _down("dịch vụ đã chết, socket còn lại", "it has died, its socket is left", _START_VI, _START_EN)
    if problem:
        name = errno.errorcode.get(problem, str(problem))
        return _down(f"không kết nối được ({name})", f"no connection ({name})", _START_VI, _START_EN)
    try:
        return _check_health(path)
    except grpc.RpcError as error:
        code = describe(error).code
        return _down(
            f"có người nghe nhưng không trả lời ({code})",
            f"somebody listens, but does not answer ({code})",
            "Khởi động lại dịch vụ: systemctl restart enrolld",
            "Restart it: systemctl restart enrolld",
        )


def check_shared_service(station: SharedStation) -> Finding:
    """service: the station on another PC is reached with this PC's papers, and health says SERVING."""
    try:
        return _check_health(station)
    except grpc.RpcError:
        return papers_refused(station.why_unreachable())


def papers_refused(failure: Failure) -> Finding:
    """service: a station on another PC is not reached; the sentence says what to do."""
    return Finding(
        "service",
        Severity.ERROR,
        f"Không dùng được trạm ở máy khác [{failure.reason}].",
        f"The station on the other PC cannot be used [{failure.reason}].",
        failure.text("vi"),
        failure.text("en"),
    )


def check_papers(expires: datetime, now: datetime) -> Finding:
    """client-certificate: this PC's certificate for a station on another one is good for a while."""
    vi, en = (
        f"Chứng thư của máy này có hạn đến {expires:%Y-%m-%d}.",
        f"This PC's certificate ends on {expires:%Y-%m-%d}.",
    )
    if now < expires - CERTIFICATE_WARNING:
        return Finding("client-certificate", Severity.OK, vi, en)
    return Finding(
        "client-certificate",
        Severity.ERROR if now >= expires else Severity.WARNING,
        vi,
        en,
        f"Trên trạm: enrolld share issue với {REQUEST_FILE} của máy này, rồi chép chứng thư mới về.",
        f"On the station: enrolld share issue with this PC's {REQUEST_FILE}, and bring the new certificate here.",
    )


def _check_health(place: Path | SharedStation) -> Finding:
    with open_channel(place) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # its types name no method
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=HEALTH_TIMEOUT_S)
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        return _down(
            "đang khởi động hoặc đang dừng",
            "it is starting or stopping",
            "Đợi vài giây rồi chạy lại.",
            "Wait some seconds and run this again.",
        )
    return Finding("service", Severity.OK, "Dịch vụ enrolld đang phục vụ.", "enrolld serves.")


def check_version(status: diagnostics_pb2.GetStatusResponse) -> Iterator[Finding]:
    """version: the daemon runs the version that is installed."""
    try:
        installed = version(DISTRIBUTION)
    except PackageNotFoundError:
        return
    if status.version == installed:
        yield Finding("version", Severity.OK, f"Phiên bản {installed}.", f"Version {installed}.")
    else:
        yield Finding(
            "version",
            Severity.WARNING,
            f"Dịch vụ chạy phiên bản {status.version}, máy đã cài {installed}.",
            f"The daemon runs version {status.version}, {installed} is installed.",
            "Khởi động lại dịch vụ: systemctl restart enrolld",
            "Restart it: systemctl restart enrolld",
        )


def ask_daemon(station: Station) -> tuple[list[Finding], bool]:
    """The daemon's own checks behind an operator session, and whether they were made."""
    try:
        status = station.diagnostics.GetStatus(diagnostics_pb2.GetStatusRequest())
        answer = station.diagnostics.RunChecks(diagnostics_pb2.RunChecksRequest(), timeout=CHECKS_TIMEOUT_S)
    except grpc.RpcError as error:
        return [_refused(error)], False
    well = Finding("session", Severity.OK, "Phiên làm việc hợp lệ.", "The session is valid.")
    return [well, *check_version(status), *map(Finding.of_message, answer.findings)], True


def no_session(why_vi: str, why_en: str) -> Finding:
    """session: there is none, so that the daemon was not asked."""
    return Finding(
        "session",
        Severity.WARNING,
        f"Không có phiên làm việc ({why_vi}): chưa hỏi được dịch vụ.",
        f"There is no session ({why_en}): the daemon was not asked.",
        "Tạo phiên: enrolld issue-session --role technician, rồi đặt ENROLL_TOKEN_FILE.",
        "Make one: enrolld issue-session --role technician, and set ENROLL_TOKEN_FILE.",
    )


def _refused(error: grpc.RpcError) -> Finding:
    failure = describe(error)
    check = "session" if failure.code == "UNAUTHENTICATED" else "service"
    return Finding(
        check,
        Severity.ERROR,
        f"{failure.text('vi')} [{failure.reason}]",
        f"{failure.text('en')} [{failure.reason}]",
        "Tạo phiên mới: enrolld issue-session --role technician." if check == "session" else _START_VI,
        "Make a new one: enrolld issue-session --role technician." if check == "session" else _START_EN,
    )


def _down(vi: str, en: str, remedy_vi: str, remedy_en: str) -> Finding:
    return Finding(
        "service",
        Severity.ERROR,
        f"Dịch vụ enrolld không dùng được: {vi}.",
        f"enrolld cannot be used: {en}.",
        remedy_vi,
        remedy_en,
    )


def _connect_error(path: Path) -> int:
    """errno of connecting; 0 when it went well."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(CONNECT_TIMEOUT_S)
        try:
            probe.connect(str(path))
        except TimeoutError:
            return errno.ETIMEDOUT
        except OSError as error:
            return error.errno or errno.ENAMETOOLONG  # a path too long for a socket has no number
    return 0
