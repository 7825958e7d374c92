"""What stands on a card that was begun, and whether it is a part of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from enrollment.core.chip import personalisation_commands as commands
from enrollment.core.chip.apdu import Response, Transmit
from enrollment.core.chip.personalisation_plan import SECURITY_OBJECT, CardPlan
from enrollment.core.chip.security_object import SecurityObject
from enrollment.core.errors import CardBelongsElsewhere, CardSpoiled, EnrollmentError, MalformedCardAnswer

MIN_ROOM: Final = 47
NOT_SATISFIED: Final = 0x6982

_END_OF_FILE, _WRONG_OFFSET = 0x6282, 0x6B00
_TOO_LONG: Final = frozenset({0x6700, 0x6A84, 0x6884, 0x6F00})  # what cards say to more octets than they take at once


@dataclass(slots=True)
class Room:
    """Octets of a file that one command or answer carries; fewer once a card asks for that, never below MIN_ROOM."""

    octets: int

    def at(self, offset: int) -> int:
        """Octets, where they are written or read at this offset."""
        return self.octets - (commands.ODD_OVERHEAD if offset > commands.MAX_EVEN_OFFSET else 0)

    def fitted(self, answer: Response) -> Response:
        """The answer, having heeded what it says of lengths."""
        if answer.status in _TOO_LONG:
            self.octets = max(self.octets // 2, MIN_ROOM)
        return answer


def read_current_file(send: Transmit, room: Room, name: str, octets: int) -> bytes | None:
    """A file as it stands, one octet more than `octets` where it is longer; None where it may not be read.

    Raises CardRefused, MalformedCardAnswer.
    """
    content = b""
    while len(content) <= octets:
        asked = min(room.at(len(content)), octets + 1 - len(content))
        command = commands.read(len(content), asked)
        answer = room.fitted(send(command))
        if answer.status == _WRONG_OFFSET:
            break
        if answer.status == NOT_SATISFIED:
            return None
        part = commands.read_octets(command, answer.expect(f"READ BINARY {name}", _END_OF_FILE))
        if len(part) > asked:
            raise MalformedCardAnswer("a card answered more than it was asked for", step=f"READ BINARY {name}")
        content += part
        if not part or (answer.status == _END_OF_FILE and len(content) == octets):
            break
    return content


def places_to_resume(plan: CardPlan, stands: Mapping[str, bytes], *, known: bool = False) -> dict[str, int]:
    """From which octet on each file that stands must be written.

    stands: files by name, with one octet more than the plan's where the card's is longer. known: by its number it is
    the card that was begun by this plan, so that a security object that stands alone and differs is a write that was
    torn, unless it is whole and signed.
    Raises CardBelongsElsewhere where the security object is not the plan's, as far as it is written, or files stand
    without one; CardSpoiled for another length than a file's.
    """
    if not stands:
        return {}
    planned, found = plan.files[SECURITY_OBJECT], stands.get(SECURITY_OBJECT, b"")
    place = _first_difference(found, planned)
    begun_only = place < len(planned)
    torn = known and list(stands) == [SECURITY_OBJECT] and not _is_signed(found)
    if not torn and (len(found) != len(planned) or any(found[place:]) or (begun_only and len(stands) > 1)):
        raise CardBelongsElsewhere("the card was begun for something else", step=f"read back {SECURITY_OBJECT}")
    places = {}
    for name, octets in stands.items():
        if len(octets) != len(plan.files[name]):
            raise CardSpoiled(f"{name} has another length than it must have", step=f"read back {name}", status="9000")
        places[name] = _first_difference(octets, plan.files[name])
    return places


def _is_signed(octets: bytes) -> bool:
    """Whether it is a security object, none of which was torn."""
    try:
        found = SecurityObject.decode(octets)
        found.verify_signature(found.signer_certificate)
    except EnrollmentError:
        return False
    return True


def _first_difference(found: bytes, planned: bytes) -> int:
    """How many octets they begin with alike."""
    if found == planned:
        return len(planned)
    pairs = enumerate(zip(found, planned, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(found), len(planned)))
