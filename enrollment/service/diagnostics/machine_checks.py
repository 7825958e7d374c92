"""Checks of the machine itself: memory, clock, PC/SC service, programs that take devices away."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from enrollment.service.diagnostics.findings import Finding, Severity
from enrollment.service.diagnostics.place import Machine

MEMORY_WARNING_BYTES: Final = 256 * 1024**2  # the daemon with a capture in hand takes about 200 MiB
MEMORY_ERROR_BYTES: Final = 64 * 1024**2
PCSC_SOCKET: Final = "run/pcscd/pcscd.comm"
PCSC_TIMEOUT_S: Final = 1.0
# /proc/*/comm holds 15 letters.
RIVALS: Final = {
    "fprintd": "fprintd",
    "gvfs-gphoto2-vo": "gvfs-gphoto2-volume-monitor",
    "gvfsd-gphoto2": "gvfsd-gphoto2",
    "scdaemon": "scdaemon",
}


def check_memory(machine: Machine) -> Iterator[Finding]:
    """memory: what the system can still give."""
    lines = (line.split() for line in machine.read("proc/meminfo").splitlines())
    available = next((int(words[1]) * 1024 for words in lines if words[:1] == ["MemAvailable:"]), None)
    if available is None:
        return  # another system: nothing to say
    size = f"{available // 1024**2} MiB"
    if available >= MEMORY_WARNING_BYTES:
        yield Finding("memory", Severity.OK, f"Bộ nhớ còn {size}.", f"{size} of memory are available.")
        return
    yield Finding(
        "memory",
        Severity.ERROR if available < MEMORY_ERROR_BYTES else Severity.WARNING,
        f"Bộ nhớ chỉ còn {size}.",
        f"Only {size} of memory are available.",
        "Đóng các chương trình khác hoặc lắp thêm bộ nhớ; khởi động lại máy nếu không rõ chương trình nào chiếm.",
        "Close other programs or add memory; restart the machine if it is not clear what takes it.",
    )


def check_clock(machine: Machine) -> Iterator[Finding]:
    """clock-sync: whether the system's time service has set the clock since the start."""
    if (machine.root / "run/systemd/timesync/synchronized").exists() or _chrony_runs(machine):
        yield Finding("clock-sync", Severity.OK, "Đồng hồ được đồng bộ.", "The clock is synchronised.")
        return
    yield Finding(
        "clock-sync",
        Severity.WARNING,
        f"Không thấy đồng hồ được đồng bộ; đồng hồ chỉ {machine.now:%Y-%m-%d %H:%M} UTC.",
        f"No sign that the clock is synchronised; it shows {machine.now:%Y-%m-%d %H:%M} UTC.",
        "Bật đồng bộ giờ: timedatectl set-ntp true; kiểm tra giờ và pin CMOS nếu giờ sai sau khi tắt máy.",
        "Switch it on: timedatectl set-ntp true; check the time, and the CMOS battery if it is wrong after a restart.",
    )


def check_pcsc(machine: Machine) -> Iterator[Finding]:
    """pcsc-service: whether the card readers' service answers."""
    path = machine.root / PCSC_SOCKET
    problem = _why_not_connected(path)
    if problem is None:
        yield Finding("pcsc-service", Severity.OK, "Dịch vụ PC/SC hoạt động.", "The PC/SC service runs.")
    elif problem == "absent":
        yield Finding(
            "pcsc-service",
            Severity.WARNING,
            f"Dịch vụ PC/SC không chạy (không có /{PCSC_SOCKET}): đầu đọc thẻ chip không dùng được.",
            f"The PC/SC service does not run (there is no /{PCSC_SOCKET}): chip-card readers cannot be used.",
            "Cài và bật: apt install pcscd && systemctl enable --now pcscd.socket",
            "Install and start it: apt install pcscd && systemctl enable --now pcscd.socket",
        )
    else:
        yield Finding(
            "pcsc-service",
            Severity.WARNING,
            f"Dịch vụ PC/SC không trả lời ({problem}).",
            f"The PC/SC service does not answer ({problem}).",
            "Khởi động lại dịch vụ: systemctl restart pcscd.socket pcscd",
            "Restart it: systemctl restart pcscd.socket pcscd",
        )


def check_rivals(machine: Machine) -> Iterator[Finding]:
    """device-rivals: programs of desktops that claim scanners, cameras and card readers."""
    folders = (machine.root / "proc").glob("[0-9]*")
    running = {machine.read(f"proc/{folder.name}/comm") for folder in folders}
    found = sorted(program for comm, program in RIVALS.items() if comm in running)
    if not found:
        yield Finding(
            "device-rivals", Severity.OK, "Không có chương trình nào khác giành thiết bị.", "No program claims devices."
        )
        return
    names = ", ".join(found)
    yield Finding(
        "device-rivals",
        Severity.WARNING,
        f"Chương trình khác có thể chiếm thiết bị: {names}.",
        f"Other programs may claim devices: {names}.",
        "Tắt hẳn: systemctl mask --now fprintd; gỡ gvfs-backends nếu dùng máy ảnh DSLR; gỡ scdaemon nếu dùng thẻ chip.",
        "Switch them off: systemctl mask --now fprintd; remove gvfs-backends (DSLR) and scdaemon (cards) where needed.",
    )


def _chrony_runs(machine: Machine) -> bool:
    return (machine.root / "run/chrony/chronyd.pid").exists()


def _why_not_connected(path: Path) -> str | None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PCSC_TIMEOUT_S)
        try:
            probe.connect(str(path))
        except FileNotFoundError:
            return "absent"
        except OSError as error:
            return error.strerror or type(error).__name__
    return None
