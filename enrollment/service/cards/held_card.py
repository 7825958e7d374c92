"""A card in an encoder as the core speaks to it, and what is begun again with a card that was lost. On its thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from drivers.errors import CaptureTimedOut, CardGone, CardReset, CardServiceGone, DeviceError, DeviceStalled
from drivers.spi import CancelToken, CardEncoder, HeldCard
from enrollment.core.chip.apdu import Command, Response, Transmit, TransmitEach
from enrollment.core.errors import CardChannelBroken, EnrollmentError, MalformedCardAnswer

IDLE_TRIES: Final = 3  # that bring a card no further, one after another

T = TypeVar("T")

_BEGUN_AGAIN: Final = (CardGone, CardReset, CardServiceGone, DeviceStalled, CardChannelBroken, MalformedCardAnswer)


@dataclass(frozen=True, slots=True)
class Patience:
    """insert_s: for somebody to put a card in. return_s: for one that was lost to be there again."""

    insert_s: float = 30.0
    return_s: float = 15.0


def transmit_of(held: HeldCard, cancel: CancelToken) -> Transmit:
    """Commands to a held card; none goes out once it is cancelled (CaptureCancelled)."""

    def transmit(command: Command) -> Response:
        cancel.raise_if_cancelled()
        return Response.decode(held.transmit(command.encode()))

    return transmit


def transmit_each_of(held: HeldCard, cancel: CancelToken) -> TransmitEach:
    """Likewise, without keeping the card waiting."""

    def octets(commands: Iterable[Command]) -> Iterator[bytes]:
        for command in commands:
            cancel.raise_if_cancelled()
            yield command.encode()

    return lambda commands: map(Response.decode, held.transmit_each(octets(commands)))


def persevere(
    encoder: CardEncoder,
    attempt: Callable[[HeldCard], T],
    how_far: Callable[[], int],
    patience: Patience,
    cancel: CancelToken,
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
            wait_s = patience.insert_s if lost is None else patience.return_s
            with encoder.hold(timeout_s=wait_s, cancel=cancel) as held:
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
