"""Checks of what only the running daemon knows: its devices, the queue, the registry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from drivers.spi import DeviceKind
from enrollment.service.diagnostics.findings import Finding, Severity

QUEUE_WARNING: Final = timedelta(hours=24)  # a cable that was cut took 3 to 4 days to be noticed
OFFSET_WARNING_MS: Final = 60_000
OFFSET_ERROR_MS: Final = 600_000

REPLUG: Final = (
    "Rút và cắm lại; đổi cổng hoặc cáp USB.",
    "Unplug it and plug it in again; try another port or cable.",
)
# Reason of a device's last failure -> what to do, Vietnamese and English.
REMEDIES: Final = {
    "DEVICE_ACCESS_DENIED": (
        "Chạy sudo enrollctl setup-udev rồi cắm lại thiết bị.",
        "Run sudo enrollctl setup-udev, then plug the device in again.",
    ),
    "DEVICE_BUSY": (
        "Tắt chương trình khác đang chiếm thiết bị (thường là fprintd): systemctl mask --now fprintd",
        "Stop the program that holds it (often fprintd): systemctl mask --now fprintd",
    ),
    "DEVICE_NOT_FOUND": ("Kiểm tra nguồn, cáp và địa chỉ trong station.toml.", "Check power, cable and its address."),
    "DEVICE_UNSUPPORTED": ("Kiểm tra kiểu máy trong README.", "See the README for the models that are driven."),
}
SETTLE: Final = (
    "Xem enrollctl outbox, xử lý nguyên nhân với trung tâm, rồi enrollctl outbox --retry GÓI.",
    "See enrollctl outbox, settle the cause with the registry, then enrollctl outbox --retry PACKAGE.",
)
# Reason of a refusal -> what to do, where it is something else.
REFUSAL_REMEDIES: Final = {
    "WRONG_RECIPIENT": (
        "Trung tâm đã đổi khoá: chép registry-trust.pem mới, khởi động lại dịch vụ, rồi enrollctl outbox --retry GÓI.",
        "The registry's keys changed: copy its new registry-trust.pem, restart, then enrollctl outbox --retry PACKAGE.",
    ),
    "STATION_SET_BACK": (
        "Dữ liệu ở đây cũ hơn sổ của trung tâm: xem có máy khác dùng khoá; nếu không, dừng dịch vụ, enrolld rejoin.",
        "This database is older than the registry's: see that nobody else has its keys, stop it, then enrolld rejoin.",
    ),
}
# The same of card readers, where it is another.
CARD_REMEDIES: Final = {
    "DEVICE_ACCESS_DENIED": (
        "Cho tài khoản của dịch vụ dùng PC/SC: thêm luật polkit cho org.debian.pcsc-lite.access_pcsc và access_card.",
        "Let the daemon's user at PC/SC: a polkit rule for org.debian.pcsc-lite.access_pcsc and access_card.",
    ),
    "DEVICE_BUSY": (
        "Tắt chương trình khác đang giữ thẻ: trình duyệt có mô-đun thẻ, gpgconf --kill scdaemon.",
        "Close the program that holds the card: a browser with a card module, gpgconf --kill scdaemon.",
    ),
    "DEVICE_NOT_FOUND": (
        "Kiểm tra cáp của đầu đọc và tên trong station.toml.",
        "Check the reader's cable, and its name in station.toml.",
    ),
    "DEVICE_STALLED": (
        "Rút thẻ ra; nếu vẫn treo, rút và cắm lại đầu đọc.",
        "Take the card out; if it still hangs, plug the reader in again.",
    ),
    "DEVICE_UNSUPPORTED": (
        "Cài thư viện thẻ (extra card): pip install -r requirements/card.lock; xem README.",
        "Install the cards' library (extra card): pip install -r requirements/card.lock; see the README.",
    ),
    "CARD_SERVICE_GONE": (
        "Bật dịch vụ: systemctl enable --now pcscd.socket; nếu đã bật: systemctl restart pcscd.",
        "Start the service: systemctl enable --now pcscd.socket; if it is: systemctl restart pcscd.",
    ),
    **dict.fromkeys(
        ("CARD_GONE", "CARD_TRANSMIT_LOST"),
        ("Đặt lại thẻ và giữ yên đến khi xong.", "Put the card back, and leave it until the work is done."),
    ),
    "CARD_RESET": (
        "Tắt chương trình khác dùng đầu đọc thẻ rồi thử lại.",
        "Close other programs that use card readers, and try again.",
    ),
    "CARD_MUTE": (
        "Xoay lại thẻ, lau mặt tiếp xúc; nếu thẻ nào cũng vậy, gửi đầu đọc đi sửa.",
        "Turn the card round, clean its contacts; if every card fails, send the reader to service.",
    ),
}


def remedy(reason: str, kind: DeviceKind) -> tuple[str, str]:
    """What to do after such a failure of such a device, Vietnamese and English."""
    of_kind = CARD_REMEDIES if kind is DeviceKind.CARD_ENCODER else {}
    return of_kind.get(reason) or REMEDIES.get(reason, REPLUG)


@dataclass(frozen=True, slots=True)
class SeenDevice:
    """problem: reason of the last failure, "" when the last use went well."""

    device_id: str
    kind: DeviceKind
    attached: bool
    problem: str


@dataclass(frozen=True, slots=True)
class RunningState:
    """The daemon's state at one moment.

    waiting: packages without a receipt. oldest: when the first of them was sealed. refused: reason of the package that
    stops the queue, "" where none does. offset_ms: station minus registry, None before the first contact.
    """

    now: datetime
    devices: Sequence[SeenDevice]
    unreachable: Sequence[str]
    sends: bool
    registry_reachable: bool
    waiting: int
    oldest: datetime | None
    refused: str
    refused_sequence: int
    offset_ms: int | None


def check_devices(state: RunningState) -> Iterator[Finding]:
    """scanner, camera: one of each is attached and works; card-encoder: so do those that there are; device-addresses:
    every configured address is reached."""
    yield from _kind(state, DeviceKind.FINGERPRINT_SCANNER, "scanner", "máy quét vân tay", "fingerprint scanner")
    yield from _kind(state, DeviceKind.CAMERA, "camera", "máy ảnh", "camera")
    yield from _kind(state, DeviceKind.CARD_ENCODER, "card-encoder", "đầu đọc thẻ", "card reader", required=False)
    for sentence in state.unreachable:
        address, _, why = sentence.partition(": ")
        yield Finding(
            "device-addresses",
            Severity.ERROR,
            f"Không tới được thiết bị ở {address}" + (f" ({why})." if why else "."),
            f"A device address is not reached: {sentence}.",
            "Kiểm tra nguồn, cáp mạng, và [devices] addresses trong station.toml.",
            "Check power, network cable, and [devices] addresses in station.toml.",
        )


def _kind(
    state: RunningState, kind: DeviceKind, check: str, vi: str, en: str, *, required: bool = True
) -> Iterator[Finding]:
    attached = [device for device in state.devices if device.kind is kind and device.attached]
    if not attached and required:
        yield Finding(
            check,
            Severity.ERROR,
            f"Không có {vi} nào đang cắm.",
            f"No {en} is attached.",
            f"Cắm {vi}; nếu đã cắm: lsusb có thấy không, địa chỉ trong station.toml có đúng không.",
            f"Plug the {en} in; if it is: does lsusb show it, and is its address in station.toml?",
        )
    for device in attached:
        if not device.problem:
            # Not "ready": an address is listed without being looked at until somebody uses it.
            name = device.device_id
            yield Finding(check, Severity.OK, f"{name}: chưa thấy lỗi gì.", f"{name}: no failure is known.")
            continue
        remedy_vi, remedy_en = remedy(device.problem, kind)
        yield Finding(
            check,
            Severity.ERROR,
            f"{device.device_id}: lần dùng cuối bị lỗi [{device.problem}].",
            f"{device.device_id}: the last use failed [{device.problem}].",
            remedy_vi,
            remedy_en,
        )


def check_queue(state: RunningState) -> Iterator[Finding]:
    """queue: nothing is refused, nothing waits for days."""
    if state.refused:
        yield Finding(
            "queue",
            Severity.ERROR,
            f"Trung tâm từ chối gói số {state.refused_sequence} [{state.refused}]; {state.waiting} gói đang chờ.",
            f"The registry refuses package {state.refused_sequence} [{state.refused}]; {state.waiting} packages wait.",
            *REFUSAL_REMEDIES.get(state.refused, SETTLE),
        )
    elif state.oldest is not None and state.now - state.oldest > QUEUE_WARNING:
        hours = int((state.now - state.oldest).total_seconds() // 3600)
        yield Finding(
            "queue",
            Severity.WARNING,
            f"{state.waiting} gói đang chờ, gói cũ nhất {hours} giờ.",
            f"{state.waiting} packages wait, the oldest for {hours} hours.",
            "Kiểm tra đường truyền tới trung tâm; gói an toàn trên đĩa và sẽ tự gửi.",
            "Check the line to the registry; the packages are safe on the disk and go by themselves.",
        )
    else:
        yield Finding(
            "queue", Severity.OK, f"Số gói đang chờ gửi: {state.waiting}.", f"Packages that wait: {state.waiting}."
        )


def check_registry(state: RunningState) -> Iterator[Finding]:
    """registry: configured, and reached at the last try; clock-offset: measured against it."""
    if not state.sends:
        yield Finding(
            "registry",
            Severity.WARNING,
            "Chưa cấu hình trung tâm: không gói nào được gửi.",
            "No registry is configured: nothing is ever sent.",
            "Thêm [registry] address vào station.toml.",
            "Add [registry] address to station.toml.",
        )
    elif state.registry_reachable:
        yield Finding("registry", Severity.OK, "Trung tâm trả lời.", "The registry answers.")
    elif state.waiting:
        yield Finding(
            "registry",
            Severity.ERROR,
            "Không kết nối được trung tâm ở lần thử cuối.",
            "The registry was not reached at the last try.",
            "Kiểm tra mạng, địa chỉ trong station.toml, chứng thư; enrollctl outbox cho biết lý do.",
            "Check the network, the address in station.toml, the certificate; enrollctl outbox tells the reason.",
        )
    else:
        yield Finding("registry", Severity.OK, "Chưa có gì để gửi.", "There was nothing to send yet.")
    if state.offset_ms is not None:
        yield _offset(state.offset_ms)


def _offset(offset_ms: int) -> Finding:
    seconds = f"{offset_ms / 1000:+.1f} s"
    if abs(offset_ms) < OFFSET_WARNING_MS:
        return Finding("clock-offset", Severity.OK, f"Đồng hồ lệch {seconds}.", f"The clock is off by {seconds}.")
    return Finding(
        "clock-offset",
        Severity.ERROR if abs(offset_ms) >= OFFSET_ERROR_MS else Severity.WARNING,
        f"Đồng hồ của trạm lệch {seconds} so với trung tâm.",
        f"The station's clock is off by {seconds} from the registry's.",
        "Bật đồng bộ giờ: timedatectl set-ntp true.",
        "Switch synchronisation on: timedatectl set-ntp true.",
    )
