"""What a card says to a wrong password."""

from __future__ import annotations

from typing import Final

from enrollment.core.chip.apdu import Response
from enrollment.core.errors import WrongCardPassword

_WRONG: Final = 0x6300
_TRIES_LEFT: Final = 0x63C0  # and how many in the last four bits
_BLOCKED: Final = 0x6983


def refused_password(answer: Response, step: str) -> Response:
    """The answer, unless it says that the password is wrong, or blocked: WrongCardPassword."""
    status = answer.status
    tells_tries = status & 0xFFF0 == _TRIES_LEFT
    if tells_tries or status in (_WRONG, _BLOCKED):
        left = {"tries_left": status & 0xF} if tells_tries else {}
        message = f"{step}: the card does not accept the password that it was given"
        raise WrongCardPassword(message, step=step, status=f"{status:04X}", **left)
    return answer
