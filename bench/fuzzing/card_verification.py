"""Targets: a hostile card before a whole verification. It answers any octets, plain or under keys that are right.

Octets of an input: how many commands are answered as the issued card does, its first bit: what is replaced; then each
answer: two octets of length, data, status word. Behind them the issued card answers again. Replaced is what arrives at
the reader, or what the card wraps in secure messaging.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from bench.fuzzing.target import Target, require
from enrollment.core.chip.access.password import AccessKey
from enrollment.core.chip.apdu import Command, Response
from enrollment.core.chip.card_profile import CardProfile, card_profile_from_table
from enrollment.core.chip.verification import verify_card
from firmware_stubs.card.apdu import Command as CardCommand
from firmware_stubs.card.card import Card
from firmware_stubs.card.memory import Memory
from firmware_stubs.card.profile import Access
from tests.unit.chip.issued_cards import CAN, NUMBER, TABLE, TRUST, ZONE, issued
from tests.unit.chip.signed_cards import NOW

BLOCK: Final = 2000
MAX_ANSWERS: Final = 64
# A whole card has some 40; files of the profile's most octets, in the smallest pieces that are gone on from, have more.
MAX_COMMANDS: Final = 3000
ARRIVING: Final = 0x80
KEYS: Final = {"pace": CAN, "bac": ZONE}
LONGEST_ANSWER: Final = 0x0FFF

Answers = list[tuple[bytes, int]]


@dataclass
class Lies:
    """honest: answers that are left as they are. changed: how many answers were others than the card's."""

    honest: int
    answers: Answers
    arriving: bool
    changed: int = 0
    plain: list[tuple[bytes, int]] = field(default_factory=list)

    def instead_of(self, data: bytes, status: int) -> tuple[bytes, int]:
        self.plain.append((data, status))
        self.honest -= 1
        if self.honest >= 0 or not self.answers:
            return data, status
        said = self.answers.pop(0)
        self.changed += said != (data, status)
        return said


class HostileCard(Card):
    """The issued card with lies of its own choice, under whatever keys there are by then."""

    def __init__(self, memory: Memory, lies: Lies, seed: int) -> None:
        self._lies = lies
        self._drawn = seed
        super().__init__(memory, random=self._draw)

    def _draw(self, octets: int) -> bytes:
        """The same chance each time, so that an input is always the same run."""
        self._drawn += 1
        return self._drawn.to_bytes(2, "big") * (octets // 2)

    def _plainly(self, command: CardCommand, proved: Access) -> tuple[bytes, int]:
        data, status = super()._plainly(command, proved)
        return (data, status) if self._lies.arriving else self._lies.instead_of(data, status)


@cache
def _memory() -> Memory:
    return issued().card.memory


@cache
def _profile(protocol: str) -> CardProfile:
    return card_profile_from_table(TABLE | {"access": TABLE["access"] | {"protocols": [protocol]}})


def _verified(protocol: str, lies: Lies) -> bool:
    """Whether the card with these lies is taken for genuine."""
    card = HostileCard(_memory(), lies, 0x1000)
    reader = HostileCard(_memory(), lies, 0x2000)  # for its chance alone
    commands = 0

    def transmit(command: Command) -> Response:
        nonlocal commands
        commands += 1
        require(commands <= MAX_COMMANDS, "a card keeps the reader for ever")
        answer = card.transmit(command.encode())
        while answer[-2] == 0x61:
            answer = answer[:-2] + card.transmit(b"\x00\xc0\x00\x00" + answer[-1:])
        if lies.arriving:
            data, status = lies.instead_of(answer[:-2], int.from_bytes(answer[-2:], "big"))
            return Response(data, status)
        return Response.decode(answer)

    key: AccessKey = KEYS[protocol]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = verify_card(transmit, _profile(protocol), key, TRUST, now=NOW, chance=reader._draw, block=BLOCK)
    told = json.dumps(report.to_json(), ensure_ascii=False)
    require(
        not any(word in told for word in (NUMBER, NUMBER[-6:], "NGUYEN", "Nguyễn")), "the report tells of the person"
    )
    require(len({check.number for check in report.checks}) == len(report.checks) >= 20, "a check is missing, or twice")
    return report.is_verified


def _lies(data: bytes) -> Lies:
    count, data = (data[0], data[1:]) if data else (0, b"")
    answers: Answers = []
    while len(data) >= 4 and len(answers) < MAX_ANSWERS:
        length = int.from_bytes(data[:2], "big") & LONGEST_ANSWER
        answers.append((data[2 : 2 + length], int.from_bytes(data[2 + length : 4 + length], "big")))
        data = data[4 + length :]
    return Lies(count & ~ARRIVING, answers, bool(count & ARRIVING))


def _target(protocol: str) -> Target:
    def run(data: bytes) -> None:
        lies = _lies(data)
        verified = _verified(protocol, lies)
        honest = not lies.changed
        require(verified or not honest, "a card that does not lie is not verified")

    return Target(f"card-verification-{protocol}", run, lambda: _seeds(protocol), max_octets=1024)


def _seeds(protocol: str) -> Iterator[bytes]:
    """The card's own answers from each of its commands on, and a refusal there."""
    for arriving in (0, ARRIVING):
        lies = Lies(1 << 30, [], bool(arriving))
        require(_verified(protocol, lies), "the issued card is not verified")
        for at in range(0, len(lies.plain), 3):
            answers = [(data, status) for data, status in lies.plain[at : at + 3] if len(data) < 400]
            yield bytes((arriving | at,)) + b"".join(
                len(data).to_bytes(2, "big") + data + status.to_bytes(2, "big") for data, status in answers
            )
            yield bytes((arriving | at,)) + b"\0\0\x69\x82"


CARD_VERIFICATION_TARGETS: Final = (_target("bac"), _target("pace"))
