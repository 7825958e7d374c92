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
    Gallery,
    PositionVerdict,
    check_compared,
    is_rolled,
)
from enrollment.core.records import iso19794_2_2005 as minutiae_record
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


@dataclass(frozen=True, eq=False)
class HeldPrints:
    """The prints of a dossier's other captures. positions, rolled: of each template. captures: their ids."""

    positions: tuple[int, ...]
    rolled: tuple[bool, ...]
    templates: tuple[FingerprintTemplate, ...] = field(repr=False)
    captures: frozenset[str] = frozenset()

    @classmethod
    def read(cls, stored: Sequence[StoredPrint]) -> HeldPrints:
        """Raises MalformedRecord."""
        decode = minutiae_record.FingerMinutiaeRecord.decode
        return cls(
            tuple(one.position for one in stored),
            tuple(one.impression == _ROLLED for one in stored),
            tuple(minutiae_record.template_from_record(decode(one.record)) for one in stored),
            frozenset(one.capture_id for one in stored),
        )

    def prepare(self, expected: Iterable[int]) -> None:
        """Compare what will have to be compared for these positions, while the person is still on the way."""
        if self._known(expected):
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
        scores = self._gallery.scores(template)
        nearest = int(scores.argmax())
        if scores[nearest] < SAME_FINGER_SCORE:
            return Likeness()
        return Likeness(Objection.SAME_FINGER, self.positions[nearest])

    @functools.cached_property
    def _gallery(self) -> Gallery:
        return Gallery(self.templates)

    @functools.cached_property
    def _compared(self) -> ComparedPrints:
        return ComparedPrints.none().with_(self.templates)
