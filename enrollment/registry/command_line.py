"""What the commands of enroll-registryd share: options, and how a refusal is told."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from enrollment.core import errors as core
from enrollment.core.errors import EnrollmentError
from enrollment.registry.data_folder import DataFolder
from enrollment.registry.error_status import TABLE
from enrollment.registry.errors import InvalidRequest, RegistryError, SetupInvalid
from enrollment.registry.tables import open_database
from enrollment.terminal import Commands, Told

data_option = click.option(
    "--data", "root", required=True, type=click.Path(file_okay=False, path_type=Path), help="The registry's folder."
)
database_option = click.option(
    "--database",
    envvar="ENROLL_REGISTRY_DATABASE",
    help="SQLAlchemy URL; a SQLite file in the folder where it is not given.",
)


@contextmanager
def transaction(folder: DataFolder, database: str | None) -> Iterator[Session]:
    """Of a command, committed at its end. database: as database_option gives it."""
    engine = open_database(database or folder.default_database)
    try:
        with Session(engine) as session, session.begin():
            yield session
    finally:
        engine.dispose()


# Class -> Vietnamese, English, where a command means something else than a call. Else what stations are told.
SENTENCES: Final[dict[type[Exception], tuple[str, str]]] = {
    SetupInvalid: (
        "Không chạy được trung tâm với thư mục, khoá hoặc địa chỉ này.",
        "The registry cannot work with this folder, these keys or this address.",
    ),
    InvalidRequest: ("Không dùng được giá trị này.", "This value cannot be used."),
    core.MalformedPackage: (
        "Giá trị hoặc tệp được đưa vào không đúng dạng.",
        "A value or file that was given is not of its form.",
    ),
    core.CertificateRefused: (
        "Không cấp được chứng thư cho yêu cầu hoặc tên này.",
        "This request or name cannot be certified.",
    ),
    core.AuthorityUnusable: (
        "Không đọc được cơ quan chứng thực của trung tâm: hãy xem tls/ca.pem và keys/ca.pem.",
        "The registry's certificate authority cannot be read: look at tls/ca.pem and keys/ca.pem.",
    ),
    SQLAlchemyError: (
        "Không dùng được cơ sở dữ liệu: hãy kiểm tra địa chỉ, quyền và máy chủ của nó.",
        "The database cannot be used: check its URL, its rights, and its server.",
    ),
    OSError: (
        "Không đọc hoặc ghi được tệp: hãy kiểm tra đường dẫn, quyền và chỗ trống.",
        "A file cannot be read or written: check its path, its rights, and the room on the disk.",
    ),
}
# SetupInvalid's fact `problem` -> the same.
PROBLEMS: Final = {
    "exists": (
        "Ở đây đã có một trung tâm, không có gì bị ghi đè: hãy chọn thư mục khác.",
        "A registry is here already, and nothing was overwritten: name another folder.",
    ),
    "no registry": (
        "Ở đây chưa có trung tâm: hãy chạy init trước, hoặc sửa --data.",
        "No registry is here: run init first, or correct --data.",
    ),
    "no trust file": (
        "Có khoá nhưng thiếu registry-trust.pem: hãy chép lại từ một trạm hoặc bản sao lưu.",
        "There are keys, but no registry-trust.pem: take it back from a station or a backup.",
    ),
    "unreadable": (
        "Không đọc được một tệp của trung tâm: hãy khôi phục từ bản sao lưu hoặc sửa quyền.",
        "A file of the registry cannot be read: restore it from its backup, or correct its rights.",
    ),
    "other keys": (
        "Các tệp khoá và registry-trust.pem không thuộc về nhau: hãy khôi phục cả hai từ cùng một bản sao lưu.",
        "The key files and registry-trust.pem do not belong together: restore both from one backup.",
    ),
    "address": (
        "Không mở được địa chỉ này (cổng đang được dùng?), hoặc các tệp TLS không khớp nhau.",
        "This address cannot be opened (is the port taken?), or the TLS files do not fit each other.",
    ),
}


class RegistryCommands(Commands):
    """The commands of enroll-registryd."""

    def told(self, error: Exception) -> Told | None:
        """As Commands."""
        rows = {kind: (row.vietnamese, row.english) for kind, row in TABLE.items()} | SENTENCES
        found = next((rows[kind] for kind in type(error).__mro__ if kind in rows), None)
        if found is None:
            return None
        if isinstance(error, SetupInvalid):
            found = PROBLEMS.get(str(error.facts.get("problem")), found)
        sentences = dict(zip(("vi", "en"), found, strict=True))
        match error:
            case EnrollmentError() | RegistryError():
                return Told(error.reason, str(error), error.facts, sentences)
            case SQLAlchemyError():  # its text may hold the URL's password
                return Told("DATABASE_UNAVAILABLE", type(error).__name__, {}, sentences)
            case OSError(errno=errno.EPIPE):  # click's own to end: nobody reads any more
                return None
            case OSError():
                return Told("FILE_UNUSABLE", str(error.strerror), {"file": str(error.filename)}, sentences)
        return None
