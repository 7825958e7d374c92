"""What every scanner model has: USB/IP for the driver on one port, HTTP for the hand on another."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import ClassVar, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.scanner.faults import Faults
from firmware_stubs.scanner.hand import ControlHandler, ControlServer, FaultOrder, Refused, State
from firmware_stubs.usbip.device import UsbDevice
from firmware_stubs.usbip.server import Export, UsbIpServer


@dataclass(frozen=True, slots=True, kw_only=True)
class PortOptions:
    """port, control_port: 0 takes any free one. faults: armed from the start."""

    host: str = "127.0.0.1"
    port: int = 0
    control_port: int = 0
    bus_id: str = "1-1"
    faults: tuple[FaultOrder, ...] = ()


class TwoPorts(ABC):
    """A scanner (`hand.Controlled`) that runs while entered, on the event loop that entered it.

    A model makes its device, hands it to `_connect`, and says what its state is.
    MODES: what it can be in, each a condition to wait for. HAND: for more paths than the usual ones.
    """

    MODES: ClassVar[frozenset[str]] = frozenset()

    HAND: ClassVar[type[ControlHandler] | None] = None

    def __init__(self, options: PortOptions) -> None:
        self._ports = options
        self._faults = Faults()
        for order in options.faults:
            self._faults.arm(order.kind, order.times, order.after)
        self._changed = asyncio.Condition()
        self._notifying: set[asyncio.Task[None]] = set()
        self._closing = False
        self._control: ControlServer | None = None
        self.url = ""
        self.control_url = ""

    def _connect(self, device: UsbDevice) -> None:
        self._export = Export(self._ports.bus_id, device)
        self._server = UsbIpServer([self._export])

    async def __aenter__(self) -> Self:
        ports = self._ports
        port = await self._server.start(ports.host, ports.port)
        loop = asyncio.get_running_loop()
        self._control = ControlServer(ports.host, ports.control_port, self, loop, self.HAND)
        self.url = f"usbip://{ports.host}:{port}/{ports.bus_id}"
        self.control_url = f"http://{ports.host}:{self._control.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        await self._notify()
        if self._control is not None:
            await asyncio.to_thread(self._control.close)
        await self._server.close()

    @property
    @abstractmethod
    def fault_kinds(self) -> Collection[Enum]: ...

    @property
    @abstractmethod
    def picture_size(self) -> tuple[int, int]: ...

    @abstractmethod
    async def lay(self, picture: NDArray[np.uint8]) -> State: ...

    @abstractmethod
    async def lift(self) -> State: ...

    @abstractmethod
    def _picture(self) -> NDArray[np.uint8]:
        """What the sensor sees: upright, dark ridges."""

    @abstractmethod
    def _own_state(self) -> State:
        """What is to be told of this model, beside its mode, its cable and its faults."""

    @abstractmethod
    def _counts(self) -> Mapping[str, int]:
        """What it has done how often since power-on: NAME:N is a condition to wait for."""

    def _mode(self) -> str:
        """One of MODES; "" for a model that has none."""
        return ""

    def _is_in(self, mode: str) -> bool:
        return self._mode() == mode

    async def platen_png(self) -> bytes:
        done, png = cv2.imencode(".png", self._picture())
        assert done  # noqa: S101 - a uint8 picture always encodes
        return png.tobytes()

    async def state(self) -> State:
        return self._state()

    async def state_when(self, condition: str, timeout_s: float) -> State:
        self._require_condition(condition)
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: self._closing or self._has_come(condition))
        except TimeoutError:
            so_far = ", ".join(f"{name}: {count}" for name, count in self._counts().items())
            message = f"not within {timeout_s:g} s; {self._mode()} {so_far}"
            raise Refused(HTTPStatus.REQUEST_TIMEOUT, "NOT_REACHED", message) from None
        return self._state()

    async def unplug(self) -> State:
        self._cut_cable()
        return self._state()

    async def plug(self) -> State:
        self._export.plug()
        self._on_change()
        return self._state()

    async def arm(self, order: FaultOrder) -> State:
        self._faults.arm(order.kind, order.times, order.after)
        return self._state()

    async def disarm(self) -> State:
        self._faults.clear()
        return self._state()

    def _cut_cable(self) -> None:
        self._export.unplug()
        self._on_change()

    def _state(self) -> State:
        own = {"mode": self._mode()} if self.MODES else {}
        cable = {"attached": self._export.plugged, "imported": self._export.imported}
        return own | self._own_state() | cable | {"faults": self._faults.armed()}

    def _require_condition(self, condition: str) -> None:
        counts = self._counts()
        if condition in {"imported", "released"} | self.MODES or _is_count(condition, counts):
            return
        known = ", ".join([*sorted(self.MODES), "imported", "released"])
        raise Refused(HTTPStatus.BAD_REQUEST, "BAD_QUERY", f"until: {known}, {':N, '.join(counts)}:N")

    def _has_come(self, condition: str) -> bool:
        name, _, count = condition.partition(":")
        match name:
            case "imported":
                return self._export.imported
            case "released":
                return not self._export.imported
            case _ if count:
                return self._counts()[name] >= int(count)
            case _:
                return self._is_in(condition)

    def _on_change(self) -> None:
        task = asyncio.get_running_loop().create_task(self._notify())
        self._notifying.add(task)
        task.add_done_callback(self._notifying.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _is_count(condition: str, names: Collection[str]) -> bool:
    """Tell whether it is NAME:N of one of the names, N of at most nine digits."""
    name, colon, count = condition.partition(":")
    return bool(colon) and name in names and count.isascii() and count.isdigit() and len(count) <= 9
