"""Checks of the cameras that station.toml names: does anything answer there, may this user open the device."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from enrollment.service.config import StationConfig
from enrollment.service.devices.inventory import shown
from enrollment.service.diagnostics.findings import Finding, Severity
from enrollment.service.diagnostics.place import Machine

PORTS: Final = {"http": 80, "https": 443, "rtsp": 554}
CONNECT_TIMEOUT_S: Final = 1.5
PROBLEMS: Final = {  # of a connection; Vietnamese and English
    errno.ECONNREFUSED: ("từ chối kết nối: máy ảnh tắt hoặc sai cổng", "it refuses: switched off, or another port"),
    errno.ETIMEDOUT: ("không trả lời", "no answer"),
    errno.EHOSTUNREACH: ("mạng không tới được", "the network does not reach it"),
    errno.ENETUNREACH: ("mạng không tới được", "the network does not reach it"),
}

Problem = tuple[str, str]


def check_cameras(machine: Machine, config: StationConfig) -> Iterator[Finding]:
    """camera-address: each configured camera's server accepts, or its device file may be opened."""
    for address in _named(machine, config.devices.addresses):
        scheme = address.partition(":")[0]
        if scheme in PORTS:
            yield _judged(address, _why_no_server(address))
        elif scheme == "video":
            yield _judged(address, _why_no_file(machine, address))


def _named(machine: Machine, addresses: tuple[str, ...]) -> Iterator[str]:
    """Each address; "video:" as the device files that there are."""
    for address in addresses:
        if address == "video:":
            yield from (f"video:/dev/{path.name}" for path in sorted((machine.root / "dev").glob("video*")))
        else:
            yield address


def _judged(address: str, problem: Problem | None) -> Finding:
    name = shown(address)
    if problem is None:
        return Finding("camera-address", Severity.OK, f"{name}: tới được.", f"{name}: reached.")
    why_vi, why_en = problem
    return Finding(
        "camera-address",
        Severity.ERROR,
        f"{name}: không dùng được ({why_vi}).",
        f"{name}: cannot be used ({why_en}).",
        "Kiểm tra nguồn và cáp của máy ảnh, địa chỉ trong station.toml; với video: thêm tài khoản vào nhóm video.",
        "Check the camera's power and cable and its address in station.toml; for video: add the user to group video.",
    )


def _why_no_server(address: str) -> Problem | None:
    try:
        url = urlsplit(address)
        place = (url.hostname or "", url.port or PORTS[url.scheme])
    except ValueError:
        return "không phải địa chỉ URL", "not a URL"
    try:
        with socket.create_connection(place, timeout=CONNECT_TIMEOUT_S):
            return None
    except socket.gaierror:
        return "không có máy nào tên như vậy", "no host has this name"
    except OSError as error:
        said = error.strerror or type(error).__name__
        return PROBLEMS.get(error.errno or errno.ETIMEDOUT, (said, said))


def _why_no_file(machine: Machine, address: str) -> Problem | None:
    path = machine.root / address.removeprefix("video:").partition("#")[0].lstrip("/")
    if not path.exists():
        return "không có tệp này", "no such file"
    return None if os.access(path, os.R_OK | os.W_OK) else ("không có quyền", "no permission")
