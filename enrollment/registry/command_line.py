"""What the commands of enroll-registryd share: options, and how a refusal is told."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Final

import click
from sqlalchemy.exc import SQLAlchemyError

from enrollment.core import errors as core
from enrollment.core.errors import EnrollmentError
from enrollment.registry.error_status import TABLE
from enrollment.registry.errors import InvalidRequest, RegistryError, SetupInvalid
from enrollment.terminal import Commands, Told

data_option = click.option(
    "--data", "root", required=True, type=click.Path(file_okay=False, path_type=Path), help="The registry's folder."
)
database_option = click.option(
    "--database",
    envvar="ENROLL_REGISTRY_DATABASE",
    help="SQLAlchemy URL; a SQLite file in the folder where it is not given.",
)

# Class -> Vietnamese, English, where a command means something else than a call. Else what stations are told.
SENTENCES: Final[dict[type[Exception], tuple[str, str]]] = {
    SetupInvalid: (
        "Không chạy được trung tâm với thư mục, khoá hoặc địa chỉ này: hãy xem chi tiết bên dưới.",
        "The registry cannot work with this folder, these keys or this address: see below what is wrong.",
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


class RegistryCommands(Commands):
    """The commands of enroll-registryd."""

    def told(self, error: Exception) -> Told | None:
        """As Commands."""
        rows = {kind: (row.vietnamese, row.english) for kind, row in TABLE.items()} | SENTENCES
        found = next((rows[kind] for kind in type(error).__mro__ if kind in rows), None)
        if found is None:
            return None
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
