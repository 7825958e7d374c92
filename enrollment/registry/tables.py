"""The registry's tables, for SQLite and any other database of SQLAlchemy.

A row of `ledger` is never changed: it is the registry's word. Digests, ids and keys are raw bytes; times are
milliseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Connection, Engine, ForeignKey, LargeBinary, String, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from enrollment.registry.errors import InvalidRequest
from enrollment.sqlite_log import keep_log

SQLITE_BUSY_TIMEOUT_MS = 10_000
ID_LENGTH = 64  # characters


class Base(DeclarativeBase):
    """The registry's schema."""


class Station(Base):
    """An enrolled station. Locked while its ledger grows."""

    __tablename__ = "stations"
    station_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    enrolled_at_ms: Mapped[int] = mapped_column(BigInteger)


class StationKey(Base):
    """A key that may sign a station's packages; a station that gets new keys keeps its old ones for old packages."""

    __tablename__ = "station_keys"
    key_id: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    station_id: Mapped[str] = mapped_column(ForeignKey("stations.station_id"), index=True)
    verifying_key: Mapped[bytes] = mapped_column(LargeBinary)  # the key file, docs/package-format.md
    enrolled_at_ms: Mapped[int] = mapped_column(BigInteger)


class Upload(Base):
    """A package on its way. `safe_bytes` of it are on disk for sure; the file may be longer after a crash."""

    __tablename__ = "uploads"
    station_id: Mapped[str] = mapped_column(ForeignKey("stations.station_id"), primary_key=True)
    package_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    safe_bytes: Mapped[int] = mapped_column(BigInteger)
    begun_at_ms: Mapped[int] = mapped_column(BigInteger)


class LedgerEntry(Base):
    """A package that the registry holds, and the receipt that it gave for it."""

    __tablename__ = "ledger"
    station_id: Mapped[str] = mapped_column(ForeignKey("stations.station_id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    package_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    package_id: Mapped[bytes] = mapped_column(LargeBinary(16))
    dossier_id: Mapped[bytes] = mapped_column(LargeBinary(16), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    signer_key_id: Mapped[bytes] = mapped_column(LargeBinary(32))
    received_at_ms: Mapped[int] = mapped_column(BigInteger)
    receipt: Mapped[bytes] = mapped_column(LargeBinary)


class Recipient(Base):
    """A key that packages were or are sealed to, once keys were rotated; before, the trust file's is the only one.

    The newest by `issued_at_ms` is the one that stations are told of. `opens_until_ms` is None for it alone.
    """

    __tablename__ = "recipients"
    key_id: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    issued_at_ms: Mapped[int] = mapped_column(BigInteger, unique=True)  # 0: the first, before any rotation
    announcement: Mapped[bytes | None] = mapped_column(LargeBinary)  # docs/package-format.md; of the first none
    opens_until_ms: Mapped[int | None] = mapped_column(BigInteger)


def open_database(url: str) -> Engine:
    """Connect and make the tables that are missing. Raises InvalidRequest for a URL that SQLAlchemy cannot use."""
    try:
        engine = create_engine(make_url(url), hide_parameters=True)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise InvalidRequest("the database URL names no database that can be used here") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    Base.metadata.create_all(engine)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver shall not begin transactions by itself
    connection.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_TIMEOUT_MS}")
    keep_log(connection, SQLITE_BUSY_TIMEOUT_MS / 1000)
    for pragma in (
        "synchronous = FULL",  # NORMAL loses the last commits in a power cut
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # Take the write lock at once: a transaction that reads and then writes can otherwise fail half-way.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
