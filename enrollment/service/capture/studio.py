"""What every capture session works with, built once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from drivers.errors import DeviceGone
from drivers.spi import DeviceKind
from enrollment.core.dossier.model import Capture
from enrollment.service.capture.held_prints import KeptPrints
from enrollment.service.capture.preview import Previews
from enrollment.service.config import Clock
from enrollment.service.devices.errors import WrongDeviceKind
from enrollment.service.devices.inventory import Inventory, StationDevice
from enrollment.service.devices.leases import Lease, LeaseEnd, Leases
from enrollment.service.store.dossier_store import DossierStore
from enrollment.service.store.new_capture import NewCapture

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LeaseReference:
    """The lease that a client names, and its fencing token."""

    lease_id: str
    fencing_token: int


@dataclass(frozen=True, slots=True)
class Studio:
    """numeric_pool judges pictures and writes records; store_pool reads and writes dossiers."""

    dossiers: DossierStore
    inventory: Inventory
    leases: Leases
    previews: Previews
    prints: KeptPrints
    numeric_pool: Executor
    store_pool: Executor
    clock: Clock

    def leased(self, reference: LeaseReference, kind: DeviceKind, operator_id: str) -> tuple[Lease, StationDevice]:
        """The live lease and its device. Raises LeaseRequired, LeaseExpired, LeaseNotYours, WrongDeviceKind."""
        lease = self.leases.require(reference.lease_id, reference.fencing_token, operator_id=operator_id)
        device = self.inventory.get(lease.device_id)
        if device.kind is not kind:
            raise WrongDeviceKind(
                f"the lease is of a {device.kind.value}", device_id=device.device_id, needed=kind.value
            )
        return lease, device

    async def store_capture(
        self, lease: Lease, dossier_id: str, new: NewCapture, *, replace: bool, request_id: str
    ) -> tuple[Capture, float]:
        """Write a capture under a lease that is live then, checked on the store's thread; the milliseconds it took."""

        def write() -> Capture:
            lease.require_live()
            return self.dossiers.add_capture(dossier_id, new, replace=replace, request_id=request_id)

        began_s = self.clock.monotonic()
        stored = await self.stored(write)
        return stored, 1000 * (self.clock.monotonic() - began_s)

    async def numeric(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run numeric work off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.numeric_pool, lambda: function(*args, **kwargs))

    async def stored(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run store work off the event loop; once begun it is finished, even when the caller is cancelled."""
        return await asyncio.get_running_loop().run_in_executor(self.store_pool, lambda: function(*args, **kwargs))


def raise_why_ended(lease: Lease, device: StationDevice) -> None:
    """Say why a session under this lease was cancelled from outside; return when it was not the lease."""
    if lease.end is LeaseEnd.DEVICE_GONE:
        raise DeviceGone("the device was unplugged during the capture", device_id=device.device_id)
    lease.require_live()
