"""The tables. Times are milliseconds since 1970-01-01 UTC by the station's clock; ids are UUIDv7 as text.

Columns named `sealed_*` hold AES-256-GCM ciphertext under the dossier's own key (vault.py). A change of these tables is
a step in migrations.py.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    DDL,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    event,
    text,
)

METADATA: Final = MetaData()
PORTRAIT_SLOT: Final = 0  # captures.position of the portrait

DOSSIERS: Final = Table(
    "dossiers",
    METADATA,
    Column("dossier_id", String, primary_key=True),
    Column("request_id", String, nullable=False, unique=True),
    Column("state", String, nullable=False),
    Column("plan", String, nullable=False),  # JSON: the plan as it was when the dossier was opened
    Column("operator_id", String, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("completed_at", Integer),
    Column("wrapped_key", LargeBinary),  # gone after a purge
    Column("sealed_demographics", LargeBinary),
    Column("request_digest", LargeBinary, nullable=False),
    Column("card_profile", String),  # of the card that the plan issues, none where it issues no card
    Index("dossiers_by_state", "state", "dossier_id"),
    Index("dossiers_with_card", "state", sqlite_where=text("card_profile IS NOT NULL")),
)

CAPTURES: Final = Table(
    "captures",
    METADATA,
    Column("capture_id", String, primary_key=True),
    Column("dossier_id", String, ForeignKey("dossiers.dossier_id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("request_id", String, nullable=False, unique=True),
    Column("impression", String, nullable=False),
    Column("quality", String, nullable=False),  # JSON
    Column("accepted", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("kept_attempt", Integer, nullable=False),
    Column("operator_id", String, nullable=False),
    Column("device_id", String, nullable=False),
    Column("captured_at", Integer, nullable=False),
    Column("fingers", String, nullable=False),  # JSON: of a slap, each finger with the names of its parts
    UniqueConstraint("dossier_id", "position"),
)

PARTS: Final = Table(
    "parts",
    METADATA,
    Column("dossier_id", String, ForeignKey("dossiers.dossier_id"), primary_key=True),
    Column("name", String, primary_key=True),
    Column("capture_id", String, ForeignKey("captures.capture_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("media_type", String, nullable=False),
    Column("length", Integer, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("sealed_content", LargeBinary),  # gone after a purge
)

ABSENCES: Final = Table(
    "absences",
    METADATA,
    Column("dossier_id", String, ForeignKey("dossiers.dossier_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("absence", String, nullable=False),
    Column("sealed_description", LargeBinary),
    Column("operator_id", String, nullable=False),
)

PACKAGES: Final = Table(
    "packages",
    METADATA,
    Column("package_id", String, primary_key=True),
    Column("dossier_id", String, ForeignKey("dossiers.dossier_id"), nullable=False, unique=True),
    Column("sequence", Integer, nullable=False, unique=True),
    Column("sha256", LargeBinary, nullable=False, unique=True),
    Column("size_bytes", Integer, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("sent_bytes", Integer, nullable=False, default=0),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", Integer),
    Column("problem", String, nullable=False, default=""),
    Column("problem_text", String, nullable=False, default=""),
    Column("sealed_at", Integer, nullable=False),
    Column("receipt", LargeBinary),
    Column("received_at", Integer),  # by the registry's clock
)

PACKAGE_CONTENTS: Final = Table(
    "package_contents",
    METADATA,
    Column("package_id", String, ForeignKey("packages.package_id"), primary_key=True),
    Column("content", LargeBinary, nullable=False),  # sealed to the registry: the station cannot read it
)

CARD_ORDERS: Final = Table(
    "card_orders",
    METADATA,
    Column("order_id", String, primary_key=True),
    Column("request_id", String, nullable=False, unique=True),
    Column("dossier_id", String, ForeignKey("dossiers.dossier_id"), nullable=False, index=True),
    Column("profile_id", String, nullable=False),
    Column("state", String, nullable=False),
    Column("card_id", String, nullable=False),  # "" until a card was met
    Column("operator_id", String, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("sealed_content", LargeBinary),  # files and the chip's keys; gone when the order ends
)

SESSIONS: Final = Table(
    "sessions",
    METADATA,
    Column("token_sha256", LargeBinary, primary_key=True),
    Column("operator_id", String, nullable=False),
    Column("role", String, nullable=False),
    Column("expires_at", Integer, nullable=False),
)

AUDIT: Final = Table(
    "audit",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("at", Integer, nullable=False),
    Column("operator_id", String, nullable=False),
    Column("action", String, nullable=False),
    Column("facts", String, nullable=False),  # JSON
    Column("digest", LargeBinary, nullable=False),  # SHA-256 over the row before's digest and this row
)

SETTINGS: Final = Table(
    "settings",
    METADATA,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)

# The ledger of cards. One row a card; `stands` marks the one by which its dossier's card is accounted for: the last one
# that was made for it. Neither table holds a personal field: both outlive the dossier's content.

CARDS: Final = Table(
    "cards",
    METADATA,
    Column("entry", Integer, primary_key=True),
    Column("dossier_id", String, ForeignKey("dossiers.dossier_id"), nullable=False, index=True),
    Column("profile", String, nullable=False),
    Column("card_id", String, unique=True),  # the card's own number, once there is a card
    Column("state", String, nullable=False),
    Column("place", String, nullable=False),
    Column("since", Integer, nullable=False),
    Column("stands", Boolean, nullable=False),
    Column("last_event", Integer, nullable=False, unique=True),  # orders cards by their last change, whatever the clock
    Column("failed_tries", Integer, nullable=False, server_default="0"),  # comparisons that did not match, in a row
    CheckConstraint(
        "state IN ('collected', 'sent', 'personalised', 'arrived', 'handed-over', 'returned', 'destroyed', 'spoiled')",
        name="known_state",
    ),
    CheckConstraint("(state IN ('collected', 'sent')) = (card_id IS NULL)", name="numbered_once_made"),
    CheckConstraint("stands IN (0, 1) AND NOT (stands AND state = 'spoiled')", name="spoiled_stands_for_none"),
    Index("cards_standing", "dossier_id", unique=True, sqlite_where=text("stands")),
    Index("cards_by_state", "state", "last_event"),
    Index("cards_by_place", "place", "last_event"),
)

CARD_EVENTS: Final = Table(
    "card_events",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column(
        "entry", Integer, ForeignKey("cards.entry", deferrable=True, initially="DEFERRED"), nullable=False, index=True
    ),
    Column("state", String, nullable=False),  # that it entered
    Column("at", Integer, nullable=False),
    Column("operator_id", String, nullable=False),
    Column("second_operator_id", String),
    Column("place", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("batch_id", String),
    Column("request_id", String, unique=True),
    Column("receipt", LargeBinary),  # signed: of a hand-over, or of its undoing
    CheckConstraint("state <> 'handed-over' OR receipt IS NOT NULL", name="handed_over_with_receipt"),
)
for _verb in ("UPDATE", "DELETE"):
    event.listen(
        CARD_EVENTS,
        "after_create",
        DDL(  # type: ignore[no-untyped-call]  # of SQLAlchemy
            f"CREATE TRIGGER card_events_no_{_verb.lower()} BEFORE {_verb} ON card_events "
            "BEGIN SELECT RAISE(ABORT, 'the history of cards only grows'); END"
        ),
    )

CARD_BATCHES: Final = Table(
    "card_batches",
    METADATA,
    Column("batch_id", String, primary_key=True),
    Column("sha256", LargeBinary, nullable=False),  # of its rows, as core.dossier.card_batch has them
    Column("rows", Integer, nullable=False),
    Column("arrived", Integer, nullable=False),
    Column("operator_id", String, nullable=False),
    Column("at", Integer, nullable=False),
)

CARD_BATCH_ROWS: Final = Table(
    "card_batch_rows",
    METADATA,
    Column("batch_id", String, ForeignKey("card_batches.batch_id"), primary_key=True),
    Column("row", Integer, primary_key=True),  # 1 for the first
    Column("card_id", String, nullable=False),
    Column("dossier_id", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("found", String, nullable=False),  # what stood in the way: a state, a point
    Column("entry", Integer),  # of the card that arrived
    sqlite_with_rowid=False,
)
