"""Reading a file: exactly its octets, whatever pieces they come in; and an end, whatever the card says."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrollment.core.chip.access.opening import select_application
from enrollment.core.chip.access.pace import PaceVariant, open_by_pace
from enrollment.core.chip.apdu import Command, Response
from enrollment.core.chip.card_profile import CardFile
from enrollment.core.chip.reading import LEAST_PROGRESS, Channel, read_file
from enrollment.core.chip.security_infos import PACE_ECDH_GM_AES_128
from enrollment.core.errors import CardRefused, EnrollmentError, MalformedCardAnswer
from firmware_stubs.card.card import Card
from firmware_stubs.card.memory import LifeCycle, Memory
from firmware_stubs.card.profile import VN_CCCD, Access, Profile
from tests.card_wire import CardWire
from tests.unit.chip.issued_cards import CAN, PROFILE, issued

OPEN = Profile("open", VN_CCCD.aid, frozenset({0x010D}), {0x010D: Access.ALWAYS})
MOST = 65_536


def file_of(most: int = MOST) -> CardFile:
    return CardFile("EF.DG13", "010D", "always", most)


@cache
def content(octets: int) -> bytes:
    """A file of so many octets, header and all."""
    for header in range(2, 6):
        length = octets - header
        lengths = bytes((length,)) if length < 0x80 else b""
        if length >= 0x80:
            told = length.to_bytes((length.bit_length() + 7) // 8, "big")
            lengths = bytes((0x80 | len(told),)) + told
        if 1 + len(lengths) == header:
            return b"\x6d" + lengths + bytes(at * 31 & 0xFF for at in range(length))
    raise AssertionError(octets)


def wire_to(octets: bytes) -> CardWire:
    return CardWire(Card(Memory(life_cycle=LifeCycle.OPERATIONAL, files={0x010D: bytearray(octets)}), OPEN).transmit)


@pytest.mark.parametrize("octets", [2, 3, 7, 8, 129, 300, 32_767, 32_768, 32_769, 33_000, 65_535])
@pytest.mark.parametrize("room", [100, 256, 4000, 65_535])
def test_files_of_every_length_come_whole(octets: int, room: int) -> None:
    wire = wire_to(content(octets))
    assert read_file(Channel(wire.transmit, room), file_of()) == content(octets)
    assert len(wire.commands) <= 3 + octets // (min(room, 65_000) - 4) + 1


def test_room_behind_a_file_is_not_read() -> None:
    wire = wire_to(content(300) + bytes(700))
    assert read_file(Channel(wire.transmit, 256), file_of()) == content(300)


@pytest.mark.parametrize("octets", [300, 33_000])
def test_file_comes_whole_through_secure_messaging(octets: int) -> None:
    card = issued()
    card.card.memory.files[0x010D] = bytearray(content(octets))
    variant = PaceVariant(PACE_ECDH_GM_AES_128, 13, 16)
    session = open_by_pace(card.wire.transmit, variant, CAN, secrets.token_bytes)
    select_application(session.send, PROFILE)
    for block in (256, 3000):
        told: list[int] = []
        channel = Channel(session.send, session.room(block))
        assert read_file(channel, file_of(), told.append) == content(octets)
        assert told == sorted(told)
        assert told[-1] == octets
    assert card.wire.fetched == 0


class FileOf:
    """A card that has one file and answers READ BINARY as the test says: a rule that no card model has.

    rule: is given offset and Le; returns data and status word.
    """

    def __init__(self, rule: Callable[[int, int], tuple[bytes, int]]) -> None:
        self._rule = rule
        self.reads = 0

    def transmit(self, command: Command) -> Response:
        if command.ins == 0xA4:
            return Response(b"", 0x9000)
        self.reads += 1
        return Response(*self._rule(command.p1 << 8 | command.p2, command.le or 0))


@pytest.mark.parametrize("limit", [16, 20, 100, 255])
@pytest.mark.parametrize("status", [0x6700, 0x6C00])
def test_pieces_shrink_to_what_the_card_gives(limit: int, status: int) -> None:
    octets = content(1000)

    def rule(offset: int, le: int) -> tuple[bytes, int]:
        if le > limit:
            return b"", status | (limit if status == 0x6C00 else 0)
        return octets[offset : offset + le], 0x9000

    card = FileOf(rule)
    assert read_file(Channel(card.transmit, 2000), file_of()) == octets
    assert card.reads < 150


def test_short_answers_are_gone_on_from() -> None:
    octets = content(1000)
    card = FileOf(lambda offset, le: (octets[offset : offset + min(le, 17)], 0x9000))
    assert read_file(Channel(card.transmit, 256), file_of()) == octets


@pytest.mark.parametrize(
    ("rule", "raised"),
    [
        (lambda _offset, _le: (b"", 0x9000), MalformedCardAnswer),
        (lambda _offset, _le: (b"", 0x6A82), CardRefused),
        (lambda _offset, _le: (b"", 0x6700), CardRefused),
        (lambda _offset, _le: (b"", 0x6C00), CardRefused),
        (lambda _offset, le: (b"", 0x6C00 | le & 0xFF), CardRefused),
        (lambda offset, _le: (content(900)[offset : offset + LEAST_PROGRESS - 1], 0x9000), MalformedCardAnswer),
        (lambda offset, _le: (content(900)[offset : offset + 1] if offset else content(900)[:7], 0x9000), None),
        (lambda offset, le: (content(900)[:500][offset : offset + le], 0x6282), MalformedCardAnswer),
        (lambda offset, le: (content(900)[offset : offset + le] + b"x", 0x9000), MalformedCardAnswer),
        (lambda _offset, le: (b"\x6d\x84\xff\xff\xff\xff\x00"[:le], 0x9000), MalformedCardAnswer),
        (lambda _offset, le: (b"\x6d\x82\xff\xff\x00\x00\x00"[:le], 0x9000), MalformedCardAnswer),
        (lambda _offset, le: (b"\x6e\x03abcxx"[:le], 0x9000), MalformedCardAnswer),
        (lambda _offset, le: (b"\x6d\x80abcxx"[:le], 0x9000), MalformedCardAnswer),
    ],
)
def test_card_that_lies_is_told_within_few_commands(
    rule: Callable[[int, int], tuple[bytes, int]], raised: type[EnrollmentError] | None
) -> None:
    card = FileOf(rule)
    with pytest.raises(raised or MalformedCardAnswer) as caught:
        read_file(Channel(card.transmit, 256), file_of(1000))
    assert "EF.DG13" in str(caught.value)
    assert card.reads <= 12


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=64), st.integers(0, 0xFFFF)), max_size=12), st.integers(1, 300))
def test_any_answers_end_in_a_file_or_a_typed_error(answers: list[tuple[bytes, int]], room: int) -> None:
    left = list(answers)

    def rule(_offset: int, le: int) -> tuple[bytes, int]:
        data, status = left.pop(0) if left else (bytes(le), 0x9000)
        return data, status

    card = FileOf(rule)
    try:
        found = read_file(Channel(card.transmit, room), file_of(4096))
    except EnrollmentError:
        pass
    else:
        assert 2 <= len(found) <= 4096
    assert card.reads <= 4096 // min(room, LEAST_PROGRESS) + 40
