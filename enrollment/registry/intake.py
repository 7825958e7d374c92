"""Taking packages in: announce, append, finish. Blocking; the servicer calls it off the event loop.

Of one station, one call at a time: the servicer sees to it. Several servers may share one database and one folder: each
transaction holds the station's row, so that of two finishing at once the second answers the first one's receipt.
"""

from __future__ import annotations

import errno
import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, delete, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from enrollment.core.errors import DigestMismatch, EnrollmentError
from enrollment.core.sealing.container import MAX_PACKAGE_BYTES, MIN_PACKAGE_BYTES, split_package
from enrollment.core.sealing.field_rules import DIGEST_BYTES, MAX_SEQUENCE
from enrollment.core.sealing.manifest import Manifest
from enrollment.core.sealing.receipt import Receipt, sign_receipt
from enrollment.core.sealing.signing_key import SigningKey, VerifyingKey
from enrollment.core.sealing.verify import OpenedPackage, open_package
from enrollment.registry import ledger, recipients
from enrollment.registry.errors import (
    InvalidRequest,
    OffsetMismatch,
    PackageTooLarge,
    RegistryError,
    StationMismatch,
    StorageFailed,
    StorageFull,
    UploadUnknown,
)
from enrollment.registry.package_files import PackageFiles
from enrollment.registry.recipients import RecipientKeys
from enrollment.registry.tables import LedgerEntry, Upload

logger = logging.getLogger(__name__)

MAX_CHUNK_BYTES: Final = 256 * 1024
MAX_HELD: Final = 4  # packages of one dossier that are shown: bounds the answer to half of what a message may have
MAX_OPEN_UPLOADS: Final = 4  # of one station; the oldest goes when another begins


@dataclass(frozen=True, slots=True)
class HeldPackage:
    """A package in the ledger: the manifest as its station signed it, and the receipt for it."""

    signed_manifest: bytes
    receipt: bytes


