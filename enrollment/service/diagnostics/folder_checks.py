"""Checks of what the station keeps: space, rights, keys, certificate, the registry's pinned keys."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from enrollment.core.errors import EnrollmentError
from enrollment.core.sealing.public_keys import decode_registry_trust
from enrollment.service.config import StationConfig
from enrollment.service.diagnostics.findings import Finding, Severity
from enrollment.service.diagnostics.place import Machine
from enrollment.service.keys.sharing import SharingFolder
from enrollment.service.keys.software_keys import REQUEST_FILE, SoftwareKeys

# A dossier and its package take about 4 MB: 2 GiB are the 500 of a busy day, 256 MiB the rest of an hour.
DISK_WARNING_BYTES: Final = 2 * 1024**3
DISK_ERROR_BYTES: Final = 256 * 1024**2
CERTIFICATE_WARNING: Final = timedelta(days=30)
CLOCK_SLACK: Final = timedelta(minutes=2)
OTHERS: Final = 0o077


def check_disk(machine: Machine, config: StationConfig) -> Iterator[Finding]:
    """disk-space: where dossiers are kept."""
    try:
        free = shutil.disk_usage(config.folder).free
    except OSError as error:
        yield Finding(
            "disk-space",
            Severity.ERROR,
            f"Không đọc được thư mục {config.folder}: {error.strerror}.",
            f"{config.folder} cannot be looked at: {error.strerror}.",
            "Kiểm tra ổ đĩa đã gắn và quyền của thư mục.",
            "Check that the disk is mounted, and the folder's rights.",
        )
        return
    size = f"{free / 1024**3:.1f} GiB"
    if free >= DISK_WARNING_BYTES:
        yield Finding("disk-space", Severity.OK, f"Ổ đĩa còn trống {size}.", f"{size} are free on the disk.")
        return
    yield Finding(
        "disk-space",
        Severity.ERROR if free < DISK_ERROR_BYTES else Severity.WARNING,
        f"Ổ đĩa chỉ còn trống {size}.",
        f"Only {size} are free on the disk.",
        "Gửi hết hàng đợi, dọn tệp khác khỏi ổ đĩa này; hồ sơ đang chờ gửi thì không được xoá.",
        "Let the queue be sent, move other files off this disk; never delete dossiers that wait to be sent.",
    )


def check_rights(machine: Machine, config: StationConfig) -> Iterator[Finding]:
    """folder-rights: nobody else may read the station's folder, keys or database, and this user may write there."""
    if os.name != "posix":
        return
    open_to_others = [path for path in (config.folder, config.keys_folder, config.database) if _mode(path) & OTHERS]
    if open_to_others:
        names = " ".join(map(str, open_to_others))
        yield Finding(
            "folder-rights",
            Severity.ERROR,
            f"Người khác đọc được: {names}.",
            f"Others may read: {names}.",
            f"chmod go-rwx {names}",
            f"chmod go-rwx {names}",
        )
    elif not os.access(config.folder, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(
            "folder-rights",
            Severity.ERROR,
            f"Tài khoản này không ghi được vào {config.folder}.",
            f"This user may not write to {config.folder}.",
            "Chạy dịch vụ bằng tài khoản sở hữu thư mục, hoặc đổi chủ sở hữu.",
            "Run the daemon as the folder's owner, or change the owner.",
        )
    else:
        yield Finding(
            "folder-rights", Severity.OK, "Quyền thư mục của trạm đúng.", "The station's folder has the right mode."
        )


def check_keys(machine: Machine, config: StationConfig) -> Iterator[Finding]:
    """keys: they load; keys-at-rest: a thief of the disk does not have them."""
    try:
        passphrase = config.passphrase()
        SoftwareKeys.load(config.keys_folder, passphrase)
    except EnrollmentError as error:
        yield Finding(
            "keys",
            Severity.ERROR,
            f"Không dùng được khoá của trạm [{error.reason}]: {error.facts.get('file', config.keys_folder)} thiếu, "
            "hỏng, người khác đọc được, hoặc cụm mật khẩu không đúng.",
            f"The station's keys cannot be used: {error} [{error.reason}].",
            "Khôi phục thư mục khoá từ bản sao lưu hoặc sửa cụm mật khẩu; không tạo khoá mới khi còn hồ sơ chưa gửi.",
            "Restore the keys folder from its backup or correct the passphrase; make no new keys while dossiers wait.",
        )
        return
    yield Finding("keys", Severity.OK, "Khoá của trạm dùng được.", "The station's keys load.")
    if passphrase is not None or _on_encrypted_disk(machine, config.keys_folder):
        yield Finding("keys-at-rest", Severity.OK, "Khoá được bảo vệ trên đĩa.", "The keys are protected on the disk.")
        return
    yield Finding(
        "keys-at-rest",
        Severity.WARNING,
        "Khoá nằm trần trên đĩa: ai lấy được ổ đĩa thì có khoá.",
        "The keys lie open on the disk: whoever steals the disk has them.",
        "Mã hoá ổ đĩa (LUKS), hoặc tạo trạm với --passphrase-file.",
        "Encrypt the disk (LUKS), or make the station with --passphrase-file.",
    )


def check_certificate(machine: Machine, config: StationConfig) -> Iterator[Finding]:
    """registry-certificate: there, and valid now; registry-trust: the pinned keys are there."""
    if config.registry is None:
        return
    yield from _certificate(machine, config.registry.certificate, config.keys_folder / REQUEST_FILE)
    try:
        decode_registry_trust(config.registry.trust.read_bytes())
    except (OSError, EnrollmentError):
        yield Finding(
            "registry-trust",
            Severity.ERROR,
            f"Thiếu hoặc hỏng khoá ghim của trung tâm: {config.registry.trust}. Hồ sơ chưa được niêm phong.",
            f"The registry's pinned keys are missing or damaged: {config.registry.trust}. Nothing is sealed.",
            "Chép lại registry-trust.pem do trung tâm cấp.",
            "Copy the registry-trust.pem that the registry gave out.",
        )
    else:
        yield Finding("registry-trust", Severity.OK, "Khoá ghim của trung tâm đúng.", "The pinned keys are there.")


def check_share(machine: Machine, config: StationConfig) -> Iterator[Finding]:
    """share: the certificates with which other PCs use this station are there and good for a while."""
    if config.share is None:
        return
    folder = SharingFolder(config.share.folder)
    try:
        folder.server_pems(config.passphrase())
        ends = {"enrolld": folder.server_certificate().not_valid_after_utc}
        ends |= {client.name: client.expires for client in folder.clients()}
    except EnrollmentError as error:
        yield Finding(
            "share",
            Severity.ERROR,
            f"Không dùng được chứng thư chia sẻ: {error} [{error.reason}].",
            f"The share's certificates cannot be used: {error} [{error.reason}].",
            "Sửa tệp được nêu; hoặc xoá thư mục đó, chạy lại enrolld share init và cấp lại cho từng máy.",
            "Correct the file; or delete that folder, run enrolld share init again, and admit each PC anew.",
        )
        return
    late = {name: end for name, end in ends.items() if end - CERTIFICATE_WARNING <= machine.now}
    if not late:
        count = len(ends) - 1
        yield Finding(
            "share",
            Severity.OK,
            f"Chia sẻ cho {count} máy, chứng thư đều còn hạn.",
            f"Shared with {count} PCs, every certificate is good for a while.",
        )
        return
    named = ", ".join(f"{name} {end:%Y-%m-%d}" for name, end in sorted(late.items(), key=lambda item: item[1]))
    yield Finding(
        "share",
        Severity.ERROR if min(late.values()) <= machine.now else Severity.WARNING,
        f"Chứng thư chia sẻ hết hạn hoặc sắp hết hạn: {named}.",
        f"Certificates of the share that have ended or soon will: {named}.",
        "Cấp lại: enrolld share issue (máy khách), enrolld share names (trạm); máy bỏ đi: enrolld share revoke.",
        "Anew: enrolld share issue (a PC), enrolld share names (the station); a PC that is gone: enrolld share revoke.",
    )


def check_clock_against_files(machine: Machine, config: StationConfig) -> Iterator[Finding]:
    """clock-backwards: the clock is behind what the station itself wrote."""
    written = max((_written(path) for path in (config.database, config.keys_folder)), default=None)
    if written is None or machine.now >= written - CLOCK_SLACK:
        yield Finding("clock-backwards", Severity.OK, "Đồng hồ không chạy lùi.", "The clock has not gone back.")
        return
    yield Finding(
        "clock-backwards",
        Severity.ERROR,
        f"Đồng hồ chỉ {machine.now:%Y-%m-%d %H:%M} UTC, trước lần ghi cuối {written:%Y-%m-%d %H:%M} UTC.",
        f"The clock shows {machine.now:%Y-%m-%d %H:%M} UTC, before the last write at {written:%Y-%m-%d %H:%M} UTC.",
        "Đặt lại giờ, bật timedatectl set-ntp true, thay pin CMOS.",
        "Set the clock, timedatectl set-ntp true, replace the CMOS battery.",
    )


def _certificate(machine: Machine, path: Path, request: Path) -> Iterator[Finding]:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        yield Finding(
            "registry-certificate",
            Severity.ERROR,
            f"Không có chứng thư của trạm: {path}.",
            f"There is no station certificate: {path}.",
            f"Gửi {request} cho trung tâm và chép chứng thư nhận về vào đó.",
            f"Send {request} to the registry, and put the certificate that comes back there.",
        )
        return
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if begins <= machine.now < ends - CERTIFICATE_WARNING:
        yield Finding(
            "registry-certificate",
            Severity.OK,
            f"Chứng thư của trạm có hạn đến {ends:%Y-%m-%d}.",
            f"The station's certificate is valid until {ends:%Y-%m-%d}.",
        )
        return
    expired = not begins <= machine.now < ends
    yield Finding(
        "registry-certificate",
        Severity.ERROR if expired else Severity.WARNING,
        f"Chứng thư của trạm có hạn từ {begins:%Y-%m-%d} đến {ends:%Y-%m-%d}.",
        f"The station's certificate is valid from {begins:%Y-%m-%d} to {ends:%Y-%m-%d}.",
        "Kiểm tra đồng hồ, rồi xin trung tâm cấp chứng thư mới.",
        "Check the clock, then ask the registry for a new certificate.",
    )


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _written(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except (OSError, OverflowError, ValueError):
        return datetime.fromtimestamp(0, UTC)


def _on_encrypted_disk(machine: Machine, path: Path) -> bool:
    """Whether the file system lies on dm-crypt, directly or under LVM."""
    try:
        device = path.stat().st_dev
    except OSError:
        return False
    wanted = [machine.root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"]
    seen = 0
    while wanted and seen < 64:
        block = wanted.pop()
        seen += 1
        try:
            if (block / "dm/uuid").read_text("ascii", "replace").startswith("CRYPT-"):
                return True
        except OSError:
            pass
        wanted += list((block / "slaves").glob("*"))
    return False
