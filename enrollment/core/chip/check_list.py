"""How the checks of a verification are made: each ends in the list, whatever it raises, and may need others first."""

from __future__ import annotations

from collections.abc import Callable

from enrollment.core.chip.passive_authentication import Outcome
from enrollment.core.chip.verification_report import NAMES, NEEDS_CHECK, Check, Found, NotPossible
from enrollment.core.errors import EnrollmentError


class CheckList:
    """on_check: told of each check as it ends."""

    def __init__(self, on_check: Callable[[Check], None]) -> None:
        self._on_check = on_check
        self._checks: dict[int, Check] = {}

    @property
    def ordered(self) -> tuple[Check, ...]:
        """All that ended, by number."""
        return tuple(self._checks[number] for number in sorted(self._checks))

    def add(self, check: Check) -> None:
        """A check that ended."""
        self._checks[check.number] = check
        self._on_check(check)

    def passed(self, number: int) -> bool:
        """Whether it was made, and passed."""
        return number in self._checks and self._checks[number].outcome is Outcome.PASSED

    def need(self, number: int) -> None:
        """Raise NotPossible unless it passed."""
        if not self.passed(number):
            raise NotPossible(NEEDS_CHECK, f"check {number}, {NAMES[number]}, did not pass", check=number)

    def make(self, number: int, check: Callable[[], Found | None], needs: int | None = None) -> None:
        """check: returns what it found, raises what is against it, or NotPossible."""
        try:
            if needs is not None:
                self.need(needs)
            found = check()
        except (NotPossible, EnrollmentError) as error:
            self.end(number, error)
        else:
            self.add(Check.passed(number, found))

    def end(self, number: int, error: NotPossible | EnrollmentError) -> None:
        """A check that was ended by this."""
        self.add(Check.ended_by(number, error))
