"""What a technician is told, in English and Vietnamese: one sentence a reason, and the few prompts of the command line.

Reasons are those of drivers/errors.py. The technical message of an error follows the sentence, in English.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import Enum

from drivers.errors import DriverError


class Language(Enum):
    """Languages of the messages, by ISO 639-1 code."""

    ENGLISH = "en"
    VIETNAMESE = "vi"


_SENTENCES: dict[str, tuple[str, str]] = {
    "DRIVER_ERROR": ("The driver failed.", "Trình điều khiển gặp lỗi."),
    "DEVICE_ERROR": ("The device failed.", "Thiết bị gặp lỗi."),
    "DEVICE_NOT_FOUND": (
        "No such device. Is it plugged in, and is the address right?",
        "Không tìm thấy thiết bị. Thiết bị đã được cắm và địa chỉ có đúng không?",
    ),
    "DEVICE_BUSY": (
        "Another program is using the device. Stop it (perhaps enrolld), and try again.",
        "Một chương trình khác đang dùng thiết bị. Hãy dừng chương trình đó (có thể là enrolld) rồi thử lại.",
    ),
    "DEVICE_ACCESS_DENIED": (
        "No permission to open the device. Install the udev rule, or run as a member of its group.",
        "Không có quyền mở thiết bị. Hãy cài đặt luật udev hoặc chạy bằng tài khoản thuộc nhóm được phép.",
    ),
    "DEVICE_GONE": (
        "The device was unplugged. Plug it in again.",
        "Thiết bị đã bị rút ra. Hãy cắm lại.",
    ),
    "DEVICE_STALLED": (
        "The device does not answer. Unplug it, plug it in again, and try once more.",
        "Thiết bị không phản hồi. Hãy rút ra, cắm lại rồi thử lại.",
    ),
    "DEVICE_PROTOCOL_VIOLATION": (
        "The device sent something that makes no sense. If this repeats, replace the cable or the device.",
        "Thiết bị gửi dữ liệu không hợp lệ. Nếu lặp lại, hãy thay cáp hoặc thay thiết bị.",
    ),
    "DEVICE_NOT_READY": (
        "The device does not start properly. Unplug it, plug it in again; check a camera's lens cap.",
        "Thiết bị không khởi động được. Hãy rút ra và cắm lại; nếu là máy ảnh, kiểm tra nắp ống kính.",
    ),
    "PICTURE_REFUSED": (
        "The camera took no picture. Look at its focus, its lens and the light, and try again.",
        "Máy ảnh không chụp được. Hãy kiểm tra lấy nét, ống kính và ánh sáng rồi thử lại.",
    ),
    "CARD_FULL": (
        "The camera's memory card is full. Empty it, or put in another.",
        "Thẻ nhớ của máy ảnh đã đầy. Hãy xóa bớt hoặc thay thẻ khác.",
    ),
    "CARD_SERVICE_GONE": (
        "The smart card service (pcscd) does not answer. Start it, and try again.",
        "Dịch vụ thẻ thông minh (pcscd) không phản hồi. Hãy khởi động dịch vụ rồi thử lại.",
    ),
    "CARD_GONE": (
        "The card left the reader. Put it back, and try again.",
        "Thẻ đã rời khỏi đầu đọc. Hãy đặt lại thẻ rồi thử lại.",
    ),
    "CARD_TRANSMIT_LOST": (
        "The card was lost while it was working. Put the same card back: what it holds is read before going on.",
        "Mất kết nối khi thẻ đang xử lý. Hãy đặt lại đúng thẻ đó: nội dung thẻ được đọc lại trước khi tiếp tục.",
    ),
    "CARD_RESET": (
        "Another program reset the card. Close programs that use card readers, and try again.",
        "Một chương trình khác đã khởi động lại thẻ. Hãy đóng các chương trình dùng đầu đọc thẻ rồi thử lại.",
    ),
    "CARD_MUTE": (
        "The card does not answer. Turn it round, clean its contacts; if this repeats, take another card.",
        "Thẻ không phản hồi. Hãy xoay lại thẻ, lau mặt tiếp xúc; nếu lặp lại, hãy dùng thẻ khác.",
    ),
    "DEVICE_UNSUPPORTED": (
        "There is no driver for this, or the device cannot do it.",
        "Không có trình điều khiển cho thiết bị này, hoặc thiết bị không làm được việc đó.",
    ),
    "CAPTURE_CANCELLED": ("Cancelled.", "Đã hủy."),
    "CAPTURE_TIMED_OUT": (
        "Nothing came within the time limit.",
        "Đã hết thời gian chờ mà không nhận được gì.",
    ),
}

_PROMPTS: dict[str, tuple[str, str]] = {
    "place_finger": ("Place the finger on the platen.", "Hãy đặt ngón tay lên mặt quét."),
    "lift_finger": ("Lift the finger.", "Hãy nhấc ngón tay lên."),
    "saved": ("Saved", "Đã lưu"),
    "nothing_found": ("No device found.", "Không tìm thấy thiết bị nào."),
    "proven_recording": (
        "driver proven on a recording of a real device",
        "trình điều khiển đã kiểm chứng trên bản ghi thiết bị thật",
    ),
    "proven_model_only": (
        "public protocol, not proven on hardware",
        "giao thức công khai, chưa kiểm chứng trên thiết bị thật",
    ),
    "cannot_write": ("The picture cannot be written", "Không ghi được ảnh"),
}


def sentence(error: DriverError, language: Language) -> str:
    """What to do about an error."""
    return _choose(_SENTENCES[error.reason], language)


def prompt(name: str, language: Language) -> str:
    """A fixed sentence of the command line."""
    return _choose(_PROMPTS[name], language)


def language_of(environment: Mapping[str, str] = os.environ) -> Language:
    """The user's language, as POSIX has it: LC_ALL before LC_MESSAGES before LANG."""
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(variable, ""):
            return Language.VIETNAMESE if value.lower().startswith("vi") else Language.ENGLISH
    return Language.ENGLISH


def _choose(pair: tuple[str, str], language: Language) -> str:
    return pair[0] if language is Language.ENGLISH else pair[1]
