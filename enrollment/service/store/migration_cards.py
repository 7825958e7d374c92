"""Versions 1 -> 2: the ledger of cards; 2 -> 3: orders of cards. A step names its columns itself and never changes once
it is released.

Dossiers of the built-in card procedures enter the ledger as what they are: collected, or sent where the registry's
receipt is there. Their plans, kept as they were, now name the card. Who completed one is in no table of version 1: the
operator who opened it stands for that.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

STATEMENTS: Final = (
    "ALTER TABLE dossiers ADD COLUMN card_profile VARCHAR",
    "CREATE INDEX dossiers_with_card ON dossiers (state) WHERE card_profile IS NOT NULL",
    """CREATE TABLE cards (
        entry INTEGER NOT NULL,
        dossier_id VARCHAR NOT NULL,
        profile VARCHAR NOT NULL,
        card_id VARCHAR,
        state VARCHAR NOT NULL,
        place VARCHAR NOT NULL,
        since INTEGER NOT NULL,
        stands BOOLEAN NOT NULL,
        last_event INTEGER NOT NULL,
        failed_tries INTEGER DEFAULT '0' NOT NULL,
        PRIMARY KEY (entry),
        CONSTRAINT known_state CHECK (state IN (
            'collected', 'sent', 'personalised', 'arrived', 'handed-over', 'returned', 'destroyed', 'spoiled')),
        CONSTRAINT numbered_once_made CHECK ((state IN ('collected', 'sent')) = (card_id IS NULL)),
        CONSTRAINT spoiled_stands_for_none CHECK (stands IN (0, 1) AND NOT (stands AND state = 'spoiled')),
        FOREIGN KEY(dossier_id) REFERENCES dossiers (dossier_id),
        UNIQUE (card_id),
        UNIQUE (last_event)
    )""",
    "CREATE INDEX ix_cards_dossier_id ON cards (dossier_id)",
    "CREATE UNIQUE INDEX cards_standing ON cards (dossier_id) WHERE stands",
    "CREATE INDEX cards_by_state ON cards (state, last_event)",
    "CREATE INDEX cards_by_place ON cards (place, last_event)",
    """CREATE TABLE card_events (
        number INTEGER NOT NULL,
        entry INTEGER NOT NULL,
        state VARCHAR NOT NULL,
        at INTEGER NOT NULL,
        operator_id VARCHAR NOT NULL,
        second_operator_id VARCHAR,
        place VARCHAR NOT NULL,
        reason VARCHAR NOT NULL,
        batch_id VARCHAR,
        request_id VARCHAR,
        receipt BLOB,
        PRIMARY KEY (number),
        CONSTRAINT handed_over_with_receipt CHECK (state <> 'handed-over' OR receipt IS NOT NULL),
        FOREIGN KEY(entry) REFERENCES cards (entry) DEFERRABLE INITIALLY DEFERRED,
        UNIQUE (request_id)
    )""",
    "CREATE INDEX ix_card_events_entry ON card_events (entry)",
    (
        "CREATE TRIGGER card_events_no_update BEFORE UPDATE ON card_events "
        "BEGIN SELECT RAISE(ABORT, 'the history of cards only grows'); END"
    ),
    (
        "CREATE TRIGGER card_events_no_delete BEFORE DELETE ON card_events "
        "BEGIN SELECT RAISE(ABORT, 'the history of cards only grows'); END"
    ),
    """CREATE TABLE card_batches (
        batch_id VARCHAR NOT NULL,
        sha256 BLOB NOT NULL,
        rows INTEGER NOT NULL,
        arrived INTEGER NOT NULL,
        operator_id VARCHAR NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (batch_id)
    )""",
    """CREATE TABLE card_batch_rows (
        batch_id VARCHAR NOT NULL,
        "row" INTEGER NOT NULL,
        card_id VARCHAR NOT NULL,
        dossier_id VARCHAR NOT NULL,
        outcome VARCHAR NOT NULL,
        found VARCHAR NOT NULL,
        entry INTEGER,
        PRIMARY KEY (batch_id, "row"),
        FOREIGN KEY(batch_id) REFERENCES card_batches (batch_id)
    ) WITHOUT ROWID""",
    """UPDATE dossiers SET card_profile = 'vn-cccd', plan = json_set(plan, '$.card_profile', 'vn-cccd')
        WHERE json_valid(plan)
            AND json_extract(plan, '$.plan_id') IN ('card-issue', 'card-issue-slaps', 'card-issue-ten-print')""",
    # Every dossier that was completed, in the order of completion; then those of them that have their receipt.
    """INSERT INTO cards (entry, dossier_id, profile, state, place, since, stands, last_event)
        SELECT row_number() OVER (ORDER BY completed_at, dossier_id), dossier_id, card_profile, 'collected', :place,
            coalesce(completed_at, created_at), 1, row_number() OVER (ORDER BY completed_at, dossier_id)
        FROM dossiers WHERE card_profile IS NOT NULL AND state IN ('complete', 'sealed', 'acknowledged', 'purged')""",
    """INSERT INTO card_events (number, entry, state, at, operator_id, place, reason)
        SELECT cards.last_event, cards.entry, 'collected', cards.since, dossiers.operator_id, cards.place, ''
        FROM cards JOIN dossiers USING (dossier_id)""",
    """INSERT INTO card_events (number, entry, state, at, operator_id, place, reason)
        SELECT (SELECT count(*) FROM cards) + row_number() OVER (ORDER BY packages.sequence), cards.entry, 'sent',
            packages.received_at, 'system', 'centre', ''
        FROM cards JOIN packages USING (dossier_id) WHERE packages.state = 'acknowledged'""",
    """UPDATE cards SET state = 'sent', place = 'centre', since = sent.at, last_event = sent.number
        FROM card_events AS sent WHERE sent.entry = cards.entry AND sent.state = 'sent'""",
)


def add_card_ledger(connection: Connection, place: str) -> None:
    """The step. place: this point."""
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement, {"place": place} if ":place" in statement else ())


ORDERS: Final = (
    """CREATE TABLE card_orders (
        order_id VARCHAR NOT NULL,
        request_id VARCHAR NOT NULL,
        dossier_id VARCHAR NOT NULL,
        profile_id VARCHAR NOT NULL,
        state VARCHAR NOT NULL,
        card_id VARCHAR NOT NULL,
        operator_id VARCHAR NOT NULL,
        created_at INTEGER NOT NULL,
        sealed_content BLOB,
        PRIMARY KEY (order_id),
        UNIQUE (request_id),
        FOREIGN KEY(dossier_id) REFERENCES dossiers (dossier_id)
    )""",
    "CREATE INDEX ix_card_orders_dossier_id ON card_orders (dossier_id)",
)


def add_card_orders(connection: Connection) -> None:
    """Version 2 -> 3: cards that are being written."""
    for statement in ORDERS:
        connection.exec_driver_sql(statement)
