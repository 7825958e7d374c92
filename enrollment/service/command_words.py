"""How a refusal of enrolld's own commands is told: as over the API, but for what has another meaning here."""

from __future__ import annotations

from typing import Final

from enrollment.core import errors as core
from enrollment.core.errors import EnrollmentError
from enrollment.service.config import ConfigInvalid
from enrollment.service.keys import errors as keys
from enrollment.service.store.errors import ChainSound
from enrollment.terminal import Told

# Class -> Vietnamese, English. Else the API's sentence.
SENTENCES: Final[dict[type[EnrollmentError], tuple[str, str]]] = {
    ConfigInvalid: (
        "Không dùng được cấu hình của trạm: hãy xem tệp hoặc mục được nêu.",
        "The station's configuration cannot be used: look at the file or the key that is named.",
    ),
    keys.KeysExist: (
        "Đã có rồi, và không bao giờ bị ghi đè: hãy dùng cái đang có, hoặc chọn thư mục khác.",
        "It is there already, and is never overwritten: use what is there, or name another folder.",
    ),
    keys.KeysUnusable: (
        "Không dùng được khoá: hãy xem tệp hoặc thư mục được nêu (thiếu, hỏng, người khác đọc được, sai mật khẩu).",
        "The keys cannot be used: look at what is named (missing, damaged, open to others, another passphrase).",
    ),
    core.MalformedPackage: (
        "Giá trị hoặc tệp được đưa vào không đúng dạng.",
        "A value or file that was given is not of its form.",
    ),
    core.CertificateRefused: (
        "Không cấp được chứng thư cho yêu cầu hoặc tên này.",
        "This request or name cannot be certified.",
    ),
    ChainSound: (
        "Không cần nối lại: trung tâm không có gói nào mà trạm này không biết.",
        "There is nothing to rejoin: the registry has no package of this station that is not known here.",
    ),
}


def told(error: EnrollmentError) -> Told:
    """The refusal in both languages."""
    from enrollment.service.rpc.error_table import TABLE  # heavy, and seldom needed

    rows = {kind: (row.vi, row.en) for kind, row in TABLE.items()} | SENTENCES
    vietnamese, english = next(rows[kind] for kind in type(error).__mro__ if kind in rows)
    return Told(error.reason, str(error), error.facts, {"vi": vietnamese, "en": english})
