"""The ledger's rules on a real SQLite file: numbers without gaps, predecessors, keys of stations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from enrollment.core.errors import SequenceBroken
from enrollment.core.sealing.manifest import Manifest, Part
from enrollment.registry import ledger
from enrollment.registry.errors import InvalidRequest, StationUnknown
from enrollment.registry.keys import SoftwareSigningKey
from enrollment.registry.tables import LedgerEntry, open_database
from tests.golden.sealing.sample_fields import sample_manifest

STATION = "HN-07"


def digest(sequence: int) -> bytes:
    return sequence.to_bytes(32, "big")


def manifest(sequence: int, previous: bytes | None) -> Manifest:
    part = Part(name="portrait", media_type="image/jpeg", length=1, sha256=bytes(32))
    return sample_manifest(bytes(32), [part], station_id=STATION, sequence=sequence, previous_digest=previous)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path}/registry.db")
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def key() -> SoftwareSigningKey:
    return SoftwareSigningKey.generate()


@pytest.fixture
def session(engine: Engine, key: SoftwareSigningKey) -> Iterator[Session]:
    with Session(engine) as session:
        ledger.enroll_station(session, STATION, key.verifying_key, now_ms=1)
        yield session


@pytest.fixture
def enter(session: Session) -> Callable[[int], None]:
    def enter(sequence: int) -> None:
        session.add(
            LedgerEntry(
                station_id=STATION,
                sequence=sequence,
                package_sha256=digest(sequence),
                package_id=bytes(16),
                dossier_id=bytes(16),
                size_bytes=2000,
                signer_key_id=bytes(32),
                received_at_ms=1000 + sequence,
                receipt=b"receipt",
            )
        )
        session.flush()

    return enter


def test_a_station_begins_with_number_one(session: Session) -> None:
    ledger.require_successor(session, manifest(1, None))
    for sequence in (2, 2**62):
        with pytest.raises(SequenceBroken) as caught:
            ledger.require_successor(session, manifest(sequence, bytes(32)))
        assert caught.value.facts == {"expected": 1, "found": sequence, "station_id": STATION}


def test_the_next_package_follows_by_number_and_by_digest(session: Session, enter: Callable[[int], None]) -> None:
    enter(1)
    enter(2)
    ledger.require_successor(session, manifest(3, digest(2)))
    for sequence, previous in ((3, digest(1)), (2, digest(1)), (4, digest(2)), (1, None)):
        with pytest.raises(SequenceBroken):
            ledger.require_successor(session, manifest(sequence, previous))


def test_a_sum_names_the_last_package_and_every_gap(session: Session, enter: Callable[[int], None]) -> None:
    assert ledger.station_ledger(session, STATION).gaps == ()
    for sequence in (2, 3, 7, 9, 10):
        enter(sequence)
    (summed,) = ledger.all_stations(session)
    assert summed.gaps == ((1, 1), (4, 6), (8, 8))
    assert (summed.packages, summed.last_sequence, summed.last_sha256) == (5, 10, digest(10))
    assert summed.last_received_at_ms == 1010


def test_a_number_or_a_digest_cannot_be_entered_twice(session: Session, enter: Callable[[int], None]) -> None:
    enter(1)
    session.commit()
    with pytest.raises(IntegrityError):
        session.execute(text("INSERT INTO ledger SELECT * FROM ledger"))
    session.rollback()
    changed = (
        "station_id, 2, package_sha256, package_id, dossier_id, size_bytes, signer_key_id, received_at_ms, receipt"
    )
    with pytest.raises(IntegrityError):
        session.execute(text(f"INSERT INTO ledger SELECT {changed} FROM ledger"))  # noqa: S608 - a constant


def test_an_enrolled_station_may_enroll_again_and_add_keys(session: Session, key: SoftwareSigningKey) -> None:
    ledger.enroll_station(session, STATION, key.verifying_key, now_ms=2)
    second = SoftwareSigningKey.generate()
    ledger.enroll_station(session, STATION, second.verifying_key, now_ms=3)
    expected = {each.key_id: each.verifying_key for each in (key, second)}
    assert ledger.station_keys(session, STATION) == expected
    assert ledger.station_keys(session, "HN-08") == {}


def test_one_key_cannot_speak_for_two_stations(session: Session, key: SoftwareSigningKey) -> None:
    with pytest.raises(InvalidRequest):
        ledger.enroll_station(session, "HN-08", key.verifying_key, now_ms=2)


def test_a_station_that_is_not_enrolled_is_unknown(session: Session) -> None:
    ledger.require_station(session, STATION)
    with pytest.raises(StationUnknown):
        ledger.require_station(session, "HN-08")


def test_the_database_is_durable_at_every_commit(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


@pytest.mark.parametrize("url", ["", "no url", "nosuch://host/name", "sqlite+nosuch:///x.db"])
def test_a_url_that_names_no_database_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest):
        open_database(url)
