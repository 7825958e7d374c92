"""A scanner's lamps and beeper, following what a capture sees. On the device's thread; nothing where it has none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from drivers.errors import DeviceError, DriverError, UnsupportedDevice
from drivers.spi import Light, Signals, Sound
from enrollment.service.capture.events import Live

DARK: Final[Mapping[int, Light]] = {}


class Lamps:
    """What the lamps of one session's scanner show. A lamp is changed only when it has to be: each is a command."""

    def __init__(self) -> None:
        self._shown: Mapping[int, Light] = DARK

    def show(self, driver: object, fingers: Mapping[int, Light]) -> None:
        """Light the fingers' lamps, by position; the others go dark. Raises DeviceError."""
        if isinstance(driver, Signals) and fingers != self._shown:
            self._shown = fingers
            try:
                driver.light(fingers)
            except UnsupportedDevice:
                return  # a scanner without this signal still scans

    def sound(self, driver: object, sound: Sound) -> None:
        """Beep. Raises DeviceError."""
        if isinstance(driver, Signals):
            try:
                driver.sound(sound)
            except UnsupportedDevice:
                return

    @contextmanager
    def dark_at_failure(self, driver: object) -> Iterator[None]:
        """Put all lamps out where the block is cancelled or runs out of time; a device that failed is closed anyway."""
        try:
            yield
        except DeviceError:
            raise
        except DriverError:
            with suppress(DriverError):
                self.show(driver, DARK)
            raise


def lights_of(live: Live, asked_for: tuple[int, ...]) -> dict[int, Light]:
    """Amber for a finger that is waited for, green for one that lies well, red for one that does not."""
    lying = {finger.position: Light.GREEN if finger.good else Light.RED for finger in live.fingers}
    wrong = bool(lying) and lying.keys().isdisjoint(asked_for)
    return {position: lying.get(position, Light.RED if wrong else Light.AMBER) for position in asked_for}
