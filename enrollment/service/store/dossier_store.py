"""Dossiers on disk. Every method is one transaction: it is durable when it returns, or nothing has changed.

Synchronous and thread-safe: call it from worker threads. Personal fields and parts are encrypted (vault.py).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import uuid_utils
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from enrollment.core.dossier.completeness import require_complete
from enrollment.core.dossier.demographics import validated
from enrollment.core.dossier.lifecycle import require_open, require_transition
from enrollment.core.dossier.model import (
    AbsentFinger,
    Capture,
    Dossier,
    DossierState,
)
from enrollment.core.dossier.plan import SINGLE_FINGERS, Plan, plan_to_table
from enrollment.core.errors import InvalidInput, PositionAlreadyCaptured, PositionNotInPlan
from enrollment.service.config import Clock
from enrollment.service.store import dossier_rows as rows
from enrollment.service.store.audit_log import AuditLog
from enrollment.service.store.card_ledger import CardLedger
from enrollment.service.store.database import Database
from enrollment.service.store.dossier_parts import StoredPrint, open_part, read_prints
from enrollment.service.store.errors import (
    DossierUnknown,
    PartPurged,
    PartUnknown,
    RequestConflict,
)
from enrollment.service.store.instants import to_ms
from enrollment.service.store.new_capture import NewCapture, insert_capture, remove_capture, require_compared
from enrollment.service.store.packable import require_operator, require_parts
from enrollment.service.store.tables import (
    ABSENCES,
    CAPTURES,
    CARD_ORDERS,
    DOSSIERS,
    PACKAGE_CONTENTS,
    PACKAGES,
    PARTS,
    PORTRAIT_SLOT,
)
from enrollment.service.store.vault import DossierCipher, Vault

MAX_PAGE: Final = 500
MAX_DESCRIPTION: Final = 200  # characters
SHORTEST_NAME: Final = 4  # of a personal field that is looked for in what is kept in the clear

# Built once: to build a statement costs more than to carry it out.
_BY_REQUEST: Final = select(CAPTURES.c.dossier_id, CAPTURES.c.position).where(
    CAPTURES.c.request_id == bindparam("request_id")
)


@dataclass(frozen=True, slots=True)
class BeforeCapture:
    """A dossier at one moment. earlier: what the request stored when it was made before. prints: those not known."""

    dossier: Dossier
    earlier: Capture | None
    prints: tuple[StoredPrint, ...]


@dataclass(frozen=True, slots=True)
class DossierPage:
    """Newest first. next_page_token: "" on the last page."""

    dossiers: tuple[Dossier, ...]
    next_page_token: str


class DossierStore:
    """The station's dossiers."""

    def __init__(self, database: Database, vault: Vault, audit: AuditLog, clock: Clock, cards: CardLedger) -> None:
        self._database, self._vault, self._audit, self._clock, self._cards = database, vault, audit, clock, cards

    def create(self, plan: Plan, demographics: Mapping[str, str], *, request_id: str, operator_id: str) -> Dossier:
        """Open a dossier; the same request again gives the same dossier.

        Raises InvalidDemographics, InvalidInput (the operator), RequestConflict (the request_id asked for another).
        """
        fields = validated(plan, demographics)
        plan_json = json.dumps(plan_to_table(plan), ensure_ascii=False)
        content = rows.demographics_to_bytes(fields)
        request = json.dumps([plan.plan_id, operator_id, sorted(fields.items())]).encode()
        require_operator(operator_id)
        with self._database.write() as connection:
            earlier = connection.execute(select(DOSSIERS).where(DOSSIERS.c.request_id == request_id)).one_or_none()
            if earlier is not None:
                opened = rows.load_dossiers(connection, [earlier], self._vault)[0]
                key = earlier.wrapped_key  # gone after a purge: then nothing can be compared any more
                if key is not None and self._vault.cipher(opened.dossier_id, key).digest(request) != bytes(
                    earlier.request_digest
                ):
                    raise RequestConflict("this request_id opened another dossier", request_id=request_id)
                return opened
            dossier_id = str(uuid_utils.uuid7())
            wrapped_key, cipher = self._vault.new_key(dossier_id)
            connection.execute(
                insert(DOSSIERS).values(
                    dossier_id=dossier_id,
                    request_id=request_id,
                    request_digest=cipher.digest(request),
                    card_profile=plan.card_profile or None,
                    state=DossierState.OPEN.value,
                    plan=plan_json,
                    operator_id=operator_id,
                    created_at=to_ms(self._clock.now()),
                    wrapped_key=wrapped_key,
                    sealed_demographics=cipher.seal(rows.DEMOGRAPHICS_PLACE, content),
                )
            )
            self._audit.append_in(connection, "dossier-opened", operator_id, dossier_id=dossier_id)
            return self._load(connection, dossier_id)

    def get(self, dossier_id: str) -> Dossier:
        """Raises DossierUnknown."""
        with self._database.read() as connection:
            return self._load(connection, dossier_id)

    def list(self, state: DossierState | None, page_size: int, page_token: str) -> DossierPage:
        """A page, newest first. page_token: "" for the first; page_size 1..MAX_PAGE."""
        query = select(DOSSIERS).order_by(DOSSIERS.c.dossier_id.desc()).limit(min(page_size, MAX_PAGE) + 1)
        if state is not None:
            query = query.where(DOSSIERS.c.state == state.value)
        if page_token:
            query = query.where(DOSSIERS.c.dossier_id < page_token)
        with self._database.read() as connection:
            found = connection.execute(query).all()
            page = found[: min(page_size, MAX_PAGE)]
            token = page[-1].dossier_id if len(found) > len(page) else ""
            found_dossiers = rows.load_dossiers(connection, page, self._vault, even_damaged=True)
            return DossierPage(tuple(found_dossiers), token)

    def update_demographics(self, dossier_id: str, demographics: Mapping[str, str], *, operator_id: str) -> Dossier:
        """Replace all fields. Raises DossierUnknown, DossierNotOpen, InvalidDemographics."""
        with self._database.write() as connection:
            dossier, cipher = self._open_dossier(connection, dossier_id)
            content = rows.demographics_to_bytes(validated(dossier.plan, demographics))
            _update(connection, dossier_id, sealed_demographics=cipher.seal(rows.DEMOGRAPHICS_PLACE, content))
            self._audit.append_in(connection, "demographics-changed", operator_id, dossier_id=dossier_id)
            return self._load(connection, dossier_id)

    def record_absence(self, dossier_id: str, absent: AbsentFinger) -> Dossier:
        """Record or correct why one finger is not captured. Raises DossierUnknown, DossierNotOpen, InvalidInput."""
        if absent.position not in SINGLE_FINGERS or len(absent.description) > MAX_DESCRIPTION:
            raise InvalidInput(
                f"an absence is of one finger, 1..10, in at most {MAX_DESCRIPTION} characters", position=absent.position
            )
        require_operator(absent.operator_id)
        with self._database.write() as connection:
            dossier, cipher = self._open_dossier(connection, dossier_id)
            if any(absent.position in capture.shown for capture in dossier.captures):
                raise PositionAlreadyCaptured(
                    "this finger is captured, so it is not absent", dossier_id=dossier_id, position=absent.position
                )
            where = (ABSENCES.c.dossier_id == dossier_id, ABSENCES.c.position == absent.position)
            connection.execute(delete(ABSENCES).where(*where))
            connection.execute(
                insert(ABSENCES).values(
                    dossier_id=dossier_id,
                    position=absent.position,
                    absence=absent.absence.value,
                    operator_id=absent.operator_id,
                    sealed_description=cipher.seal(rows.absence_place(absent.position), absent.description.encode()),
                )
            )
            self._audit.append_in(
                connection, "finger-absent", absent.operator_id, dossier_id=dossier_id, position=absent.position
            )
            return self._load(connection, dossier_id)

    def withdraw_absence(self, dossier_id: str, position: int, *, operator_id: str) -> Dossier:
        """Ask for a finger again; one that is not absent is no error. Raises DossierUnknown, DossierNotOpen."""
        with self._database.write() as connection:
            self._open_dossier(connection, dossier_id)
            where = (ABSENCES.c.dossier_id == dossier_id, ABSENCES.c.position == position)
            if connection.execute(delete(ABSENCES).where(*where)).rowcount:
                self._audit.append_in(
                    connection, "absence-withdrawn", operator_id, dossier_id=dossier_id, position=position
                )
            return self._load(connection, dossier_id)

    def add_capture(self, dossier_id: str, new: NewCapture, *, replace: bool, request_id: str) -> Capture:
        """Store a capture with its parts; the same request_id again gives what it stored.

        Raises DossierUnknown, DossierNotOpen, PositionNotInPlan, PositionAlreadyCaptured, RequestConflict,
        PrintsAppeared (compare again), and InvalidInput for what no package could carry.
        """
        slot = PORTRAIT_SLOT if new.position is None else new.position
        require_operator(new.operator_id)
        with self._database.write() as connection:
            earlier = self._earlier(connection, request_id, dossier_id, new.position)
            if earlier is not None:
                return earlier
            dossier, cipher = self._open_dossier(connection, dossier_id)
            planned = dossier.plan.portrait if new.position is None else dossier.plan.fingerprint(new.position)
            if planned is None:
                raise PositionNotInPlan("the plan does not ask for this", dossier_id=dossier_id, position=slot)
            if dossier.capture_of(new.position) is not None:
                if not replace:
                    raise PositionAlreadyCaptured(
                        "the dossier holds this already; ask for a replacement", dossier_id=dossier_id, position=slot
                    )
                remove_capture(connection, dossier_id, slot)
            require_compared(dossier, new)
            require_parts(dossier, new.position, new.parts)
            stored = insert_capture(connection, dossier, new, cipher, request_id)
            self._audit.append_in(
                connection,
                "captured",
                new.operator_id,
                dossier_id=dossier_id,
                position=slot,
                capture_id=stored.capture_id,
            )
            return stored

    def before_capture(
        self, dossier_id: str, position: int | None, request_id: str, known: Collection[str] | None = None
    ) -> BeforeCapture:
        """What a capture begins from; position as in NewCapture.

        known: captures whose prints need not be read; None where no prints are needed.
        Raises DossierUnknown, StoredDataDamaged, RequestConflict (the request_id captured something else).
        """
        with self._database.read() as connection:
            dossier = self._load(connection, dossier_id)
            earlier = self._earlier(connection, request_id, dossier_id, position)
            if known is None or earlier is not None:
                return BeforeCapture(dossier, earlier, ())
            return BeforeCapture(dossier, None, read_prints(connection, dossier_id, self._vault, known))

    def complete(self, dossier_id: str, *, operator_id: str) -> Dossier:
        """Close an open dossier for sealing; one that is complete or further answers as it is.

        Raises DossierUnknown, DossierIncomplete, TransitionRefused (abandoned).
        """
        with self._database.write() as connection:
            dossier = self._load(connection, dossier_id)
            if dossier.state in (DossierState.COMPLETE, DossierState.SEALED, DossierState.ACKNOWLEDGED):
                return dossier
            require_transition(dossier_id, dossier.state, DossierState.COMPLETE)
            require_complete(dossier)
            now = to_ms(self._clock.now())
            _update(connection, dossier_id, state=DossierState.COMPLETE.value, completed_at=now)
            self._audit.append_in(connection, "dossier-completed", operator_id, dossier_id=dossier_id)
            if dossier.plan.card_profile:
                self._cards.collected_in(connection, dossier_id, dossier.plan.card_profile, operator_id=operator_id)
            return self._load(connection, dossier_id)

    def complete_dossiers(self) -> tuple[str, ...]:
        """Ids of the dossiers that wait for sealing, oldest completion first."""
        waiting = select(DOSSIERS.c.dossier_id).where(DOSSIERS.c.state == DossierState.COMPLETE.value)
        with self._database.read() as connection:
            return tuple(connection.execute(waiting.order_by(DOSSIERS.c.completed_at, DOSSIERS.c.dossier_id)).scalars())

    def abandon(self, dossier_id: str, *, operator_id: str, why: str) -> Dossier:
        """Give up an open dossier: its key and content go, its id stays.

        why: kept in the clear. Raises DossierUnknown, TransitionRefused, InvalidInput where it names the person.
        """
        return self._destroy(dossier_id, DossierState.ABANDONED, "dossier-abandoned", operator_id, why=why[:200])

    def purge(self, dossier_id: str, *, operator_id: str) -> Dossier:
        """Destroy the key of an acknowledged dossier, and its content. Raises DossierUnknown, TransitionRefused."""
        return self._destroy(dossier_id, DossierState.PURGED, "dossier-purged", operator_id)

    def read_part(self, dossier_id: str, name: str) -> bytes:
        """A part, decrypted and checked. Raises DossierUnknown, PartUnknown, PartPurged, StoredDataDamaged."""
        with self._database.read() as connection:
            row = connection.execute(
                select(PARTS, DOSSIERS.c.wrapped_key)
                .join(DOSSIERS)
                .where(PARTS.c.dossier_id == dossier_id, PARTS.c.name == name)
            ).one_or_none()
            if row is None:
                self._load(connection, dossier_id)
                raise PartUnknown("the dossier has no such part", dossier_id=dossier_id)
            if row.wrapped_key is None or row.sealed_content is None:
                raise PartPurged("the dossier was purged: its parts are gone for ever", dossier_id=dossier_id)
            return open_part(self._vault.cipher(dossier_id, row.wrapped_key), row)

    def stored_prints(self, dossier_id: str) -> tuple[StoredPrint, ...]:
        """The minutiae record of each captured finger. Raises DossierUnknown, StoredDataDamaged."""
        with self._database.read() as connection:
            prints = read_prints(connection, dossier_id, self._vault)
            if not prints:
                self._load(connection, dossier_id)
            return prints

    def _destroy(self, dossier_id: str, state: DossierState, action: str, operator_id: str, **facts: str) -> Dossier:
        with self._database.write() as connection:
            dossier = self._load(connection, dossier_id, even_damaged=True)
            if dossier.state is not state:
                require_transition(dossier_id, dossier.state, state)
                _require_impersonal(dossier, facts.get("why", ""))
                _erase(connection, dossier_id)
                _update(connection, dossier_id, state=state.value)
                self._audit.append_in(connection, action, operator_id, dossier_id=dossier_id, **facts)
            destroyed = self._load(connection, dossier_id)
        self._database.forget_deleted()  # repeated with the call: a crash may have come between the two
        return destroyed

    def _load(self, connection: Connection, dossier_id: str, *, even_damaged: bool = False) -> Dossier:
        row = self._row(connection, dossier_id)
        return rows.load_dossiers(connection, [row], self._vault, even_damaged=even_damaged)[0]

    def _row(self, connection: Connection, dossier_id: str) -> rows.AnyRow:
        found = rows.dossier_row(connection, dossier_id)
        if found is None:
            raise DossierUnknown("this station has no such dossier", dossier_id=dossier_id[:64])
        return found

    def _open_dossier(self, connection: Connection, dossier_id: str) -> tuple[Dossier, DossierCipher]:
        row = self._row(connection, dossier_id)
        dossier = rows.load_dossiers(connection, [row], self._vault)[0]
        require_open(dossier)
        return dossier, self._vault.cipher(dossier_id, row.wrapped_key)

    def _earlier(
        self, connection: Connection, request_id: str, dossier_id: str, position: int | None
    ) -> Capture | None:
        """What this request stored when it was made before. Raises RequestConflict when it asked for something else."""
        row = connection.execute(_BY_REQUEST, {"request_id": request_id}).one_or_none()
        if row is None:
            return None
        if (row.dossier_id, row.position) != (dossier_id, PORTRAIT_SLOT if position is None else position):
            raise RequestConflict("this request_id belongs to another capture", request_id=request_id)
        return self._load(connection, dossier_id).capture_of(position)


