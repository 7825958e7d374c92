"""A scanner's electronics, whatever its wire: lamps and beepers, and a cable that comes out at a transfer."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from firmware_stubs.scanner.faults import CableFault, Faults
from firmware_stubs.usbip.descriptors import Descriptors
from firmware_stubs.usbip.device import Setup, Transfer, UsbDevice


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the electronics are connected to.

    picture_s: seconds that one picture takes on the wire. seed: of what chance decides.
    on_change: called after anything that the state shows. unplug: cuts the cable.
    """

    faults: Faults
    picture_s: float
    seed: int
    on_change: Callable[[], None]
    unplug: Callable[[], None]


class ScannerDevice(UsbDevice):
    """One scanner. All methods run on the event loop's thread.

    outputs: the lamps and beepers that are on. switched_on: how often each was.
    """

    def __init__(self, descriptors: Descriptors, surroundings: Surroundings) -> None:
        super().__init__(descriptors)
        self.pictures_sent = 0
        self.outputs: set[str] = set()
        self.switched_on: Counter[str] = Counter()
        self._faults = surroundings.faults
        self._picture_s = surroundings.picture_s
        self._on_change = surroundings.on_change
        self._unplug = surroundings.unplug

    @property
    @abstractmethod
    def mode(self) -> str:
        """What it is in."""

    def finger_laid(self) -> None:
        """A finger has just landed on the glass."""

    def finger_lifted(self) -> None:
        """The finger has just left the glass."""

    def submit(self, transfer: Transfer) -> None:
        standard = transfer.endpoint & 0x7F == 0 and Setup.decode(transfer.setup).standard
        if not standard and self._faults.take(CableFault.UNPLUG):
            asyncio.get_running_loop().call_soon(self._unplug)  # once the server has noted this transfer
            return
        super().submit(transfer)

    def _switch(self, output: str, *, on: bool) -> None:
        if on and output not in self.outputs:
            self.outputs.add(output)
            self.switched_on[output] += 1
        elif not on:
            self.outputs.discard(output)
