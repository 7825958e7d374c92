"""A card in an encoder as the core speaks to it, and what is begun again with a card that was lost. On its thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from drivers.errors import CaptureTimedOut, CardGone, CardReset, CardServiceGone, DeviceError, DeviceStalled
from drivers.spi import CancelToken, CardEncoder, HeldCard
from enrollment.core.chip.apdu import Command, Response, Transmit
from enrollment.core.errors import CardChannelBroken, EnrollmentError, MalformedCardAnswer

FIRST_WAIT_S: Final = 30.0  # for somebody to put a card in
RETURN_WAIT_S: Final = 15.0  # for a card to be put back, or a service to be there again
IDLE_TRIES: Final = 3  # that bring a card no further, one after another

T = TypeVar("T")

_BEGUN_AGAIN: Final = (CardGone, CardReset, CardServiceGone, DeviceStalled, CardChannelBroken, MalformedCardAnswer)


def transmit_of(held: HeldCard, cancel: CancelToken) -> Transmit:
    """Commands to a held card; none goes out once it is cancelled (CaptureCancelled)."""

    def transmit(command: Command) -> Response:
        cancel.raise_if_cancelled()
        return Response.decode(held.transmit(command.encode()))

    return transmit


def persevere(
    encoder: CardEncoder,
    attempt: Callable[[HeldCard], T],
    how_far: Callable[[], int],
    cancel: CancelToken,
    *,
    first_wait_s: float = FIRST_WAIT_S,
    return_wait_s: float = RETURN_WAIT_S,
) -> T:
    """Hold a card and do something that may be begun again, until it is done or brings the card no further.

    how_far: grows with what stands on the card.
    Raises CardGone where no card is put in, or the loss after which none came back or nothing went on;
    CaptureCancelled, DeviceError, EnrollmentError.
    """
    lost: DeviceError | EnrollmentError | None = None
    furthest, idle = how_far(), 0
    while True:
        try:
            with encoder.hold(timeout_s=first_wait_s if lost is None else return_wait_s, cancel=cancel) as held:
                return attempt(held)
        except CaptureTimedOut as late:
            if lost is not None:
                raise lost from None
            raise CardGone("no card was put into the reader", **late.facts) from None
        except _BEGUN_AGAIN as error:
            lost = error
            idle = 0 if how_far() > furthest else idle + 1
            furthest = max(furthest, how_far())
            if idle >= IDLE_TRIES:
                raise
