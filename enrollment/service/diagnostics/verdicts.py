"""What the figures of a self-test mean, and what to do. One finding a test."""

from __future__ import annotations

from typing import Final

from drivers.spi import DeviceKind
from enrollment.core.diagnostics import parameters as p
from enrollment.core.diagnostics.imaging import ImagingTest
from enrollment.service.diagnostics.findings import Finding, Severity
from enrollment.service.diagnostics.running_checks import remedy

ROUND_TRIP_WARNING_MS: Final = 20.0  # full-speed USB answers in about 1 ms, USB/IP over a network in some
CARD_ROUND_TRIP_WARNING_MS: Final = 60.0  # a contact card answers a short command in 5 to 20 ms
RATE_ERROR: Final = 3.0  # frames a second that a preview needs at least (MOSIP biometric specification)
RATE_WARNING: Final = 10.0  # a person who moves is seen late
MISSING_WARNING: Final = 0.03  # of the frames
MISSING_ERROR: Final = 0.20
MOST_NAMED: Final = 12

_SERVICE: Final = (
    "Lau mặt kính; nếu vẫn vậy, gửi thiết bị đi sửa cùng báo cáo này.",
    "Clean the platen; if it stays so, send the device to service with this report.",
)
_NEVER: Final = float("inf")


def failed(reason: str, kind: DeviceKind) -> Finding:
    """The device raised an error."""
    remedy_vi, remedy_en = remedy(reason, kind)
    return Finding(
        "device", Severity.ERROR, f"Thiết bị bị lỗi [{reason}].", f"The device failed [{reason}].", remedy_vi, remedy_en
    )


def opened(times: int, median_ms: float) -> Finding:
    return Finding(
        "open",
        Severity.OK,
        f"Mở được {times} lần, {median_ms:.0f} ms mỗi lần.",
        f"Opened {times} times, {median_ms:.0f} ms each.",
    )


def round_trips(median_ms: float, p95_ms: float) -> Finding:
    return _judged(
        "round-trips",
        p95_ms,
        (ROUND_TRIP_WARNING_MS, _NEVER),
        (f"Đi về {median_ms:.2f} ms, 95%: {p95_ms:.2f} ms.", f"Round trip {median_ms:.2f} ms, 95%: {p95_ms:.2f} ms."),
        (
            "Cắm thẳng vào máy, không qua hub; đổi cáp; với USB/IP thì kiểm tra mạng.",
            "Plug it into the machine, without a hub; another cable; for USB/IP look at the network.",
        ),
    )


def no_card() -> Finding:
    return Finding(
        "card",
        Severity.WARNING,
        "Không có thẻ trong đầu đọc: chưa thử được đường tới thẻ.",
        "No card is in the reader: the way to a card was not tested.",
        "Đặt một thẻ chip bất kỳ vào đầu đọc rồi chạy lại; thẻ không bị thay đổi.",
        "Put any chip card into the reader, and run this again; it stays as it is.",
    )


def card_answers(median_ms: float, bytes_per_s: float) -> Finding:
    return _judged(
        "card",
        median_ms,
        (CARD_ROUND_TRIP_WARNING_MS, _NEVER),
        (
            f"Thẻ trả lời sau {median_ms:.2f} ms; {bytes_per_s / 1000:.0f} kB/giây.",
            f"The card answers in {median_ms:.2f} ms; {bytes_per_s / 1000:.0f} kB/s.",
        ),
        (
            "Lau mặt tiếp xúc của thẻ và đầu đọc; cắm đầu đọc thẳng vào máy, không qua hub.",
            "Clean the contacts of card and reader; plug the reader into the machine, without a hub.",
        ),
    )


def lengths(block: int, *, extended: bool) -> Finding:
    if extended:
        return Finding(
            "card-lengths",
            Severity.OK,
            f"Lệnh dài: {block} byte mỗi lần trao đổi.",
            f"Extended lengths: {block} bytes an exchange.",
        )
    return Finding(
        "card-lengths",
        Severity.WARNING,
        f"Chỉ có lệnh ngắn, {block} byte mỗi lần trao đổi: ghi thẻ chậm hơn.",
        f"Short lengths alone, {block} bytes an exchange: personalisation takes longer.",
        "Thử thẻ khác; nếu thẻ nào cũng vậy, dùng đầu đọc có hỗ trợ extended APDU.",
        "Try another card; if all are so, a reader that carries extended APDUs is faster.",
    )


def cannot_image() -> Finding:
    return Finding(
        "imaging",
        Severity.WARNING,
        "Trình điều khiển không chụp được mặt kính trống: nhiễu và điểm chết chưa được kiểm tra.",
        "This driver takes no picture of an empty platen: noise and dead pixels were not tested.",
        "Thử thiết bị bằng một lần thu nhận và xem chất lượng.",
        "Try the device with a capture and look at the quality.",
    )


