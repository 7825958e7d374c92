"""The checks of a chip card in words, English and Vietnamese, by their number; what each is about: docs/cards.md."""

from __future__ import annotations

from typing import Final

from enrollment.v1 import card_pb2

CHECKS: Final[dict[int, tuple[str, str]]] = {
    1: ("the card has the application", "thẻ có ứng dụng"),
    2: ("how the card may be opened", "các cách mở thẻ"),
    3: ("the card opens (PACE or BAC)", "mở được thẻ (PACE hoặc BAC)"),
    4: ("list of data groups", "danh mục nhóm dữ liệu"),
    5: ("security object", "đối tượng bảo mật"),
    6: ("signer is certified by a trusted authority", "bên ký do cơ quan tin cậy chứng nhận"),
    7: ("certificates are within their time", "chứng thư còn hiệu lực"),
    8: ("signer is not revoked", "bên ký không bị thu hồi"),
    9: ("signature", "chữ ký"),
    10: ("every data group is signed", "mọi nhóm dữ liệu đều được ký"),
    11: ("data groups are as they were signed", "dữ liệu đúng như khi ký"),
    12: ("files are those of this kind of card", "các tệp đúng với loại thẻ"),
    13: ("the way in is the signed one", "cách mở thẻ đúng như đã ký"),
    14: ("chip is no copy: active authentication", "chip không phải bản sao: xác thực chủ động"),
    15: ("chip is no copy: chip authentication", "chip không phải bản sao: xác thực chip"),
    16: ("zone and printed data agree", "vùng MRZ khớp dữ liệu in"),
    17: ("access number is of this card", "số truy cập là của thẻ này"),
    18: ("portrait", "ảnh chân dung"),
    19: ("belongs to the dossier", "thuộc về hồ sơ"),
}
FIRST_GROUP: Final = 20
MARKS: Final[dict[int, tuple[str, str]]] = {  # sign, style
    card_pb2.CHECK_RESULT_PASSED: ("✓", "green"),
    card_pb2.CHECK_RESULT_FAILED: ("✗", "red"),
    card_pb2.CHECK_RESULT_NOT_POSSIBLE: ("–", "dim"),
}


def check_name(check: card_pb2.CardCheck, language: str) -> str:
    """What was checked."""
    return check_named(check.number, check.name, language)


def check_named(number: int, name: str, language: str) -> str:
    """What is checked under this number; `name` where it is newer than this table."""
    if number > FIRST_GROUP:
        group = number - FIRST_GROUP
        return f"nhóm dữ liệu {group}" if language == "vi" else f"data group {group}"
    return CHECKS.get(number, (name,) * 2)[language == "vi"]


def mark(check: card_pb2.CardCheck) -> tuple[str, str]:
    """A sign and its style."""
    return MARKS.get(check.result, ("?", ""))
