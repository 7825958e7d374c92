"""The report of a card's verification: which checks there are, and how each ended.

    1 application            6 signer-chain          11 group-digests          16 zone-agrees
    2 card-access            7 certificate-validity  12 profile-files          17 access-number
    3 access                 8 revocation            13 access-confirmed       18 portrait
    4 common-data            9 signature             14 active-authentication  19 dossier
    5 security-object       10 groups-signed         15 chip-authentication    20 + n data-group-n

Numbers, names and reasons stay what they are. Reason and facts are for programs, which have words for them in their
reader's language; a detail is a technician's, in English. None of them holds a personal field.
What each check means to an officer: docs/card-verification.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from enrollment.core.chip.ef_com import DATA_GROUP_TAGS
from enrollment.core.chip.passive_authentication import Outcome
from enrollment.core.errors import EnrollmentError

(
    APPLICATION,
    CARD_ACCESS,
    ACCESS,
    COMMON_DATA,
    SECURITY_OBJECT,
    SIGNER_CHAIN,
    VALIDITY,
    REVOCATION,
    SIGNATURE,
    GROUPS_SIGNED,
    GROUP_DIGESTS,
    PROFILE_FILES,
    ACCESS_CONFIRMED,
    ACTIVE,
    CHIP,
    ZONE_AGREES,
    ACCESS_NUMBER,
    PORTRAIT,
    DOSSIER,
) = range(1, 20)
FIRST_GROUP: Final = 20  # and the data group's number

NAMES: Final[Mapping[int, str]] = {
    **dict(
        enumerate(
            (
                "application",
                "card-access",
                "access",
                "common-data",
                "security-object",
                "signer-chain",
                "certificate-validity",
                "revocation",
                "signature",
                "groups-signed",
                "group-digests",
                "profile-files",
                "access-confirmed",
                "active-authentication",
                "chip-authentication",
                "zone-agrees",
                "access-number",
                "portrait",
                "dossier",
            ),
            start=1,
        )
    ),
    **{FIRST_GROUP + number: f"data-group-{number}" for number in DATA_GROUP_TAGS},
}

# Reasons of what is not possible; a failed check has that of its error.
NEEDS_CHECK: Final = "NEEDS_CHECK"  # another check comes first, which did not pass
NEEDS_TERMINAL_AUTHENTICATION: Final = "NEEDS_TERMINAL_AUTHENTICATION"
NOT_ON_CARD: Final = "NOT_ON_CARD"
NOT_SPOKEN: Final = "NOT_SPOKEN"  # the card has it in a kind that is not read here
SESSION_OVER: Final = "SESSION_OVER"  # an answer that could not be trusted has ended secure messaging
NOT_GIVEN: Final = "NOT_GIVEN"  # the caller gave nothing to compare with
LIST_NOT_GENUINE: Final = "REVOCATION_LIST_NOT_GENUINE"  # none of the authority's keys signed the list of its name
LIST_NOT_CURRENT: Final = "REVOCATION_LIST_NOT_CURRENT"  # it has expired, or begins later


Facts: TypeAlias = Mapping[str, str | int | float]


class NotPossible(Exception):
    """A check that cannot be made, which says nothing against the card. reason: one of the above."""

    def __init__(self, reason: str, detail: str, **facts: str | int | float) -> None:
        super().__init__(detail)
        self.reason = reason
        self.facts: Facts = facts


class Found:
    """What a check that passed has seen."""

    def __init__(self, detail: str, **facts: str | int | float) -> None:
        self.detail = detail
        self.facts: Facts = facts


@dataclass(frozen=True, slots=True)
class Check:
    """number, name: as in NAMES. reason: empty where it passed. detail: a sentence, or what was found.

    facts: what the sentence tells, by stable names.
    """

    number: int
    outcome: Outcome
    reason: str = ""
    detail: str = ""
    facts: Facts = field(default_factory=dict)

    @property
    def name(self) -> str:
        """A stable slug."""
        return NAMES[self.number]

    @classmethod
    def passed(cls, number: int, found: Found | None = None) -> Check:
        """With what it has seen."""
        return (
            cls(number, Outcome.PASSED) if found is None else cls(number, Outcome.PASSED, "", found.detail, found.facts)
        )

    @classmethod
    def ended_by(cls, number: int, why: NotPossible | EnrollmentError) -> Check:
        """Of what was raised: an error is against the card."""
        outcome = Outcome.NOT_POSSIBLE if isinstance(why, NotPossible) else Outcome.FAILED
        return cls(number, outcome, why.reason, str(why), why.facts)

    def to_json(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "number": self.number,
            "name": self.name,
            "result": self.outcome.value.replace(" ", "_"),
            "reason": self.reason,
            "detail": self.detail,
            "facts": dict(self.facts),
        }


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """checks: one of each, by number. files: as they were read, by name; they hold personal fields.

    way: by which the card was opened, empty where it was not.
    """

    checks: tuple[Check, ...]
    files: Mapping[str, bytes] = field(repr=False)
    way: str = ""

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.outcome is Outcome.FAILED)

    @property
    def is_verified(self) -> bool:
        """No check failed, and those passed without which the card's data or its chip would be taken on trust."""
        passed = {check.number for check in self.checks if check.outcome is Outcome.PASSED}
        return not self.failed and passed >= _ESSENTIAL and not passed.isdisjoint({ACTIVE, CHIP})

    def check(self, number: int) -> Check:
        """The check of this number."""
        return next(check for check in self.checks if check.number == number)

    def to_json(self) -> dict[str, Any]:
        """For JSON: everything but the files, of which the lengths are told."""
        return {
            "verified": self.is_verified,
            "access": self.way,
            "checks": [check.to_json() for check in self.checks],
            "files": {name: len(octets) for name, octets in self.files.items()},
        }


_ESSENTIAL: Final = frozenset(
    {ACCESS, SECURITY_OBJECT, SIGNER_CHAIN, VALIDITY, SIGNATURE, GROUPS_SIGNED, GROUP_DIGESTS, FIRST_GROUP + 1}
)
