"""HWSTAT (register 0x07): what its bits say, and what a write to it does.

    bit 7  low power    bit 2  something went wrong    bit 1  seen on the MSv2    bit 0  alive

A write with bit 7 takes the power away, one without asks for it. The MSv2 grants it only after the challenge has been
answered since the power was last away. A wedged device (0x85) must first be written without bit 7; it then reads
without bit 0 until it has rebooted.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from firmware_stubs.uru4000.models import Model

LOW_POWER: Final = 0x80
WENT_WRONG: Final = 0x04
ALIVE: Final = 0x01
REBOOT_S: Final = 0.025
ANNOUNCEMENT_SPACING_S: Final = 0.008
_CHALLENGE_KEY: Final = bytes.fromhex("79ac91795ca1478e98e00f3c598f5f4b")  # the same in every unit, and public


def answer_to(challenge: bytes) -> bytes:
    """The response that the device expects to its 16-byte challenge."""
    encryptor = Cipher(algorithms.AES(_CHALLENGE_KEY), modes.ECB()).encryptor()  # noqa: S305 - the device's choice
    return encryptor.update(challenge) + encryptor.finalize()


class _State(Enum):
    WEDGED = auto()
    REBOOTING = auto()
    LOW = auto()
    RISING = auto()
    UP = auto()


class Power:
    """announce: raise one 56AA. on_up: called when the sensor comes up; False swallows this power-up's interrupts."""

    def __init__(self, model: Model, *, announce: Callable[[], None], on_up: Callable[[], bool]) -> None:
        self._model = model
        self._announce = announce
        self._on_up = on_up
        self._timers: list[asyncio.TimerHandle] = []
        self._state = _State.UP
        self._challenge = b""
        self._trusted = False

    @property
    def up(self) -> bool:
        return self._state is _State.UP

    def power_on(self, *, wedged: bool) -> None:
        """The state after plugging in: awake, as both recordings begin, unless wedged."""
        self._stop_timers()
        self._state = _State.WEDGED if wedged else _State.UP
        self._challenge = b""
        self._trusted = False

    @property
    def status(self) -> int:
        """HWSTAT as it reads now."""
        match self._state:
            case _State.WEDGED:
                return LOW_POWER | WENT_WRONG | ALIVE
            case _State.REBOOTING:
                return LOW_POWER | WENT_WRONG
            case _State.LOW | _State.RISING:
                return LOW_POWER | self._model.status
            case _State.UP:
                return self._model.status

    def write(self, value: int) -> None:
        """A write to HWSTAT; only bit 7 counts."""
        wants_power = not value & LOW_POWER
        match self._state:
            case _State.WEDGED if wants_power:
                self._state = _State.REBOOTING
                self._later(REBOOT_S, self._become_low)
            case _State.LOW if wants_power and (self._trusted or not self._model.challenges):
                self._state = _State.RISING
                if self._model.power_up_s:
                    self._later(self._model.power_up_s, self._become_up)
                else:
                    self._become_up()
            case _State.UP | _State.RISING if not wants_power:
                self._become_low()
            case _:
                pass

    def challenge(self) -> bytes:
        """A fresh challenge."""
        self._challenge = secrets.token_bytes(16)
        return self._challenge

    def respond(self, response: bytes) -> None:
        """Take a response; a wrong one changes nothing."""
        if self._challenge and response == answer_to(self._challenge):
            self._trusted = True

    def _become_low(self) -> None:
        self._stop_timers()
        self._state = _State.LOW
        self._trusted = False

    def _become_up(self) -> None:
        self._state = _State.UP
        if self._on_up():
            for turn in range(self._model.announcements):
                self._later(self._model.announce_after_s + turn * ANNOUNCEMENT_SPACING_S, self._announce)

    def _later(self, delay_s: float, call: Callable[[], None]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(delay_s, call))

    def _stop_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