def _require_impersonal(dossier: Dossier, why: str) -> None:
    told = why.casefold()
    if any(len(value) >= SHORTEST_NAME and value.casefold() in told for value in dossier.demographics.values()):
        raise InvalidInput("the reason is kept when the person's fields are gone: leave them out", field="reason")


def _update(connection: Connection, dossier_id: str, **values: str | bytes | int | None) -> None:
    connection.execute(update(DOSSIERS).where(DOSSIERS.c.dossier_id == dossier_id).values(**values))


def _erase(connection: Connection, dossier_id: str) -> None:
    """Destroy the key and whatever it or the registry could open; ids, digests and the receipt stay."""
    _update(connection, dossier_id, wrapped_key=None, sealed_demographics=None)
    connection.execute(update(PARTS).where(PARTS.c.dossier_id == dossier_id).values(sealed_content=None))
    connection.execute(update(ABSENCES).where(ABSENCES.c.dossier_id == dossier_id).values(sealed_description=None))
    connection.execute(update(CARD_ORDERS).where(CARD_ORDERS.c.dossier_id == dossier_id).values(sealed_content=None))
    packages = select(PACKAGES.c.package_id).where(PACKAGES.c.dossier_id == dossier_id)
    connection.execute(delete(PACKAGE_CONTENTS).where(PACKAGE_CONTENTS.c.package_id.in_(packages)))
