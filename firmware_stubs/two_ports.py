"""What every scanner model has: USB/IP for the driver on one port, HTTP for the hand on another."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Collection
from enum import Enum
from http import HTTPStatus
from typing import ClassVar, Protocol, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.uru4000.control import ControlHandler, ControlServer, FaultOrder, Refused, State
from firmware_stubs.uru4000.faults import Faults
from firmware_stubs.usbip.device import UsbDevice
from firmware_stubs.usbip.server import Export, UsbIpServer


class PortOptions(Protocol):
    """port, control_port: 0 takes any free one. faults: armed from the start."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def control_port(self) -> int: ...
    @property
    def bus_id(self) -> str: ...
    @property
    def faults(self) -> tuple[FaultOrder, ...]: ...


class TwoPorts(ABC):
    """A scanner (`control.Controlled`) that runs while entered, on the event loop that entered it.

    A model makes its device, hands it to `_connect`, and says what its states and conditions are.
    """

    HAND: ClassVar[type[ControlHandler] | None] = None  # for more paths than the usual ones

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
        """What is to be told of this model, beside its cable and its faults."""

    @abstractmethod
    def _require_condition(self, condition: str) -> None:
        """Raise Refused for what is no condition of this model."""

    @abstractmethod
    def _holds(self, condition: str) -> bool:
        """Tell whether a condition holds, other than those of the cable."""

    @abstractmethod
    def _where(self) -> str:
        """Where it stands, for a condition that did not come to hold."""

    async def platen_png(self) -> bytes:
        done, png = cv2.imencode(".png", self._picture())
        assert done  # noqa: S101 - a uint8 picture always encodes
        return png.tobytes()

    async def state(self) -> State:
        return self._state()

    async def state_when(self, condition: str, timeout_s: float) -> State:
        if condition not in {"imported", "released"}:
            self._require_condition(condition)
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: self._closing or self._has_come(condition))
        except TimeoutError:
            message = f"not within {timeout_s:g} s; {self._where()}"
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
        return self._own_state() | {
            "attached": self._export.plugged,
            "imported": self._export.imported,
            "faults": self._faults.armed(),
        }

    def _has_come(self, condition: str) -> bool:
        match condition:
            case "imported":
                return self._export.imported
            case "released":
                return not self._export.imported
            case _:
                return self._holds(condition)

    def _on_change(self) -> None:
        task = asyncio.get_running_loop().create_task(self._notify())
        self._notifying.add(task)
        task.add_done_callback(self._notifying.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def is_count(condition: str, names: Collection[str]) -> bool:
    """Tell whether it is NAME:N of one of the names, N of at most nine digits."""
    name, colon, count = condition.partition(":")
    return bool(colon) and name in names and count.isascii() and count.isdigit() and len(count) <= 9
