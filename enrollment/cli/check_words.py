"""What a check of a card found, in words, English and Vietnamese: a sentence for its reason, and the facts behind it.

Codes and facts come from the daemon (docs/card-verification.md); the technician's detail, in English, is in the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from enrollment.cli.card_words import FIRST_GROUP, check_named
from enrollment.v1 import card_pb2

Words = tuple[str, str]  # English, Vietnamese

_GROUP: Final[Words] = ("{octets} octets", "{octets} byte")

# Number of a check that passed: what it has seen.
FOUND: Final[Mapping[int, Words]] = {
    2: ("{protocols} protocols", "{protocols} giao thức"),
    3: ("{way}", "{way}"),
    4: ("{groups} data groups", "{groups} nhóm dữ liệu"),
    8: ("by the list of {listed}", "theo danh sách thu hồi ngày {listed}"),
    12: ("{files} files", "{files} tệp"),
    14: ("{algorithm}, {bits} bits", "{algorithm}, {bits} bit"),
    15: ("{algorithm} on {curve}", "{algorithm} trên {curve}"),
    18: ("{width} x {height} pixels", "{width} x {height} điểm ảnh"),
    19: ("{compared} compared", "đã đối chiếu {compared} mục"),
}

REASONS: Final[Mapping[str, Words]] = {
    # Why a check was not possible.
    "NEEDS_CHECK": ("another check did not pass", "một kiểm tra khác chưa đạt"),
    "NEEDS_TERMINAL_AUTHENTICATION": ("open to readers with rights only", "chỉ mở cho đầu đọc có quyền"),
    "NOT_ON_CARD": ("this kind of card has no such file", "loại thẻ này không có tệp đó"),
    "NOT_SPOKEN": ("of a kind that is not read here", "dạng này chưa được hỗ trợ"),
    "SESSION_OVER": ("the secure session had ended before", "phiên bảo mật đã kết thúc trước đó"),
    "NOT_GIVEN": ("nothing was given to compare with", "không có gì để đối chiếu"),
    "REVOCATION_LIST_NOT_CURRENT": ("the revocation list does not hold now", "danh sách thu hồi không còn hiệu lực"),
    "REVOCATION_LIST_NOT_GENUINE": (
        "no trusted authority signed the revocation list",
        "danh sách thu hồi không do cơ quan tin cậy ký",
    ),
    # Why it failed.
    "CARD_BELONGS_ELSEWHERE": ("of another kind, or of another person", "thẻ loại khác hoặc của người khác"),
    "CARD_CHANNEL_BROKEN": ("an answer was changed on its way", "câu trả lời của thẻ bị thay đổi trên đường truyền"),
    "CARD_NOT_GENUINE": ("the chip does not prove to be genuine", "chip không chứng minh được là chip thật"),
    "CARD_REFUSED": ("the card refuses", "thẻ từ chối"),
    "CERTIFICATE_NOT_VALID": ("a certificate is outside of its time", "chứng thư chưa có hoặc đã hết hiệu lực"),
    "CERTIFICATE_REVOKED": ("the signer was revoked", "chứng thư bên ký đã bị thu hồi"),
    "DIGEST_MISMATCH": ("not as it was signed", "không giống dữ liệu đã ký"),
    "INVALID_IMAGE": ("the picture cannot be shown", "không hiển thị được ảnh"),
    "INVALID_INPUT": ("what was given does not open this card", "dữ liệu đã nhập không mở được thẻ này"),
    "MALFORMED_CARD_ANSWER": ("the card answers against the protocol", "thẻ trả lời sai giao thức"),
    "MALFORMED_RECORD": ("damaged, or not in its form", "dữ liệu hỏng hoặc sai định dạng"),
    "SIGNATURE_INVALID": ("the signature does not hold", "chữ ký không đúng"),
    "UNKNOWN_SIGNER": ("it does not hold its signer's certificate", "không có chứng thư của bên ký"),
    "UNTRUSTED_CHAIN": ("no trusted authority issued it", "không do cơ quan tin cậy cấp"),
    "WRONG_CARD_PASSWORD": (
        "the zone or number is not this card's",
        "vùng MRZ hoặc số truy cập không phải của thẻ này",
    ),
}

FACTS: Final[Mapping[str, Words]] = {  # in the order in which they are told
    "whose": ("of", "của"),
    "revoked": ("since", "từ ngày"),
    "not_before": ("from", "từ"),
    "not_after": ("until", "đến"),
    "check": ("check", "kiểm tra"),
    "file": ("file", "tệp"),
    "data_group": ("data group", "nhóm dữ liệu"),
    "field": ("field", "trường"),
    "value": ("value", "giá trị"),
    "lowest": ("at least", "ít nhất"),
    "highest": ("at most", "nhiều nhất"),
    "offset": ("at octet", "tại byte"),
    "length": ("length", "độ dài"),
    "octets": ("octets", "số byte"),
    "needed": ("needed", "cần"),
    "remaining": ("remaining", "còn lại"),
    "count": ("count", "số lượng"),
    "objects": ("data objects", "số đối tượng"),
    "found": ("found", "thấy"),
    "step": ("step", "bước"),
    "status": ("status", "mã trả lời"),
    "tries_left": ("tries left", "số lần thử còn lại"),
    "profile": ("profile", "loại thẻ"),
    "key_version": ("key version", "phiên bản khóa"),
    "needs": ("needs", "cần"),
    "algorithm": ("algorithm", "thuật toán"),
    "kind": ("kind", "dạng"),
    "type": ("type", "kiểu"),
    "owner": ("owner", "tổ chức"),
    "tag": ("tag", "nhãn"),
    "cause": ("cause", "nguyên nhân"),
}
_VALUES: Final[Mapping[str, Words]] = {
    "authority": ("the authority", "cơ quan cấp (CSCA)"),
    "signer": ("the signer", "bên ký"),
    "signer's key": ("the signer's key", "khóa của bên ký"),
    "zone": ("the machine readable zone", "vùng MRZ"),
}
STEPS: Final[Mapping[str, Words]] = {
    "access": ("access", "mở thẻ"),
    "active authentication": ("active authentication", "xác thực chủ động"),
    "basic access control": ("basic access control", "kiểm soát truy cập cơ bản (BAC)"),
    "chip authentication": ("chip authentication", "xác thực chip"),
    "lock": ("lock", "khóa thẻ"),
    "passive authentication": ("passive authentication", "xác thực thụ động"),
    "secure messaging": ("secure messaging", "phiên bảo mật"),
    "SELECT of the application": ("SELECT of the application", "SELECT ứng dụng"),
    "SELECT of the master file": ("SELECT of the master file", "SELECT tệp gốc"),
}


def found_words(check: card_pb2.CardCheck, language: str) -> str:
    """What was found, or why it failed or could not be made; empty where there is nothing to tell."""
    facts = dict(check.facts)
    if check.result == card_pb2.CHECK_RESULT_PASSED:
        words = _GROUP if check.number > FIRST_GROUP else FOUND.get(check.number)
        try:
            return check.detail if words is None else _pick(words, language).format_map(facts)
        except KeyError:  # of another version's daemon
            return check.detail
    sentence = _pick(REASONS.get(check.reason, (check.reason,) * 2), language)
    told = ", ".join(
        f"{_pick(FACTS.get(name, (name,) * 2), language)} {_value(name, value, language)}"
        for name, value in sorted(facts.items(), key=_in_order)
    )
    return f"{sentence} ({told})" if told else sentence


def step_words(step: str, language: str) -> str:
    """A step of writing or reading; commands and files keep their names."""
    return _pick(STEPS.get(step, (step,) * 2), language)


def _value(name: str, value: str, language: str) -> str:
    if name == "check":
        number = int(value) if value.isdecimal() else 0
        return f"{value}, {check_named(number, '', language)}"
    if name == "step":
        return step_words(value, language)
    return _pick(_VALUES.get(value, (value,) * 2), language) if name in ("whose", "needs") else value


def _in_order(fact: tuple[str, str]) -> int:
    names = list(FACTS)
    return names.index(fact[0]) if fact[0] in FACTS else len(names)


def _pick(words: Words, language: str) -> str:
    return words[language == "vi"]
