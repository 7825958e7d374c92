"""What a fuzz target is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from enrollment.core.errors import EnrollmentError


class PropertyBroken(AssertionError):
    """Octets were read, and what must hold of what was read does not."""


@dataclass(frozen=True, slots=True)
class Target:
    """One reader.

    run: is given any octets. It lets `refusal` end it, for that is how octets are refused; anything else that it raises
        is a crash, so it raises PropertyBroken where octets that were read do not come back.
    seeds: octets that are read, to start from; called once, in the fuzzing process.
    max_octets: the longest input worth trying.
    refusal: the root of the errors of the part that reads.
    """

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    max_octets: int = 4096
    refusal: type[Exception] = EnrollmentError


def require(holds: object, what: str) -> None:
    """Raise PropertyBroken unless it holds."""
    if not holds:
        raise PropertyBroken(what)
