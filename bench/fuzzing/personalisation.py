"""Fuzz targets of writing a card: what it answers, from outside of the secure channel and from within."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Final

from bench.card_plans import card_keys, card_plan
from bench.fuzzing.target import Target, require
from enrollment.core.chip.personalisation import personalise
from enrollment.core.chip.personalisation_plan import CardPlan
from enrollment.core.chip.scp03 import Opening
from enrollment.core.errors import EnrollmentError
from firmware_stubs.card import apdu
from firmware_stubs.card.card import Card
from firmware_stubs.card.memory import MAX_TRIES, LifeCycle, Memory
from firmware_stubs.card.profile import Access
from tests.card_wire import CardWire

KEYS: Final = card_keys(bytes(range(16)))
BLOCK: Final = 128
MAX_COMMANDS: Final = 20_000  # of one call: some 60 where nothing is wrong


@dataclass(frozen=True)
class Lie:
    """At which command, counted from the beginning; whether it is carried out; what is answered to it."""

    at: int
    executed: bool
    answer: bytes


def lies(data: bytes) -> list[Lie]:
    """For each: at, whether it is carried out (bit 8) and how many octets, the octets."""
    found, place, command = [], 0, 0
    while place + 2 <= len(data):
        command += data[place]
        flags, end = data[place + 1], place + 2 + (data[place + 1] & 0x7F)
        found.append(Lie(command, bool(flags & 0x80), data[place + 2 : end]))
        place = end
    return found


@cache
def plan() -> CardPlan:
    """Small files, so that one run is quick."""
    return card_plan({"EF.SOD": 300}, 40, random.Random(1).randbytes)  # noqa: S311 - any octets do


class LyingCard(Card):
    """Answers some commands with something else, under its own MAC."""

    lies: dict[int, Lie]
    count = 0

    def _plainly(self, command: apdu.Command, proved: Access) -> tuple[bytes, int]:
        lie = self.lies.get(self.count)
        self.count += 1
        if lie is None or len(lie.answer) < 2:
            return super()._plainly(command, proved)
        if lie.executed:
            super()._plainly(command, proved)
        return lie.answer[:-2], int.from_bytes(lie.answer[-2:])


def write(exchange: Callable[[bytes], bytes]) -> None:
    """Through what a driver does for commands."""
    count = 0

    def counted(octets: bytes) -> bytes:
        nonlocal count
        count += 1
        require(count < MAX_COMMANDS, "a card keeps us for ever")
        return exchange(octets)

    through = CardWire(counted)
    personalise(
        through.transmit,
        plan(),
        KEYS,
        block=BLOCK,
        challenge_source=lambda octets: bytes(octets),
        transmit_each=through.transmit_each,
    )


def right(card: Card) -> bool:
    files = {int(file.file_id, 16): octets for file, octets in plan().in_writing_order}
    return {fid: bytes(content) for fid, content in card.memory.files.items()} == files


def answers(data: bytes) -> None:
    """Somebody answers between us and a right card: an error, or a right card; no try lost; the next run mends it."""
    card = Card(Memory.blank(0))
    told = {lie.at: lie for lie in lies(data)}
    count = 0

    def exchange(raw: bytes) -> bytes:
        nonlocal count
        lie = told.get(count)
        count += 1
        answer = b"" if lie is not None and not lie.executed else card.transmit(raw)
        return answer if lie is None else lie.answer

    with suppress(EnrollmentError):
        write(exchange)
        require(card.memory.life_cycle is LifeCycle.OPERATIONAL, "a card is said to be finished and is not")
    require(card.memory.tries == MAX_TRIES, "a try was lost")
    card.power_off()
    write(card.transmit)
    require(right(card) and card.memory.life_cycle is LifeCycle.OPERATIONAL, "the card is not what it should be")


def lying_card(data: bytes) -> None:
    """A card with the right keys, that answers anything."""
    card = LyingCard(Memory.blank(0))
    card.lies = {lie.at: lie for lie in lies(data)}
    with suppress(EnrollmentError):
        write(card.transmit)
    require(card.memory.tries == MAX_TRIES, "a try was lost")


def opening(data: bytes) -> None:
    """The answer to INITIALIZE UPDATE comes back in its parts."""
    found = Opening.decode(data)
    parts = (found.serial, bytes((found.key_version, 3, found.parameter)), found.challenge, found.cryptogram)
    require(b"".join(parts) + found.sequence == data, "the opening does not come back")


def lie_seeds() -> Iterator[bytes]:
    scripts = (
        "026F00",
        "01026A82",
        "080290 00",
        "04 82 6985",
        "0902 6700",
        "05 80",
        "20 82 6982 01 02 6982",
        "12 0462820000",
    )
    for script in scripts:
        yield bytes.fromhex(script)


_OPENINGS: Final = (bytes(11) + b"\x03\x70" + bytes(19), bytes(11) + b"\x03\x60" + bytes(16))
# Whole cards need yubikit, which a machine without the extra `card` has not.
_WHOLE_CARDS: Final = (
    Target("card-written-through", answers, lie_seeds, 256),
    Target("card-that-lies", lying_card, lie_seeds, 256),
)
PERSONALISATION_TARGETS: Final = (
    Target("SCP03-opening", opening, lambda: _OPENINGS, 64),
    *(_WHOLE_CARDS if find_spec("yubikit") else ()),
)
