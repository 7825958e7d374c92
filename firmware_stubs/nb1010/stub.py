"""A scanner on two ports: USB/IP for the driver, HTTP for the hand."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.nb1010.faults import Fault
from firmware_stubs.nb1010.firmware import Nb1010, Surroundings
from firmware_stubs.nb1010.sensor import LAID_SIZE, Sensor
from firmware_stubs.two_ports import TwoPorts, is_count
from firmware_stubs.uru4000.control import FaultOrder, Refused, State


@dataclass(frozen=True, slots=True)
class Nb1010Options:
    """port, control_port: 0 takes any free one. image_ms: the 90 messages of an image.

    serial: "" as on the real ones; it also seeds the sensor's dead pixels, its dirt, its noise and what chance decides.
    faults: armed from the start.
    """

    serial: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    control_port: int = 0
    image_ms: float = 128.0
    bus_id: str = "1-1"
    faults: tuple[FaultOrder, ...] = ()


class Nb1010Stub(TwoPorts):
    """Runs while entered, on the event loop that entered it."""

    def __init__(self, options: Nb1010Options) -> None:
        super().__init__(options)
        self._options = options
        seed = zlib.crc32(options.serial.encode())
        self._sensor = Sensor(seed, self._faults)
        self._device = Nb1010(
            options.serial,
            Surroundings(
                self._sensor,
                self._faults,
                options.image_ms / 1000.0,
                seed,
                on_change=self._on_change,
                unplug=self._cut_cable,
            ),
        )
        self._connect(self._device)

    @property
    def fault_kinds(self) -> Collection[Fault]:
        return tuple(Fault)

    @property
    def picture_size(self) -> tuple[int, int]:
        return LAID_SIZE

    async def lay(self, picture: NDArray[np.uint8]) -> State:
        self._sensor.lay(picture)
        return self._state()

    async def lift(self) -> State:
        self._sensor.lift()
        return self._state()

    def _picture(self) -> NDArray[np.uint8]:
        return self._sensor.picture()

    def _cut_cable(self) -> None:
        self._export.unplug()
        self._device.power_lost()
        self._on_change()

    def _own_state(self) -> State:
        return {
            "platen": self._sensor.occupied,
            "polls": self._device.polls,
            "images_sent": self._device.images_sent,
            "model": "nb1010",
            "serial": self._options.serial,
        }

    def _holds(self, condition: str) -> bool:
        kind, _, count = condition.partition(":")
        done = self._device.polls if kind == "polls" else self._device.images_sent
        return done >= int(count)

    def _where(self) -> str:
        return f"{self._device.polls} questions for a finger so far"

    def _require_condition(self, condition: str) -> None:
        if not is_count(condition, ("images", "polls")):
            raise Refused(HTTPStatus.BAD_REQUEST, "BAD_QUERY", "until: imported, released, images:N or polls:N")