def not_empty(*, is_camera: bool) -> Finding:
    if is_camera:
        return Finding(
            "empty",
            Severity.WARNING,
            "Trước ống kính không phải bề mặt trơn: hình ảnh chưa được kiểm tra, không lưu gì.",
            "There is no even surface before the lens: imaging was not tested, nothing of it is kept.",
            "Đặt tờ giấy trắng sát trước ống kính, chiếu sáng đều, rồi chạy lại.",
            "Hold a white sheet close before the lens, evenly lit, and run this again.",
        )
    return Finding(
        "empty",
        Severity.WARNING,
        "Mặt kính không trống: hình ảnh chưa được kiểm tra, không lưu gì.",
        "The platen is not empty: imaging was not tested, nothing of it is kept.",
        "Nhấc ngón tay, lau sạch vết vân tay và bụi trên mặt kính, rồi chạy lại.",
        "Lift the finger, clean prints and dust off the platen, and run this again.",
    )


def rate(frames_per_second: float) -> Finding:
    return _judged(
        "frame-rate",
        -frames_per_second,
        (-RATE_WARNING, -RATE_ERROR),
        (f"{frames_per_second:.1f} hình/giây.", f"{frames_per_second:.1f} frames a second."),
        (
            "Tăng ánh sáng (máy ảnh tự giảm tốc độ khi tối), giảm độ phân giải, kiểm tra mạng hoặc cáp.",
            "More light (cameras slow down in the dark), a lower resolution, look at network or cable.",
        ),
    )


def missing(count: int, frames: int) -> Finding:
    return _judged(
        "missing-frames",
        count / max(frames, 1),
        (MISSING_WARNING, MISSING_ERROR),
        (f"Thiếu {count} trên {frames} hình.", f"{count} frames are missing beside {frames}."),
        ("Kiểm tra mạng, cáp, và tải của máy.", "Look at network, cable, and the machine's load."),
    )


def noise(tested: ImagingTest) -> Finding:
    if not tested.noise.any():
        return Finding(
            "noise",
            Severity.WARNING,
            f"{tested.frames} hình giống hệt nhau: thiết bị có thể đang lặp lại một hình.",
            f"{tested.frames} frames are identical: the device may be repeating one.",
            "Đặt rồi nhấc ngón tay, hoặc cắm lại thiết bị, rồi chạy lại.",
            "Lay a finger and lift it, or plug the device in again, then run this again.",
        )
    return _judged(
        "noise",
        tested.noise_grey,
        (p.NOISE_WARNING_GREY, p.NOISE_ERROR_GREY),
        (f"Nhiễu {tested.noise_grey:.2f} mức xám.", f"Noise {tested.noise_grey:.2f} grey levels."),
        _SERVICE,
    )


def dead_pixels(tested: ImagingTest) -> Finding:
    count = tested.dead_pixels
    share = count / tested.dead.size
    return _judged(
        "dead-pixels",
        share,
        (p.DEAD_SHARE_WARNING, p.DEAD_SHARE_ERROR),
        (f"{count} điểm chết ({100 * share:.3f}%).", f"{count} dead pixels ({100 * share:.3f}%)."),
        _SERVICE,
    )


def dead_lines(tested: ImagingTest) -> Finding:
    rows, columns = tested.dead_rows, tested.dead_columns
    if not rows and not columns:
        return Finding("dead-lines", Severity.OK, "Không có dòng chết.", "No dead lines.")
    named = [f"y={row}" for row in rows] + [f"x={column}" for column in columns]
    shown = ", ".join(named[:MOST_NAMED]) + (" ..." if len(named) > MOST_NAMED else "")
    return Finding(
        "dead-lines",
        Severity.ERROR if len(named) > 1 else Severity.WARNING,
        f"{len(named)} dòng chết: {shown}.",
        f"{len(named)} dead line{'s' * (len(named) > 1)}: {shown}.",
        *_SERVICE,
    )


def evenness(tested: ImagingTest) -> Finding:
    spread = tested.level_spread
    return _judged(
        "evenness",
        spread,
        (p.SPREAD_WARNING, p.SPREAD_ERROR),
        (f"Độ sáng chênh {100 * spread:.0f}%.", f"The brightness differs by {100 * spread:.0f}%."),
        _SERVICE,
    )


def indicated(name: str) -> Finding:
    return Finding(
        "indicator",
        Severity.OK,
        f"{name}: đã bật rồi tắt; bạn có thấy hoặc nghe không?",
        f"{name}: was switched on and off; did you see or hear it?",
    )


def _judged(
    check: str, value: float, limits: tuple[float, float], text: tuple[str, str], remedy: tuple[str, str]
) -> Finding:
    """limits: from which on it is a warning, an error. text, remedy: Vietnamese, English."""
    warning, error = limits
    if value < warning:
        return Finding(check, Severity.OK, *text)
    return Finding(check, Severity.ERROR if value >= error else Severity.WARNING, *text, *remedy)
