"""The words of the field for what the API numbers: fingers, hints, states; English and Vietnamese."""

from __future__ import annotations

import re
from typing import Final

from enrollment.v1 import card_pb2, device_pb2, types_pb2

FINGERS: Final[dict[int, tuple[str, str]]] = {
    1: ("right thumb", "ngón cái phải"),
    2: ("right index", "ngón trỏ phải"),
    3: ("right middle", "ngón giữa phải"),
    4: ("right ring", "ngón áp út phải"),
    5: ("right little", "ngón út phải"),
    6: ("left thumb", "ngón cái trái"),
    7: ("left index", "ngón trỏ trái"),
    8: ("left middle", "ngón giữa trái"),
    9: ("left ring", "ngón áp út trái"),
    10: ("left little", "ngón út trái"),
    13: ("right four fingers", "bốn ngón tay phải"),
    14: ("left four fingers", "bốn ngón tay trái"),
    15: ("two thumbs", "hai ngón cái"),
}

HINTS: Final[dict[int, tuple[str, str]]] = {
    types_pb2.CAPTURE_HINT_UNSPECIFIED: ("", ""),
    types_pb2.CAPTURE_HINT_PLACE_FINGER: ("place the finger on the platen", "đặt ngón tay lên mặt kính"),
    types_pb2.CAPTURE_HINT_LIFT_FINGER: ("lift the finger", "nhấc ngón tay lên"),
    types_pb2.CAPTURE_HINT_TOO_DRY: ("too dry: press harder or moisten", "quá khô: ấn mạnh hơn hoặc làm ẩm"),
    types_pb2.CAPTURE_HINT_TOO_WET: ("too wet: dry the finger or press less", "quá ướt: lau khô hoặc ấn nhẹ hơn"),
    types_pb2.CAPTURE_HINT_MORE_FINGER: ("lay more of the finger down", "đặt nhiều diện tích ngón tay hơn"),
    types_pb2.CAPTURE_HINT_HOLD_STILL: ("hold still", "giữ yên"),
    types_pb2.CAPTURE_HINT_CENTRE: ("move the finger to the middle", "đặt ngón tay vào giữa"),
    types_pb2.CAPTURE_HINT_CLEAN_PLATEN: ("clean the finger and the platen", "lau sạch ngón tay và mặt kính"),
    types_pb2.CAPTURE_HINT_NOTHING_THERE: ("no ridges seen", "không thấy đường vân"),
    types_pb2.CAPTURE_HINT_SAME_FINGER: ("this finger is already captured", "ngón tay này đã được thu nhận"),
    types_pb2.CAPTURE_HINT_TOO_DARK: ("too dark", "quá tối"),
    types_pb2.CAPTURE_HINT_TOO_BRIGHT: ("too bright", "quá sáng"),
    types_pb2.CAPTURE_HINT_BLURRED: ("blurred: hold still, check the focus", "bị nhòe: giữ yên, kiểm tra tiêu cự"),
    types_pb2.CAPTURE_HINT_TOO_SMALL: ("the picture is too small", "ảnh quá nhỏ"),
    types_pb2.CAPTURE_HINT_PRESS_HARDER: ("press harder", "ấn mạnh hơn"),
    types_pb2.CAPTURE_HINT_PRESS_LESS: ("press less", "ấn nhẹ hơn"),
    types_pb2.CAPTURE_HINT_SMUDGED: ("smeared: do not slide the finger", "bị nhòe: không trượt ngón tay"),
    types_pb2.CAPTURE_HINT_LATENT_PRINT: ("an old print is left: wipe the platen", "còn vết vân tay cũ: lau mặt kính"),
    types_pb2.CAPTURE_HINT_PLACE_FINGERS: ("lay the fingers on the platen", "đặt các ngón tay lên mặt kính"),
    types_pb2.CAPTURE_HINT_OTHER_HAND: ("this is not the hand that is asked for", "không đúng bàn tay được yêu cầu"),
    types_pb2.CAPTURE_HINT_MORE_FINGERS: ("lay all the fingers down", "đặt đủ các ngón tay"),
    types_pb2.CAPTURE_HINT_FEWER_FINGERS: ("lay only the fingers asked for", "chỉ đặt các ngón được yêu cầu"),
    types_pb2.CAPTURE_HINT_MOVE_LEFT: ("move to the left", "dịch sang trái"),
    types_pb2.CAPTURE_HINT_MOVE_RIGHT: ("move to the right", "dịch sang phải"),
    types_pb2.CAPTURE_HINT_MOVE_DOWN: ("move towards yourself", "dịch về phía người đặt tay"),
    types_pb2.CAPTURE_HINT_MOVE_UP: ("move away from yourself", "dịch ra xa người đặt tay"),
    types_pb2.CAPTURE_HINT_SPREAD_FINGERS: ("spread the fingers a little", "xòe nhẹ các ngón tay"),
    types_pb2.CAPTURE_HINT_TURN_CLOCKWISE: ("turn the hand clockwise", "xoay bàn tay theo chiều kim đồng hồ"),
    types_pb2.CAPTURE_HINT_TURN_COUNTERCLOCKWISE: (
        "turn the hand counterclockwise",
        "xoay bàn tay ngược chiều kim đồng hồ",
    ),
    types_pb2.CAPTURE_HINT_ROLL_FINGER: (
        "roll the finger from nail to nail",
        "lăn ngón tay từ mép móng này sang mép kia",
    ),
    types_pb2.CAPTURE_HINT_ROLL_FURTHER: (
        "roll further, from nail to nail",
        "lăn rộng hơn, từ mép móng này sang mép kia",
    ),
    types_pb2.CAPTURE_HINT_OTHER_FINGER: (
        "not the finger that was captured before for this position",
        "không giống ngón đã thu trước ở vị trí này",
    ),
    types_pb2.CAPTURE_HINT_OTHER_PERSON: (
        "not the hand of the person whose prints are in the dossier",
        "không phải bàn tay của người đã thu trong hồ sơ",
    ),
    types_pb2.CAPTURE_HINT_INVERTED: ("light ridges on dark: call a technician", "ảnh âm bản: gọi kỹ thuật viên"),
}


