"""What every session with a card works with, built once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, cast
from weakref import WeakValueDictionary

from drivers.errors import CaptureCancelled
from drivers.spi import CancelToken, CardEncoder, DeviceKind
from enrollment.service.capture.studio import LeaseReference, Studio, raise_why_ended
from enrollment.service.cards.authority import CardAuthority
from enrollment.service.cards.events import CardEvent, Emit
from enrollment.service.cards.held_card import Patience
from enrollment.service.devices.worker import Driver
from enrollment.service.store.card_ledger import CardLedger
from enrollment.service.store.card_orders import CardOrders

T = TypeVar("T")


class RunOnEncoder(Protocol):
    """Blocking work on the encoder's thread, told to stop by its token."""

    def __call__(self, work: Callable[[CardEncoder, CancelToken], T]) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True)
class CardDesk:
    """ledger, orders: of the store. authority: what cards are signed and opened with. patience: with a card."""

    studio: Studio
    ledger: CardLedger
    orders: CardOrders
    authority: CardAuthority
    patience: Patience
    _writing: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary, repr=False)

    def writing(self, dossier_id: str) -> asyncio.Lock:
        """Held by who writes this dossier's card; others wait: it becomes one card, at however many encoders."""
        return self._writing.setdefault(dossier_id, asyncio.Lock())

    @asynccontextmanager
    async def encoder(self, reference: LeaseReference, operator_id: str) -> AsyncIterator[RunOnEncoder]:
        """Keep a leased encoder for one session; what is run on its thread ends when the lease does.

        Raises the errors of leases and devices, also from what is run.
        """
        studio = self.studio
        lease, device = studio.leased(reference, DeviceKind.CARD_ENCODER, operator_id)
        cancel = CancelToken()

        async def run(work: Callable[[CardEncoder, CancelToken], T]) -> T:
            def job(driver: Driver) -> T:
                return work(cast(CardEncoder, driver), cancel)

            try:
                return await device.worker.run(job, cancel=cancel, check=lease.require_live)
            except CaptureCancelled:
                raise_why_ended(lease, device)
                raise

        async with studio.inventory.in_use(device):
            forget = lease.at_end(cancel.cancel)
            try:
                yield run
            finally:
                forget()


def from_thread(emit: Emit) -> Emit:
    """Tell from any thread what must be told on this event loop."""
    loop = asyncio.get_running_loop()

    def tell(event: CardEvent) -> None:
        loop.call_soon_threadsafe(emit, event)

    return tell
