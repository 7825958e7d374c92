"""Checks of the cameras that station.toml names: does anything answer there, may this user open the device."""

from __future__ import annotations

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


def _judged(address: str, problem: str) -> Finding:
    name = shown(address)
    if not problem:
        return Finding("camera-address", Severity.OK, f"{name}: tới được.", f"{name}: reached.")
    return Finding(
        "camera-address",
        Severity.ERROR,
        f"{name}: không dùng được ({problem}).",
        f"{name}: cannot be used ({problem}).",
        "Kiểm tra nguồn và cáp của máy ảnh, địa chỉ trong station.toml; với video: thêm tài khoản vào nhóm video.",
        "Check the camera's power and cable and its address in station.toml; for video: add the user to group video.",
    )


def _why_no_server(address: str) -> str:
    try:
        url = urlsplit(address)
        place = (url.hostname or "", url.port or PORTS[url.scheme])
    except ValueError:
        return "not a URL"
    try:
        with socket.create_connection(place, timeout=CONNECT_TIMEOUT_S):
            return ""
    except OSError as error:
        return error.strerror or type(error).__name__


def _why_no_file(machine: Machine, address: str) -> str:
    path = machine.root / address.removeprefix("video:").partition("#")[0].lstrip("/")
    if not path.exists():
        return "no such file"
    return "" if os.access(path, os.R_OK | os.W_OK) else "no permission"
