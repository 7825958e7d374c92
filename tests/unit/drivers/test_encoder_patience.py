"""How long a card that answers nothing is waited for, on a scripted reader: the model has no bad contacts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, cast

import pytest

from drivers.card import pcsc_encoder
from drivers.card.pcsc_encoder import PcscEncoder
from drivers.card.probing import LengthMemory
from drivers.errors import CardMute
from drivers.pcsc.remote import HeldSlot, RemoteReader
from drivers.spi import CancelToken

LOOK_S = 0.1


class Clock:
    """In place of the module `time`."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class ScriptedReader:
    """What its slot shows, look by look."""

    has_ended = False

    def __init__(self, looks: Iterator[str], clock: Clock) -> None:
        self._looks, self._clock = looks, clock

    def wait_card(self, wait_s: float) -> str:
        self._clock.sleep(LOOK_S)
        return next(self._looks)

    def connect(self, limit_s: float) -> None: ...

    def reset(self, limit_s: float) -> HeldSlot:
        return HeldSlot(b"\x3b\x02\x00\x00", protocol=0, shared=False, max_apdu_data=None)

    def let_go(self, limit_s: float) -> None: ...


def held(monkeypatch: pytest.MonkeyPatch, looks: Iterator[str]) -> bytes:
    """The answer to reset of the card that was held in the end."""
    clock = Clock()
    monkeypatch.setattr(pcsc_encoder, "time", clock)
    encoder = PcscEncoder("pcsc:Scripted 00 00", memory=LengthMemory())
    encoder._is_open = True
    encoder._reader = cast(RemoteReader, cast(Any, ScriptedReader(looks, clock)))
    with encoder.hold(timeout_s=60.0, cancel=CancelToken()) as card:
        return card.answer_to_reset


def test_a_card_that_stays_mute_is_told_after_its_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = itertools.chain(["empty"], itertools.repeat("mute", 40), ["card"])
    with pytest.raises(CardMute):
        held(monkeypatch, looks)


def test_each_try_at_putting_a_card_in_has_a_patience_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = itertools.chain(["mute", "mute"], itertools.repeat("empty", 40), ["mute", "mute", "card"])
    assert held(monkeypatch, looks) == b"\x3b\x02\x00\x00"
