"""What the dossier already holds, to tell whether a new print shows the finger that it should. Blocking.

Where no other print of the same finger is held, a new one is only looked for among the other positions. Where there is
one (a slap's beside a rolled one, or an earlier try's), all are checked as one sequence.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from enrollment.core.acceptance import Objection
from enrollment.core.fingerprint import (
    SAME_FINGER_SCORE,
    ComparedPrints,
    FingerprintTemplate,
    PositionVerdict,
    check_compared,
    compare,
    is_rolled,
)
from enrollment.core.records import iso19794_2_2005 as minutiae_record
from enrollment.service.devices.leases import Lease
from enrollment.service.store.dossier_parts import StoredPrint

_ROLLED: Final = "rolled"
_OBJECTIONS: Final = {
    PositionVerdict.SWAPPED: Objection.SAME_FINGER,
    PositionVerdict.REPEATED: Objection.SAME_FINGER,
    PositionVerdict.OTHER_PERSON: Objection.OTHER_PERSON,
}


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a new print turned out to be. same_as: the other position that it resembles."""

    objection: Objection | None = None
    same_as: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class HeldPrint:
    """One finger's stored print. capture_id, capture_position: of what brought it."""

    capture_id: str
    capture_position: int
    position: int
    rolled: bool
    template: FingerprintTemplate = field(repr=False)

    @classmethod
    def read(cls, stored: StoredPrint) -> HeldPrint:
        """Raises MalformedRecord."""
        template = minutiae_record.template_from_record(minutiae_record.FingerMinutiaeRecord.decode(stored.record))
        rolled = stored.impression == _ROLLED
        return cls(stored.capture_id, stored.capture_position, stored.position, rolled, template)


def read_prints(stored: Sequence[StoredPrint]) -> tuple[HeldPrint, ...]:
    """Raises MalformedRecord."""
    return tuple(HeldPrint.read(one) for one in stored)


class KeptPrints:
    """What was read of a dossier's prints under each live lease, so that the next finger's capture need not read it.

    Only of the newest dossier, and forgotten with the lease. On the event loop.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, tuple[HeldPrint, ...]]] = {}

    def of(self, lease: Lease, dossier_id: str) -> tuple[HeldPrint, ...]:
        """Some of them may be of captures that were replaced since."""
        kept_of, prints = self._kept.get(lease.lease_id, ("", ()))
        return prints if kept_of == dossier_id else ()

    def keep(self, lease: Lease, dossier_id: str, prints: tuple[HeldPrint, ...]) -> None:
        """In place of what was kept before."""
        known = lease.lease_id in self._kept
        self._kept[lease.lease_id] = dossier_id, prints
        if not known:
            lease.at_end(lambda: self._forget(lease.lease_id))

    def _forget(self, lease_id: str) -> None:
        self._kept.pop(lease_id, None)


@dataclass(frozen=True, eq=False)
class HeldPrints:
    """The prints of a dossier's other captures. positions, rolled: of each template. captures: their ids."""

    positions: tuple[int, ...]
    rolled: tuple[bool, ...]
    templates: tuple[FingerprintTemplate, ...] = field(repr=False)
    captures: frozenset[str] = frozenset()

    @classmethod
    def of(cls, prints: Sequence[HeldPrint]) -> HeldPrints:
        """From single ones."""
        return cls(
            tuple(one.position for one in prints),
            tuple(one.rolled for one in prints),
            tuple(one.template for one in prints),
            frozenset(one.capture_id for one in prints),
        )

    def holds(self, positions: Iterable[int]) -> bool:
        """Whether a print of one of these fingers is held, so that all are to be compared with each other."""
        return bool(self._known(positions))

    def prepare(self) -> None:
        """Compare what is held with each other, while the person is still on the way."""
        _ = self._compared

    def judge(
        self,
        new: Mapping[int, FingerprintTemplate],
        impression: str,
        earlier: Mapping[int, FingerprintTemplate],
    ) -> Mapping[int, Likeness]:
        """Judge prints of one try, by position. earlier: the best of the tries before, by position."""
        known = self._known(new)
        if not known and not earlier:
            return {position: self._among_others(template) for position, template in new.items()}
        held = len(self.templates)
        compared = self._compared.with_((*new.values(), *earlier.values()))
        own: dict[int, int] = {}
        other: dict[int, int] = dict(zip(earlier, range(held + len(new), len(compared.templates)), strict=True))
        rolled = impression == _ROLLED
        for index, (position, lies_rolled) in enumerate(zip(self.positions, self.rolled, strict=True)):
            (own if lies_rolled == rolled and position not in new else other)[position] = index
        own |= dict(zip(new, range(held, held + len(new)), strict=True))
        checks = check_compared(compared, other, own) if rolled else check_compared(compared, own, other)
        found = {}
        for check in checks.checks:
            if check.position in new:
                objection = _OBJECTIONS.get(check.verdict)
                if check.verdict is PositionVerdict.NOT_SURE and check.position in known:
                    objection = Objection.OTHER_FINGER
                elif objection is None and rolled and check.position in other:
                    flat = compared.templates[other[check.position]]
                    objection = None if is_rolled(new[check.position], flat) else Objection.NOT_ROLLED
                found[check.position] = Likeness(objection, check.other)
        return found

    def _known(self, positions: Iterable[int]) -> frozenset[int]:
        return frozenset(self.positions) & frozenset(positions)

    def _among_others(self, template: FingerprintTemplate) -> Likeness:
        if not self.positions:
            return Likeness()
        scores = [compare(template, held) for held in self.templates]
        nearest = max(range(len(scores)), key=scores.__getitem__)
        if scores[nearest] < SAME_FINGER_SCORE:
            return Likeness()
        return Likeness(Objection.SAME_FINGER, self.positions[nearest])

    @functools.cached_property
    def _compared(self) -> ComparedPrints:
        return ComparedPrints.none().with_(self.templates)
