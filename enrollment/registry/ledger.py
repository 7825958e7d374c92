"""The ledger: which packages the registry holds of which station, in which order, and who may sign them.

Functions work inside the caller's transaction (a Session); none of them commits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from enrollment.core.errors import SequenceBroken
from enrollment.core.sealing.manifest import Manifest
from enrollment.core.sealing.public_keys import decode_verifying_key, encode_verifying_key
from enrollment.core.sealing.signing_key import VerifyingKey
from enrollment.registry.errors import InvalidRequest, StationUnknown
from enrollment.registry.tables import LedgerEntry, Station, StationKey, Upload


@dataclass(frozen=True, slots=True)
class StationLedger:
    """What the registry holds of one station.

    last_sequence: 0 before the first package; last_sha256: its package's digest, empty before the first.
    gaps: sequence numbers up to last_sequence that are missing, as (first, last); empty in a sound ledger.
    """

    station_id: str
    packages: int
    last_sequence: int
    last_sha256: bytes
    last_received_at_ms: int | None
    open_uploads: int
    gaps: tuple[tuple[int, int], ...]


def enroll_station(session: Session, station_id: str, key: VerifyingKey, now_ms: int) -> None:
    """Let a key sign a station's packages. Idempotent. Raises InvalidRequest for another station's key."""
    if session.get(Station, station_id) is None:
        session.add(Station(station_id=station_id, enrolled_at_ms=now_ms))
        session.flush()
    known = session.get(StationKey, key.key_id)
    if known is None:
        session.add(
            StationKey(
                key_id=key.key_id,
                station_id=station_id,
                verifying_key=encode_verifying_key(key),
                enrolled_at_ms=now_ms,
            )
        )
    elif known.station_id != station_id:
        raise InvalidRequest("the verifying key belongs to another station", station_id=known.station_id)


def require_station(session: Session, station_id: str) -> None:
    """Lock the station's row to the end of the transaction. Raises StationUnknown."""
    statement = select(Station).where(Station.station_id == station_id).with_for_update()
    if session.scalars(statement).one_or_none() is None:
        raise StationUnknown("the client certificate names a station that is not enrolled", station_id=station_id)


def station_keys(session: Session, station_id: str) -> dict[bytes, VerifyingKey]:
    """The keys that may sign the station's packages."""
    rows = session.scalars(select(StationKey).where(StationKey.station_id == station_id))
    return {row.key_id: decode_verifying_key(row.verifying_key) for row in rows}


def find_entry(session: Session, station_id: str, package_sha256: bytes) -> LedgerEntry | None:
    """The station's package with this digest, if it is in the ledger."""
    statement = select(LedgerEntry).where(
        LedgerEntry.station_id == station_id, LedgerEntry.package_sha256 == package_sha256
    )
    return session.scalars(statement).one_or_none()


def entries_of_dossier(session: Session, station_id: str, dossier_id: bytes) -> list[LedgerEntry]:
    """The station's packages of this dossier, by number: more than one only where their contents differ."""
    statement = select(LedgerEntry).where(LedgerEntry.station_id == station_id, LedgerEntry.dossier_id == dossier_id)
    return list(session.scalars(statement.order_by(LedgerEntry.sequence)))


def repeated_dossiers(session: Session, station_id: str) -> list[tuple[str, tuple[int, ...]]]:
    """Dossiers of which the registry holds several packages, each with their numbers: somebody must look at them."""
    own = LedgerEntry.station_id == station_id
    several = select(LedgerEntry.dossier_id).where(own).group_by(LedgerEntry.dossier_id).having(func.count() > 1)
    return [
        (
            str(UUID(bytes=dossier_id)),
            tuple(each.sequence for each in entries_of_dossier(session, station_id, dossier_id)),
        )
        for dossier_id in session.scalars(several)
    ]


def require_next_sequence(session: Session, station_id: str, sequence: int) -> LedgerEntry | None:
    """Require the number that is due; returns the entry before it. Raises SequenceBroken for a gap or a fork."""
    last = _last_entry(session, station_id)
    expected = 1 if last is None else last.sequence + 1
    if sequence != expected:
        raise SequenceBroken(
            "the package is not the station's next one", expected=expected, found=sequence, station_id=station_id
        )
    return last


def require_successor(session: Session, manifest: Manifest) -> None:
    """Require that the package follows the station's last one, by number and by digest. Raises SequenceBroken."""
    last = require_next_sequence(session, manifest.station_id, manifest.sequence)
    expected = None if last is None else last.package_sha256
    if manifest.previous_digest != expected:
        raise SequenceBroken(
            "the package names another predecessor than the ledger's last one",
            sequence=manifest.sequence,
            expected_previous=_hex(expected),
            found_previous=_hex(manifest.previous_digest),
            station_id=manifest.station_id,
        )


def station_ledger(session: Session, station_id: str) -> StationLedger:
    """Sum up one station."""
    last = _last_entry(session, station_id)
    packages = session.scalar(select(func.count()).select_from(LedgerEntry).where(LedgerEntry.station_id == station_id))
    uploads = session.scalar(select(func.count()).select_from(Upload).where(Upload.station_id == station_id))
    return StationLedger(
        station_id=station_id,
        packages=packages or 0,
        last_sequence=0 if last is None else last.sequence,
        last_sha256=b"" if last is None else last.package_sha256,
        last_received_at_ms=None if last is None else last.received_at_ms,
        open_uploads=uploads or 0,
        gaps=tuple(_gaps(session, station_id)),
    )


def all_stations(session: Session) -> list[StationLedger]:
    """Sum up every enrolled station, by id."""
    ids = session.scalars(select(Station.station_id).order_by(Station.station_id))
    return [station_ledger(session, station_id) for station_id in ids]


def _last_entry(session: Session, station_id: str) -> LedgerEntry | None:
    statement = select(LedgerEntry).where(LedgerEntry.station_id == station_id)
    return session.scalars(statement.order_by(LedgerEntry.sequence.desc()).limit(1)).one_or_none()


def _gaps(session: Session, station_id: str) -> Iterator[tuple[int, int]]:
    """Compare each number with the one before it, in the database: a station may have a million."""
    before = func.lag(LedgerEntry.sequence, 1, 0).over(order_by=LedgerEntry.sequence).label("before")
    numbered = select(LedgerEntry.sequence, before).where(LedgerEntry.station_id == station_id).subquery()
    jumps = select(numbered).where(numbered.c.sequence != numbered.c.before + 1).order_by(numbered.c.sequence)
    for sequence, previous in session.execute(jumps):
        yield previous + 1, sequence - 1


def _hex(digest: bytes | None) -> str:
    return "" if digest is None else digest.hex()
