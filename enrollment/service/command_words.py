"""How a refusal of enrolld's own commands is told: as over the API, but for what has another meaning here."""

from __future__ import annotations

from typing import Final

from enrollment.core import errors as core
from enrollment.core.errors import EnrollmentError
from enrollment.service.config import ConfigInvalid
from enrollment.service.keys import errors as keys
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
    core.MalformedPackage: (
        "Giá trị hoặc tệp được đưa vào không đúng dạng.",
        "A value or file that was given is not of its form.",
    ),
}
# Its fact `problem` -> the same, where it is known.
PROBLEMS: Final[dict[type[EnrollmentError], dict[str, tuple[str, str]]]] = {
    ConfigInvalid: {
        "unreadable": (
            "Không đọc được tệp này: hãy kiểm tra đường dẫn và quyền.",
            "This file cannot be read: check its path and its rights.",
        ),
        "unwritable": (
            "Không ghi được ở đây: hãy kiểm tra đường dẫn, quyền và chỗ trống trên ổ đĩa.",
            "This cannot be written: check the path, the rights, and the room on the disk.",
        ),
        "exists": (
            "Ở đây đã có một trạm, không có gì bị ghi đè: hãy chọn thư mục khác.",
            "A station is here already, and nothing was overwritten: name another folder.",
        ),
        "no TOML": (
            "station.toml sai cú pháp TOML: hãy sửa dòng được nêu.",
            "station.toml is no TOML: correct the line that is named.",
        ),
        "key": (
            "Một mục trong station.toml thiếu, sai hoặc không có trong phần mềm này: hãy sửa mục được nêu.",
            "A key of station.toml is missing, wrong or not known: correct the one that is named.",
        ),
    },
    keys.KeysUnusable: {
        "unreadable": (
            "Không đọc được tệp khoá: hãy khôi phục từ bản sao lưu hoặc sửa quyền.",
            "A key file cannot be read: restore it from its backup, or correct its rights.",
        ),
        "open to others": (
            "Người khác đọc được tệp khoá: chmod 600 tệp đó và nên tạo khoá mới.",
            "Others may read a key file: chmod 600 it, and have new keys made.",
        ),
        "no passphrase": (
            "Khoá được mã hoá: hãy ghi tệp cụm mật khẩu vào [state] passphrase_file trong station.toml.",
            "The keys are encrypted: name the passphrase's file as [state] passphrase_file in station.toml.",
        ),
        "damaged": (
            "Tệp khoá hỏng, hoặc cụm mật khẩu không đúng.",
            "A key file is damaged, or the passphrase is another one.",
        ),
    },
}


def told(error: EnrollmentError) -> Told:
    """The refusal in both languages."""
    from enrollment.service.rpc.error_table import TABLE  # heavy, and seldom needed

    rows = {kind: (row.vi, row.en) for kind, row in TABLE.items()} | SENTENCES
    usual = next(rows[kind] for kind in type(error).__mro__ if kind in rows)
    problem = error.facts.get("problem") or ("key" if "key" in error.facts else "")
    vietnamese, english = PROBLEMS.get(type(error), {}).get(str(problem), usual)
    return Told(error.reason, str(error), error.facts, {"vi": vietnamese, "en": english})
