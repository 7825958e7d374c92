"""Opens everything that the station keeps."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from enrollment.service.config import Clock
from enrollment.service.store.audit_log import AuditLog
from enrollment.service.store.card_batches import CardBatches
from enrollment.service.store.card_ledger import CardLedger
from enrollment.service.store.card_orders import CardOrders
from enrollment.service.store.database import Database
from enrollment.service.store.dossier_store import DossierStore
from enrollment.service.store.errors import DatabaseUnavailable
from enrollment.service.store.migrations import migrate, steps_at
from enrollment.service.store.operator_sessions import OperatorSessions
from enrollment.service.store.outbox_store import OutboxStore
from enrollment.service.store.tables import SETTINGS
from enrollment.service.store.vault import KeyWrapper, Vault


class Settings:
    """Small values that outlive the daemon, by name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> str | None:
        """The value, or None where none was kept."""
        with self._database.read() as connection:
            found = connection.execute(select(SETTINGS.c.value).where(SETTINGS.c.name == name))
            value: str | None = found.scalar_one_or_none()
            return value

    def put(self, name: str, value: str) -> None:
        """Keep a value, durable when this returns."""
        row = insert(SETTINGS).values(name=name, value=value)
        with self._database.write() as connection:
            connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


@dataclass(frozen=True, slots=True)
class Store:
    """One station's database and what stands in it."""

    database: Database
    dossiers: DossierStore
    outbox: OutboxStore
    cards: CardLedger
    card_batches: CardBatches
    audit: AuditLog
    sessions: OperatorSessions
    settings: Settings
    card_orders: CardOrders

    @classmethod
    def open(cls, path: Path, clock: Clock, wrapper: KeyWrapper, *, place: str = "station") -> Self:
        """Open or create the file, bring its tables up to date, finish a purge that a crash cut short.

        place: this point, as the ledger of cards names it.
        Raises DatabaseUnavailable, DatabaseTooNew.
        """
        database = Database(path)
        try:
            migrate(database, steps_at(place))
        except BaseException:
            database.close()
            raise
        with suppress(DatabaseUnavailable):  # another process may be reading: the next start does it
            database.forget_deleted()  # a crash may have come between a purge and this
        audit = AuditLog(database, clock)
        cards, vault = CardLedger(database, audit, clock, place), Vault(wrapper)
        return cls(
            database=database,
            dossiers=DossierStore(database, vault, audit, clock, cards),
            outbox=OutboxStore(database, audit, clock, cards),
            cards=cards,
            card_batches=CardBatches(database, audit, clock, place),
            audit=audit,
            sessions=OperatorSessions(database, audit, clock),
            settings=Settings(database),
            card_orders=CardOrders(database, vault, audit, clock),
        )

    def close(self) -> None:
        """Close the file."""
        self.database.close()
