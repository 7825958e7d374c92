"""Reads request fields: each either comes back checked or raises MalformedRequest, which names the field only.

Protobuf has already made sure that strings are UTF-8; it does not bound lengths, durations or open enums.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from enrollment.core.dossier.card_batch import BATCH_ID, MAX_FIELD, CardArrival
from enrollment.core.dossier.model import FingerAbsence
from enrollment.service.capture.studio import LeaseReference
from enrollment.service.rpc.errors import MalformedRequest
from enrollment.v1 import capture_pb2, card_pb2, types_pb2

T = TypeVar("T")

MAX_ID_LENGTH: Final = 200  # characters of a device id, lease id, part name or page token
MAX_WORDS_LENGTH: Final = 200  # characters of what an operator writes
MAX_CLIENT_NAME_LENGTH: Final = 64
MAX_PLACE_LENGTH: Final = 64
MAX_CARD_ROWS: Final = 1000  # of one request
PERSONS_NUMBER: Final = re.compile(r"\d(?:[ .-]?\d){8}")
SHA256: Final = re.compile(r"[0-9a-f]{64}")
MAX_PAGE_SIZE: Final = 500
MAX_FIELDS: Final = 64  # personal fields of one dossier
MAX_FIELD_LENGTH: Final = 2000  # characters; the plan's own limits are far lower

_POSITIONS: Final = frozenset(types_pb2.FingerPosition.values()) - {types_pb2.FINGER_POSITION_UNSPECIFIED}
_SINGLE_FINGERS: Final = frozenset(range(1, 11))
_IMPRESSIONS: Final[dict[int, str | None]] = {
    types_pb2.IMPRESSION_UNSPECIFIED: None,
    types_pb2.IMPRESSION_FLAT: "flat",
    types_pb2.IMPRESSION_ROLLED: "rolled",
    types_pb2.IMPRESSION_SLAP: "slap",
}
_ABSENCES: Final[dict[int, FingerAbsence]] = {
    types_pb2.FINGER_ABSENCE_AMPUTATED: FingerAbsence.AMPUTATED,
    types_pb2.FINGER_ABSENCE_BANDAGED: FingerAbsence.BANDAGED,
    types_pb2.FINGER_ABSENCE_DAMAGED: FingerAbsence.DAMAGED,
}


def _refuse(field: str, rule: str, **facts: str | int | float) -> MalformedRequest:
    return MalformedRequest(f"{field}: {rule}", field=field, **facts)


def uuid_id(value: str, field: str) -> str:
    """A UUID in its canonical text form."""
    if len(value) == 36:
        try:
            return str(uuid.UUID(value))
        except ValueError:
            pass
    raise _refuse(field, "not a UUID")


def request_id(value: str) -> str:
    """The client's UUID; a fresh one where it gave none, so that nothing is idempotent."""
    return uuid_id(value, "request_id") if value else str(uuid.uuid4())


def name(value: str, field: str, *, required: bool = True) -> str:
    """A printable name on one line."""
    if not value and required:
        raise _refuse(field, "missing")
    if len(value) > MAX_ID_LENGTH or not value.isprintable():
        raise _refuse(field, f"more than {MAX_ID_LENGTH} characters, or not printable")
    return value


def lease_reference(value: capture_pb2.LeaseReference) -> LeaseReference:
    """The lease that a client names; an empty one is refused by whoever uses it, as LEASE_REQUIRED."""
    return LeaseReference(name(value.lease_id, "lease.lease_id", required=False), value.fencing_token)


def words(value: str, field: str, *, max_length: int = MAX_WORDS_LENGTH, required: bool = False) -> str:
    """What a person wrote, trimmed."""
    value = value.strip()
    if not value and required:
        raise _refuse(field, "missing")
    if len(value) > max_length or not value.replace("\n", " ").isprintable():
        raise _refuse(field, f"more than {max_length} characters, or not printable", max_length=max_length)
    return value


def kept_reason(value: str, field: str) -> str:
    """Why something was done: kept in the clear for good, so a number that may be a person's is refused."""
    if PERSONS_NUMBER.search(value) is not None:
        raise _refuse(field, "a number of nine digits or more may be a person's: leave it out")
    return words(value, field, required=True)


def page_size(value: int, default: int) -> int:
    """0 for the default, at most 500."""
    if value > MAX_PAGE_SIZE:
        raise _refuse("page_size", f"at most {MAX_PAGE_SIZE}", maximum=MAX_PAGE_SIZE)
    return value or default


