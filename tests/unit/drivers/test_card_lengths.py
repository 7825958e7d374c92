"""What a card and its reader say of lengths, and what is asked of them where they say nothing."""

from __future__ import annotations

import pytest

from drivers.card.answer_to_reset import takes_extended_lengths
from drivers.card.probing import STEPS, LengthMemory, find_lengths
from drivers.card.transport import Lengths
from drivers.errors import CardReset, DeviceError, DeviceNotReady, DeviceStalled, ProtocolViolation, TransmitLost
from drivers.pcsc.slot import objects

SILENT = bytes.fromhex("3B800181")  # no historical bytes
SAYS_YES = bytes.fromhex("3B85800180738421C092")


@pytest.mark.parametrize(
    ("answer", "takes"),
    [
        ("3B85800180738421C092", True),
        ("3B8580018073842180D2", False),
        ("3B800181", None),
        ("3BF81300008131FE454A434F507632343143", None),  # historical bytes of the maker's own
        ("3B8A80010031C173C8004000900063", True),  # category 00: the last three are a status
        ("3B6500009C02020702", None),  # T=0
        ("3B", None),
        ("", None),
        ("3BFF", None),
        ("3B8F80", None),
    ],
)
def test_the_answer_to_reset_tells_of_extended_lengths(answer: str, takes: bool | None) -> None:
    assert takes_extended_lengths(bytes.fromhex(answer)) is takes


class Carrier:
    """A reader and card that take so many octets; beyond them `answer`, or an error."""

    def __init__(self, most: int, beyond: bytes | DeviceError = b"\x67\x00") -> None:
        self._most = most
        self._beyond = beyond
        self.sent: list[int] = []

    def __call__(self, apdu: bytes) -> bytes:
        self.sent.append(len(apdu) - 7)
        if self.sent[-1] <= self._most:
            return b"\x6a\x82"
        if isinstance(self._beyond, DeviceError):
            raise self._beyond
        return self._beyond


def found(carrier: Carrier, memory: LengthMemory, *, kind: bytes = SILENT, told: int | None = None) -> Lengths:
    return find_lengths(carrier, memory, model="Reader", kind=kind, told=told, t0=False)


@pytest.mark.parametrize(("most", "block"), [(70_000, STEPS[0]), (5000, 4096), (2048, 2048), (600, 512), (300, 255)])
@pytest.mark.parametrize("beyond", [b"\x67\x00", b""])
def test_the_longest_step_that_is_carried_is_found_and_remembered(most: int, block: int, beyond: bytes) -> None:
    memory = LengthMemory()
    carrier = Carrier(most, beyond)
    assert found(carrier, memory).block == block
    asked = list(carrier.sent)
    assert asked == [step for step in STEPS[:-1] if step >= block]
    assert found(carrier, memory).block == block
    assert carrier.sent == asked


@pytest.mark.parametrize(
    ("lost", "raised"),
    [
        (TransmitLost("lost"), TransmitLost),
        (DeviceStalled("silent"), DeviceStalled),
        (ProtocolViolation("buffer"), TransmitLost),
        (DeviceNotReady("parameter"), TransmitLost),
    ],
)
def test_a_reader_that_fails_is_asked_for_less_when_the_card_is_held_anew(
    lost: DeviceError, raised: type[DeviceError]
) -> None:
    memory = LengthMemory()
    carrier = Carrier(2048, lost)
    for _ in range(2):
        with pytest.raises(raised):
            found(carrier, memory)
    assert found(carrier, memory).block == 2048
    assert carrier.sent == [STEPS[0], 4096, 2048]
    assert found(carrier, memory, kind=SAYS_YES).block == 2048  # another kind of card in the same model of reader


def test_what_is_no_matter_of_length_teaches_nothing() -> None:
    memory = LengthMemory()
    with pytest.raises(CardReset):
        found(Carrier(0, CardReset("reset")), memory)
    assert memory.ceiling("Reader") == STEPS[0]


@pytest.mark.parametrize(("told", "block"), [(0, 255), (261, 255), (2048, 2048), (65_536, STEPS[0])])
def test_what_the_reader_says_of_itself_is_not_exceeded(told: int, block: int) -> None:
    carrier = Carrier(70_000)
    assert found(carrier, LengthMemory(), told=told).block == block
    assert max(carrier.sent, default=0) <= told


def test_a_card_that_says_no_is_not_asked() -> None:
    carrier = Carrier(70_000)
    assert found(carrier, LengthMemory(), kind=bytes.fromhex("3B8580018073842180D2")).block == 255
    lengths = find_lengths(carrier, LengthMemory(), model="Reader", kind=SAYS_YES, told=None, t0=True)
    assert (lengths.block, lengths.t0) == (255, True)
    assert carrier.sent == []


def test_properties_of_a_reader_are_read_as_far_as_they_go() -> None:
    assert list(objects(bytes.fromhex("0A0400000100 0102ABCD 0B04FFFF"))) == [
        (0x0A, bytes.fromhex("00000100")),
        (0x01, bytes.fromhex("ABCD")),
    ]