def finger(position: int, language: str) -> str:
    """A finger's name; its number where it has none."""
    return FINGERS.get(position, (str(position),) * 2)[language == "vi"]


def hint(code: int, language: str) -> str:
    """What to ask of the person; empty when there is nothing."""
    return HINTS.get(code, (f"hint {code}",) * 2)[language == "vi"]


STATES: Final[dict[str, str]] = {
    "open": "đang mở",
    "complete": "đã đủ",
    "sealed": "đã niêm phong",
    "acknowledged": "đã xác nhận",
    "abandoned": "đã bỏ",
    "purged": "đã xóa",
    "queued": "đang chờ",
    "sending": "đang gửi",
    "refused": "bị từ chối",
    "ready": "sẵn sàng",
    "busy": "đang dùng",
    "faulty": "có lỗi",
    "detached": "đã rút",
    "collected": "đã thu nhận",
    "sent": "đã gửi trung tâm",
    "personalised": "đã ghi dữ liệu",
    "arrived": "đã về điểm",
    "handed over": "đã trả dân",
    "returned": "đã trả về trung tâm",
    "destroyed": "đã tiêu hủy",
    "spoiled": "phôi hỏng",
    "fingerprint scanner": "máy quét vân tay",
    "camera": "máy ảnh",
    "card encoder": "máy ghi thẻ",
}


ROW_OUTCOMES: Final[dict[int, tuple[str, str]]] = {
    card_pb2.CARD_ROW_OUTCOME_ARRIVED: ("arrived", "đã về"),
    card_pb2.CARD_ROW_OUTCOME_ALREADY_ARRIVED: ("had arrived before", "đã về từ trước"),
    card_pb2.CARD_ROW_OUTCOME_UNKNOWN_CARD: ("no card of this number", "không có thẻ mang số này"),
    card_pb2.CARD_ROW_OUTCOME_UNKNOWN_DOSSIER: ("no card of this dossier here", "điểm này không có hồ sơ này"),
    card_pb2.CARD_ROW_OUTCOME_WRONG_STATE: ("the card's state does not allow it", "trạng thái của thẻ không cho phép"),
    card_pb2.CARD_ROW_OUTCOME_OTHER_DOSSIER: ("the card is of another dossier", "thẻ thuộc hồ sơ khác"),
    card_pb2.CARD_ROW_OUTCOME_OTHER_CARD: ("the dossier has another card", "hồ sơ đã có thẻ khác"),
    card_pb2.CARD_ROW_OUTCOME_OTHER_POINT: ("for another point", "thẻ của điểm khác"),
    card_pb2.CARD_ROW_OUTCOME_DUPLICATE: ("stands in an earlier row", "trùng với dòng trước"),
    card_pb2.CARD_ROW_OUTCOME_MALFORMED: ("no card number or dossier id", "sai số thẻ hoặc mã hồ sơ"),
}


def row_outcome(code: int, language: str) -> str:
    """What became of a row of a list of cards."""
    return ROW_OUTCOMES.get(code, (f"outcome {code}",) * 2)[language == "vi"]


PROOFS: Final[dict[int, tuple[str, str]]] = {
    device_pb2.DRIVER_PROOF_UNSPECIFIED: ("", ""),
    device_pb2.DRIVER_PROOF_RECORDING: ("recording of a real one", "bản ghi thiết bị thật"),
    device_pb2.DRIVER_PROOF_MODEL_ONLY: ("not on hardware", "chưa trên thiết bị thật"),
}


CAMERA_SETTINGS: Final[dict[int, tuple[str, str]]] = {
    device_pb2.CAMERA_SETTING_EXPOSURE_TIME: ("exposure time", "tốc độ màn trập"),
    device_pb2.CAMERA_SETTING_APERTURE: ("aperture", "khẩu độ"),
    device_pb2.CAMERA_SETTING_ISO: ("sensitivity (ISO)", "độ nhạy (ISO)"),
    device_pb2.CAMERA_SETTING_EXPOSURE_COMPENSATION: ("exposure compensation, stops", "bù sáng, stop"),
    device_pb2.CAMERA_SETTING_ZOOM: ("zoom", "thu phóng"),
}


def camera_setting(code: int, language: str) -> str:
    """What of a camera can be set."""
    return CAMERA_SETTINGS.get(code, (f"setting {code}",) * 2)[language == "vi"]


def proof(code: int, language: str) -> str:
    """What a device's driver was proven on; empty where nothing is known."""
    return PROOFS.get(code, (f"proof {code}",) * 2)[language == "vi"]


def state(name: str, language: str) -> str:
    """A state or kind of the API in words: DOSSIER_STATE_OPEN -> open."""
    word = re.split(r"_STATE_|_KIND_", name)[-1].lower().replace("_", " ")
    return STATES.get(word, word) if language == "vi" else word
