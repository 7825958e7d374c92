"""Cards that are being written: what lies on a half-written card must outlive the daemon.

    open --bind: the first card--> open --finish--> written | given up

An order's files, and the chip's private keys, are sealed under the dossier's key before the first octet is sent, and
erased when the order ends: then the chip alone has the keys. A dossier has one open order at most. Every method is one
transaction.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

import uuid_utils
from sqlalchemy import Connection, Row, Select, Update, delete, insert, select, update

from enrollment.core.errors import CardBelongsElsewhere
from enrollment.service.config import Clock
from enrollment.service.store.audit_log import AuditLog
from enrollment.service.store.database import Database
from enrollment.service.store.errors import DatabaseUnavailable, DossierUnknown, PartPurged, RequestConflict
from enrollment.service.store.instants import to_ms
from enrollment.service.store.tables import CARD_ORDERS, DOSSIERS
from enrollment.service.store.vault import DossierCipher, Vault

_PLACE: Final = "card-order/"
_COLUMNS: Final = tuple(
    CARD_ORDERS.c[name] for name in ("order_id", "request_id", "dossier_id", "profile_id", "state", "card_id")
)


class OrderState(Enum):
    """How far an order is."""

    OPEN = "open"
    WRITTEN = "written"
    GIVEN_UP = "given up"


_IS_OPEN: Final = CARD_ORDERS.c.state == OrderState.OPEN.value


@dataclass(frozen=True, slots=True)
class CardOrder:
    """One card of one dossier. request_id: the one that asked for it last. card_id: "" until a card was met."""

    order_id: str
    request_id: str
    dossier_id: str
    profile_id: str
    state: OrderState
    card_id: str


class CardOrders:
    """The station's orders."""

    def __init__(self, database: Database, vault: Vault, audit: AuditLog, clock: Clock) -> None:
        self._database, self._vault, self._audit, self._clock = database, vault, audit, clock

    def find(self, request_id: str, dossier_id: str, profile_id: str) -> CardOrder | None:
        """What this request began. Raises RequestConflict where it asked for another card."""
        with self._database.read() as connection:
            found = connection.execute(_orders(CARD_ORDERS.c.request_id == request_id)).one_or_none()
        if found is None:
            return None
        order = _order(found)
        if (order.dossier_id, order.profile_id) != (dossier_id, profile_id):
            raise RequestConflict("this request_id asked for another card", request_id=request_id)
        return order

    def open_of(self, dossier_id: str) -> CardOrder | None:
        """The dossier's open order."""
        with self._database.read() as connection:
            found = connection.execute(_orders(CARD_ORDERS.c.dossier_id == dossier_id, _IS_OPEN)).first()
        return None if found is None else _order(found)

    def begin(
        self, request_id: str, dossier_id: str, profile_id: str, content: bytes, *, operator_id: str
    ) -> CardOrder:
        """Keep what will be written. Raises RequestConflict where the dossier has an open order, DossierUnknown,
        PartPurged."""
        with self._database.write() as connection:
            if connection.execute(_orders(CARD_ORDERS.c.dossier_id == dossier_id, _IS_OPEN)).first() is not None:
                raise RequestConflict("a card of this dossier is being written", dossier_id=dossier_id)
            order_id = str(uuid_utils.uuid7())
            connection.execute(
                insert(CARD_ORDERS).values(
                    order_id=order_id,
                    request_id=request_id,
                    dossier_id=dossier_id,
                    profile_id=profile_id,
                    state=OrderState.OPEN.value,
                    card_id="",
                    operator_id=operator_id,
                    created_at=to_ms(self._clock.now()),
                    sealed_content=self._cipher(connection, dossier_id).seal(_PLACE + order_id, content),
                )
            )
            self._audit.append_in(connection, "card-ordered", operator_id, dossier_id=dossier_id, profile=profile_id)
        return CardOrder(order_id, request_id, dossier_id, profile_id, OrderState.OPEN, "")

    def content(self, order: CardOrder) -> bytes:
        """What is written. Raises PartPurged where the order has ended or the dossier was purged."""
        with self._database.read() as connection:
            query = select(CARD_ORDERS.c.sealed_content).where(CARD_ORDERS.c.order_id == order.order_id)
            sealed = connection.execute(query).scalar_one()
            if sealed is None:
                raise PartPurged("the order has ended: its files are gone", dossier_id=order.dossier_id)
            return self._cipher(connection, order.dossier_id).open(_PLACE + order.order_id, sealed)

    def bind(self, order: CardOrder, card_id: str, request_id: str = "") -> CardOrder:
        """This is the card that is written: durable before its first octet is.

        request_id: of who goes on with the order; "" for who began it.
        Raises CardBelongsElsewhere where the order has another card, or the card another open order.
        """
        ours, theirs = CARD_ORDERS.c.order_id == order.order_id, CARD_ORDERS.c.card_id == card_id
        with self._database.write() as connection:
            present = _order(connection.execute(_orders(ours)).one())
            if present.card_id not in ("", card_id):
                raise CardBelongsElsewhere(
                    "another card was begun for this dossier: put that one in",
                    card_id=card_id,
                    begun=present.card_id,
                )
            other = connection.execute(_orders(theirs, _IS_OPEN, ~ours)).first()
            if other is not None:
                raise CardBelongsElsewhere(
                    "this card is being written for another dossier", card_id=card_id, dossier_id=other.dossier_id
                )
            bound = replace(order, card_id=card_id, request_id=request_id or order.request_id)
            connection.execute(_update(order).values(card_id=bound.card_id, request_id=bound.request_id))
        return bound

    def discard(self, order: CardOrder) -> None:
        """Forget an order of which nothing was written: what it would write holds no more."""
        nothing_written = CARD_ORDERS.c.card_id == ""
        with self._database.write() as connection:
            connection.execute(delete(CARD_ORDERS).where(CARD_ORDERS.c.order_id == order.order_id, nothing_written))

    def finish(self, order: CardOrder, state: OrderState) -> None:
        """End an order: its files and keys are gone when this returns."""
        with self._database.write() as connection:
            connection.execute(_update(order).values(state=state.value, sealed_content=None))
        with suppress(DatabaseUnavailable):  # somebody reads an old version: they are sealed there, too
            self._database.forget_deleted()

    def _cipher(self, connection: Connection, dossier_id: str) -> DossierCipher:
        found = connection.execute(
            select(DOSSIERS.c.wrapped_key).where(DOSSIERS.c.dossier_id == dossier_id)
        ).one_or_none()
        if found is None:
            raise DossierUnknown("this station has no such dossier", dossier_id=dossier_id)
        if found.wrapped_key is None:
            raise PartPurged("the dossier was purged: nothing of it can be written", dossier_id=dossier_id)
        return self._vault.cipher(dossier_id, found.wrapped_key)


def _orders(*conditions: Any) -> Select[Any]:
    return select(*_COLUMNS).where(*conditions)


def _update(order: CardOrder) -> Update:
    return update(CARD_ORDERS).where(CARD_ORDERS.c.order_id == order.order_id)


def _order(row: Row[Any]) -> CardOrder:
    return CardOrder(row.order_id, row.request_id, row.dossier_id, row.profile_id, OrderState(row.state), row.card_id)