@dataclass(frozen=True, slots=True)
class UploadState:
    """Where an upload stands.

    offset: bytes that are safe on disk.
    receipt: set when the package is in the ledger.
    held: what the ledger has of the dossier under other packages.
    """

    offset: int
    receipt: bytes | None = None
    held: tuple[HeldPackage, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a package and where they begin."""

    offset: int
    content: bytes


class Intake:
    """The registry's receiving end, for every station.

    now_ms: the registry's clock, milliseconds since 1970-01-01 UTC.
    """

    def __init__(
        self,
        engine: Engine,
        files: PackageFiles,
        recipients: RecipientKeys,
        receipt_key: SigningKey,
        registry_id: str,
        now_ms: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._files = files
        self._recipients = recipients
        self._receipt_key = receipt_key
        self._registry_id = registry_id
        self._now_ms = now_ms

    def clean_up(self) -> None:
        """Forget files that a crash left without an upload. Call once, before serving."""
        with _storage(), Session(self._engine) as session:
            orphans = self._files.drop_all_but(
                lambda: ((upload.station_id, upload.package_sha256) for upload in session.scalars(select(Upload)))
            )
        if orphans:
            logger.info("dropped %d upload files that nobody announced", orphans)

    def begin(
        self,
        station_id: str,
        package_sha256: bytes,
        size_bytes: int,
        sequence: int,
        recipient_key_id: bytes = b"",
        dossier_id: bytes = b"",
    ) -> UploadState:
        """Announce a package.

        recipient_key_id, dossier_id: what it is sealed to and of, empty where the station does not tell.

        Raises InvalidRequest, PackageTooLarge, StationUnknown, SequenceBroken, WrongRecipient, StorageFull,
        StorageFailed.
        """
        _require_digest(package_sha256)
        if size_bytes > MAX_PACKAGE_BYTES:
            raise PackageTooLarge("the package is too large", limit_bytes=MAX_PACKAGE_BYTES, found_bytes=size_bytes)
        if size_bytes < MIN_PACKAGE_BYTES:
            raise InvalidRequest("no package is that short", field="size_bytes", found=size_bytes)
        if not 1 <= sequence <= MAX_SEQUENCE:
            raise InvalidRequest("sequence numbers begin at 1", field="sequence", found=sequence)
        with self._transaction(station_id) as session:
            entry = ledger.find_entry(session, station_id, package_sha256)
            if entry is not None:
                return UploadState(entry.size_bytes, entry.receipt)
            ledger.require_next_sequence(session, station_id, sequence)
            if recipient_key_id:
                recipients.require_opening(self._recipients.opening(session, self._now_ms()), recipient_key_id)
            upload = session.get(Upload, (station_id, package_sha256))
            if upload is None:
                self._make_room(session, station_id)
                upload = Upload(
                    station_id=station_id,
                    package_sha256=package_sha256,
                    safe_bytes=0,
                    begun_at_ms=self._now_ms(),
                )
                session.add(upload)
            elif upload.size_bytes != size_bytes:
                upload.safe_bytes = 0  # announced wrongly, then or now: nothing of it can be relied on
            upload.size_bytes, upload.sequence = size_bytes, sequence
            upload.safe_bytes = self._files.cut(station_id, package_sha256, upload.safe_bytes)
            logger.info("upload %s of %s at %d", package_sha256.hex(), station_id, upload.safe_bytes)
            safe_bytes = upload.safe_bytes
            others = ledger.entries_of_dossier(session, station_id, dossier_id)[-MAX_HELD:]
            trusted = ledger.station_keys(session, station_id) if others else {}
        return UploadState(safe_bytes, held=tuple(self._held(others, trusted)))

    def append(self, station_id: str, package_sha256: bytes, pieces: Sequence[Piece]) -> int:
        """Add pieces that follow on; returns the bytes that are now safe on disk.

        Raises InvalidRequest, StationUnknown, UploadUnknown, OffsetMismatch, StorageFull, StorageFailed.
        """
        _require_digest(package_sha256)
        with self._transaction(station_id) as session:
            upload = _require_upload(session, station_id, package_sha256)
            safe, size = upload.safe_bytes, upload.size_bytes
        end = safe
        for piece in pieces:
            if not 1 <= len(piece.content) <= MAX_CHUNK_BYTES:
                raise InvalidRequest("a chunk must hold 1 byte or more, up to the limit", limit_bytes=MAX_CHUNK_BYTES)
            if piece.offset != end:
                raise OffsetMismatch("the chunk does not follow on", expected=safe, found=piece.offset)
            end += len(piece.content)
        if end > size:
            raise InvalidRequest("more bytes than were announced", announced=size, found=end)
        with _storage():
            self._files.write(station_id, package_sha256, safe, (piece.content for piece in pieces))
        with self._transaction(station_id) as session:
            moved = session.connection().execute(
                update(Upload)
                .where(Upload.station_id == station_id, Upload.package_sha256 == package_sha256)
                .where(Upload.safe_bytes == safe)
                .values(safe_bytes=end)
            )
            if moved.rowcount != 1:
                raise OffsetMismatch("another stream has moved on meanwhile", expected=safe, found=safe)
        return end

    def finish(self, station_id: str, package_sha256: bytes) -> bytes:
        """Verify, open and store a package; returns the receipt, always the same bytes for the same package.

        Raises InvalidRequest, StationUnknown, UploadUnknown, OffsetMismatch, StorageFull, StorageFailed; and, with the
        upload dropped for good, StationMismatch or what `open_package` and the ledger raise.
        """
        _require_digest(package_sha256)
        with self._transaction(station_id) as session:
            entry = ledger.find_entry(session, station_id, package_sha256)
            if entry is not None:
                return entry.receipt
            upload = _require_upload(session, station_id, package_sha256)
            if upload.safe_bytes != upload.size_bytes:
                raise OffsetMismatch("bytes are still missing", expected=upload.safe_bytes, found=upload.size_bytes)
            trusted = ledger.station_keys(session, station_id)
            opening = self._recipients.opening(session, self._now_ms())
            # Opened here, where no other server can remove it; read below, where nobody waits for it.
            file = self._files.open_upload(station_id, package_sha256)
        with _storage(), file:
            data = file.read()
        try:
            _require_announced(data, package_sha256)
            opened = open_package(data, opening, trusted)
            _require_own(opened.manifest, station_id)
            return self._enter(opened, package_sha256, len(data))
        except (EnrollmentError, StationMismatch) as refusal:
            logger.warning("refused %s of %s: %s", package_sha256.hex(), station_id, refusal.reason)
            self._drop(station_id, package_sha256)
            raise

    def ledger(self, station_id: str) -> tuple[ledger.StationLedger, bytes]:
        """One station summed up, and the recipient announcement. Raises StationUnknown, StorageFailed."""
        with self._transaction(station_id) as session:
            return ledger.station_ledger(session, station_id), recipients.announcement(session)

    def _held(self, entries: Sequence[LedgerEntry], trusted: Mapping[bytes, VerifyingKey]) -> Iterator[HeldPackage]:
        """What can be shown of packages in the ledger. One that cannot be opened any more is left out, and logged."""
        for entry in entries:
            try:
                with _storage():
                    data = self._files.object_path(entry.package_sha256).read_bytes()
                _, key_id = split_package(data)
                opened = open_package(data, self._recipients.holding(key_id), trusted)
            except (EnrollmentError, RegistryError) as error:
                logger.error("number %d of %s cannot be opened: %s", entry.sequence, entry.station_id, error.reason)
                continue
            yield HeldPackage(opened.signed_manifest, entry.receipt)

    def _enter(self, opened: OpenedPackage, package_sha256: bytes, size_bytes: int) -> bytes:
        """Write the ledger's row, the receipt in it, in one transaction; the object is on disk before."""
        manifest = opened.manifest
        station_id = manifest.station_id
        with self._transaction(station_id) as session:
            entry = ledger.find_entry(session, station_id, package_sha256)
            if entry is not None:
                return entry.receipt
            ledger.require_successor(session, manifest)
            others = ledger.entries_of_dossier(session, station_id, manifest.dossier_id.bytes)
            received_at_ms = self._now_ms()
            receipt = sign_receipt(
                Receipt(
                    package_sha256=package_sha256,
                    package_id=manifest.package_id,
                    station_id=station_id,
                    sequence=manifest.sequence,
                    received_at_ms=received_at_ms,
                    registry_id=self._registry_id,
                ),
                self._receipt_key,
            )
            self._files.keep(station_id, package_sha256)
            session.add(
                LedgerEntry(
                    station_id=station_id,
                    sequence=manifest.sequence,
                    package_sha256=package_sha256,
                    package_id=manifest.package_id.bytes,
                    dossier_id=manifest.dossier_id.bytes,
                    size_bytes=size_bytes,
                    signer_key_id=opened.signer_key_id,
                    received_at_ms=received_at_ms,
                    receipt=receipt,
                )
            )
            # Whatever else the station had begun for this place in its sequence can never be taken any more.
            done = list(session.scalars(select(Upload).where(Upload.station_id == station_id)))
            session.execute(delete(Upload).where(Upload.station_id == station_id))
        with _storage():
            for upload in done:
                self._files.drop(station_id, upload.package_sha256)
        logger.info("received %s of %s as number %d", package_sha256.hex(), station_id, manifest.sequence)
        if others:
            numbers = ", ".join(str(entry.sequence) for entry in others)
            logger.warning(
                "number %d of %s is of a dossier received before: %s", manifest.sequence, station_id, numbers
            )
        return receipt

    def _make_room(self, session: Session, station_id: str) -> None:
        statement = select(Upload).where(Upload.station_id == station_id).order_by(Upload.begun_at_ms.desc())
        for upload in session.scalars(statement.offset(MAX_OPEN_UPLOADS - 1)):
            session.delete(upload)
            self._files.drop(station_id, upload.package_sha256)

    def _drop(self, station_id: str, package_sha256: bytes) -> None:
        with self._transaction(station_id) as session:
            session.execute(
                delete(Upload).where(Upload.station_id == station_id, Upload.package_sha256 == package_sha256)
            )
        with _storage():
            self._files.drop(station_id, package_sha256)

    @contextmanager
    def _transaction(self, station_id: str) -> Iterator[Session]:
        """A transaction that holds the station's row, committed at the end."""
        with _storage(), Session(self._engine, expire_on_commit=False) as session, session.begin():
            ledger.require_station(session, station_id)
            yield session


@contextmanager
def _storage() -> Iterator[None]:
    """Translate what disk and database raise; the cause stays in the log, not in the answer."""
    try:
        yield
    except SQLAlchemyError as error:
        raise StorageFailed("the database does not answer", kind=type(error).__name__) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageFull("no room on the disk", errno=error.errno) from error
        raise StorageFailed("the disk does not answer", errno=error.errno or 0) from error


def _require_digest(package_sha256: bytes) -> None:
    if len(package_sha256) != DIGEST_BYTES:
        raise InvalidRequest(f"a digest has {DIGEST_BYTES} bytes", field="package_sha256", found=len(package_sha256))


def _require_announced(data: bytes, package_sha256: bytes) -> None:
    if hashlib.sha256(data).digest() != package_sha256:
        raise DigestMismatch("the bytes are not those that were announced", package=package_sha256.hex())


def _require_own(manifest: Manifest, station_id: str) -> None:
    if manifest.station_id != station_id:
        raise StationMismatch("the package was made by another station", found=manifest.station_id, expected=station_id)


def _require_upload(session: Session, station_id: str, package_sha256: bytes) -> Upload:
    upload = session.get(Upload, (station_id, package_sha256))
    if upload is None:
        raise UploadUnknown("no such upload has begun", package=package_sha256.hex(), station_id=station_id)
    return upload
