"""A plan: what a procedure captures and asks, as data. The rules change by circular; this code does not.

A plan is TOML: plan_id, version, title_vi, title_en, card_profile where it issues a card, [[fingerprints]], an optional
[portrait], [[fields]]. Unknown keys are refused: a misspelt limit must not silently become no limit.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final

from enrollment.core.errors import InvalidPlan
from enrollment.core.tables import build, build_rows

SINGLE_FINGERS: Final = range(1, 11)  # ISO/IEC 19794-4 finger position codes: right thumb 1 .. left little 10
FINGER_GROUPS: Final[Mapping[int, tuple[int, ...]]] = {13: (2, 3, 4, 5), 14: (7, 8, 9, 10), 15: (1, 6)}
IMPRESSIONS: Final = frozenset({"flat", "rolled", "slap"})
IDENTIFIER: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}[a-z0-9]")
FIELD_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
MAX_PLAN_CHARACTERS: Final = 65_536
MAX_FIELDS: Final = 64
MAX_FIELD_LENGTH: Final = 1000  # characters of one personal field
MAX_ATTEMPTS: Final = 20
MAX_FRAMES: Final = 1000  # that may be judged for one portrait
MAX_TIMEOUT_S: Final = 600
MAX_STEADY_FRAMES: Final = 60
MAX_SIDE_PX: Final = 10_000


@dataclass(frozen=True, slots=True)
class PlannedFingerprint:
    """position: ISO number. accept_score: 0..100. max_attempts: tries before the best one is kept.

    An accept_score of 45 turns back 4 % of synthetic impressions of the normal mixture, 4 % of the mixed and 11 % of
    the hard one; 50 turns back 5, 8 and 17 %, 60 13, 15 and 31 %.
    What a score means: `enrollment.core.fingerprint.quality`.

    On a live platen: steady_frames in a row must be good, with each finger of live_quality (0..100) or more, before the
    picture is taken. patience_s: so long the right fingers may lie without being good before it is taken all the same,
    0 for ever: a dry hand gets its tries too.
    """

    fallback_hint: ClassVar[str] = "CLEAN_PLATEN"

    position: int
    impression: str = "flat"
    accept_score: int = 45
    max_attempts: int = 3
    finger_timeout_s: int = 30
    steady_frames: int = 5  # a third of a second at 15 frames a second
    live_quality: int = 35
    patience_s: int = 4

    def __post_init__(self) -> None:
        _require(self.position in SINGLE_FINGERS or self.position in FINGER_GROUPS, "position", self.position)
        _require(self.impression in IMPRESSIONS, "impression", self.impression)
        _require((self.impression == "slap") == (self.position in FINGER_GROUPS), "impression", self.impression)
        _require(0 <= self.accept_score <= 100, "accept_score", self.accept_score)
        _require(1 <= self.max_attempts <= MAX_ATTEMPTS, "max_attempts", self.max_attempts)
        _require(1 <= self.finger_timeout_s <= MAX_TIMEOUT_S, "finger_timeout_s", self.finger_timeout_s)
        _require(1 <= self.steady_frames <= MAX_STEADY_FRAMES, "steady_frames", self.steady_frames)
        _require(0 <= self.live_quality <= 100, "live_quality", self.live_quality)
        _require(0 <= self.patience_s <= MAX_TIMEOUT_S, "patience_s", self.patience_s)


@dataclass(frozen=True, slots=True)
class PlannedPortrait:
    """accept_score: 0..100. max_attempts: frames judged before the best one is kept. Sides in pixels."""

    fallback_hint: ClassVar[str] = "HOLD_STILL"

    accept_score: int = 50
    max_attempts: int = 10
    min_width_px: int = 480
    min_height_px: int = 640

    def __post_init__(self) -> None:
        _require(0 <= self.accept_score <= 100, "accept_score", self.accept_score)
        _require(1 <= self.max_attempts <= MAX_FRAMES, "max_attempts", self.max_attempts)
        _require(1 <= self.min_width_px <= MAX_SIDE_PX, "min_width_px", self.min_width_px)
        _require(1 <= self.min_height_px <= MAX_SIDE_PX, "min_height_px", self.min_height_px)


@dataclass(frozen=True, slots=True)
class PlannedField:
    """A personal field. pattern: a regular expression for the whole value, or empty; rule: a named check, or empty."""

    name: str
    label_vi: str
    label_en: str
    required: bool = False
    max_length: int = 200
    pattern: str = ""
    rule: str = ""

    def __post_init__(self) -> None:
        _require(FIELD_NAME.fullmatch(self.name) is not None, "name", self.name)
        _require(1 <= self.max_length <= MAX_FIELD_LENGTH, "max_length", self.max_length)
        _require(len(self.pattern) <= MAX_FIELD_LENGTH, "pattern", len(self.pattern))
        _require(self.rule in RULES, "rule", self.rule)
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise InvalidPlan(
                f"the pattern of {self.name} is no regular expression: {error}", field=self.name
            ) from error


RULES: Final = frozenset({"", "personal_number", "date"})


@dataclass(frozen=True, slots=True)
class Plan:
    """A procedure. fingerprints: in the order of capture; fields: in the order of asking.

    card_profile: of the card that it issues; "" where it issues none.
    """

    plan_id: str
    version: int
    title_vi: str
    title_en: str
    fingerprints: tuple[PlannedFingerprint, ...] = ()
    portrait: PlannedPortrait | None = None
    fields: tuple[PlannedField, ...] = ()
    card_profile: str = ""

    def __post_init__(self) -> None:
        _require(IDENTIFIER.fullmatch(self.plan_id) is not None, "plan_id", self.plan_id)
        whole = not self.card_profile or IDENTIFIER.fullmatch(self.card_profile) is not None
        _require(whole, "card_profile", self.card_profile)
        _require(1 <= self.version <= 1_000_000, "version", self.version)
        _require(len(self.fields) <= MAX_FIELDS, "fields", len(self.fields))
        _require_distinct("position", [planned.position for planned in self.fingerprints])
        _require_distinct("name", [planned.name for planned in self.fields])
        _require(bool(self.fingerprints or self.portrait or self.fields), "plan_id", self.plan_id)

    def fingerprint(self, position: int) -> PlannedFingerprint | None:
        """What the plan asks for this position; None when nothing."""
        return next((planned for planned in self.fingerprints if planned.position == position), None)


def parse_plan(toml_text: str) -> Plan:
    """Read a plan. Raises InvalidPlan, naming the key, for anything that cannot be carried out as written."""
    if len(toml_text) > MAX_PLAN_CHARACTERS:
        raise InvalidPlan(f"a plan of {len(toml_text)} characters", most=MAX_PLAN_CHARACTERS)
    try:
        table = tomllib.loads(toml_text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidPlan(f"the plan is no TOML: {error}") from error
    return plan_from_table(table)


def plan_from_table(table: Mapping[str, Any]) -> Plan:
    """Read a plan from nested tables, as TOML gives them or `plan_to_table` made them. Raises InvalidPlan."""
    top = dict(table)
    portrait = top.pop("portrait", None)
    top["fingerprints"] = build_rows(PlannedFingerprint, top.pop("fingerprints", []), "fingerprints", InvalidPlan)
    top["fields"] = build_rows(PlannedField, top.pop("fields", []), "fields", InvalidPlan)
    top["portrait"] = None if portrait is None else build(PlannedPortrait, portrait, "portrait", InvalidPlan)
    return build(Plan, top, "plan", InvalidPlan, nested=("fingerprints", "fields", "portrait"))


def plan_to_table(plan: Plan) -> dict[str, Any]:
    """The plan as nested tables of plain values, for keeping it as it was when a dossier was opened."""
    table: dict[str, Any] = {name: getattr(plan, name) for name in ("plan_id", "version", "title_vi", "title_en")}
    table["fingerprints"] = [_plain(planned) for planned in plan.fingerprints]
    table["fields"] = [_plain(planned) for planned in plan.fields]
    if plan.portrait is not None:
        table["portrait"] = _plain(plan.portrait)
    if plan.card_profile:
        table["card_profile"] = plan.card_profile
    return table


def _plain(row: PlannedFingerprint | PlannedPortrait | PlannedField) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in fields(row)}


def _require(holds: bool, key: str, found: str | int) -> None:
    if not holds:
        raise InvalidPlan(f"{key} = {str(found)[:64]!r} is not allowed there", key=key, found=str(found)[:64])


def _require_distinct(key: str, values: Sequence[str | int]) -> None:
    for value in values:
        _require(values.count(value) == 1, key, value)