def whole(value: int, field: str, *, low: int, high: int, default: int) -> int:
    """0 for the default, else low..high."""
    if value and not low <= value <= high:
        raise _refuse(field, f"must be {low}..{high}", minimum=low, maximum=high)
    return value or default


def seconds(value: Duration, field: str, *, low: float, high: float) -> float:
    """A duration of low..high seconds."""
    total = value.seconds + value.nanos / 1e9
    well_formed = abs(value.nanos) < 1_000_000_000 and value.seconds * value.nanos >= 0
    if not well_formed or not low <= total <= high:
        raise _refuse(field, f"must be {low:g}..{high:g} seconds", minimum_s=low, maximum_s=high)
    return total


def moment(value: Timestamp, field: str) -> datetime:
    """A moment of the years 1 to 9999, UTC."""
    try:
        return value.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise _refuse(field, "not a moment") from None


def place(value: str) -> str:
    """Where cards lie; "" where nobody says."""
    if value and (len(value) > MAX_PLACE_LENGTH or not value.isprintable() or value != value.strip()):
        raise _refuse("location", f"more than {MAX_PLACE_LENGTH} characters, or not printable")
    return value


def batch_id(value: str) -> str:
    """The name of a delivery."""
    if BATCH_ID.fullmatch(value) is None:
        raise _refuse("batch_id", "must be 1..64 letters, digits and . _ @ -")
    return value


def sha256(value: str) -> str:
    """A digest in lower-case hex, or "" for none."""
    if value and SHA256.fullmatch(value) is None:
        raise _refuse("sha256", "must be 64 lower-case hexadecimal digits")
    return value


def card_rows(request: card_pb2.ImportCardBatchRequest) -> list[CardArrival]:
    """The rows of a list, or of a piece of it; either form."""
    if request.rows and request.card_ids:
        raise _refuse("card_ids", "give rows or card_ids")
    if not 1 <= len(request.rows) + len(request.card_ids) <= MAX_CARD_ROWS:
        raise _refuse("rows", f"must be 1..{MAX_CARD_ROWS}", maximum=MAX_CARD_ROWS)
    rows = [CardArrival(row.card_id, row.dossier_id, row.point) for row in request.rows]
    rows += [CardArrival(card_id) for card_id in request.card_ids]
    if any(len(text) > MAX_FIELD for row in rows for text in (row.card_id, row.dossier_id, row.point)):
        raise _refuse("rows", f"a field of more than {MAX_FIELD} characters", maximum=MAX_FIELD)
    return rows


def position(value: int) -> int:
    """An ISO finger position that the API names."""
    if value not in _POSITIONS:
        raise _refuse("position", "not a finger position")
    return value


def single_finger(value: int) -> int:
    """An ISO position of one finger, 1..10."""
    if value not in _SINGLE_FINGERS:
        raise _refuse("position", "not a single finger")
    return value


def impression(value: int) -> str | None:
    """ "flat", "rolled", "slap", or None for what the plan says."""
    if value not in _IMPRESSIONS:
        raise _refuse("impression", "not an impression")
    return _IMPRESSIONS[value]


def absence(value: int) -> FingerAbsence:
    """Why a finger is missing."""
    if value not in _ABSENCES:
        raise _refuse("absence", "not a reason")
    return _ABSENCES[value]


def demographics(fields: Mapping[str, str]) -> dict[str, str]:
    """Personal fields within bounds; the plan's own rules are the core's to check."""
    if len(fields) > MAX_FIELDS:
        raise _refuse("demographics", f"more than {MAX_FIELDS} fields", fields=len(fields))
    if any(len(key) > MAX_ID_LENGTH or len(value) > MAX_FIELD_LENGTH for key, value in fields.items()):
        raise _refuse("demographics", f"a field of more than {MAX_FIELD_LENGTH} characters", maximum=MAX_FIELD_LENGTH)
    return dict(fields)


def required_choice(value: int, field: str, choices: Mapping[int, T]) -> T:
    """One of an enum's values."""
    if value not in choices:
        raise _refuse(field, "not one of its values")
    return choices[value]


def choice(value: int, field: str, choices: Mapping[int, T]) -> T | None:
    """One of an enum's values; None for its 0, which means any."""
    return required_choice(value, field, choices) if value else None
