"""Commands on their way to a card: pieces, corrections, answers that make no sense. The card is a list of answers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.card.apdu import MAX_ANSWER, CommandApdu
from drivers.card.transport import Lengths, carry
from drivers.errors import ProtocolViolation, TransmitLost, UnsupportedDevice

SELECT = bytes.fromhex("00A4020C02011C")
READ = bytes.fromhex("00B0000000")
LONG = 4096


class Script:
    """Answers in order, the last one for ever; keeps what was sent."""

    def __init__(self, *answers: str | bytes) -> None:
        self._answers = [bytes.fromhex(answer) if isinstance(answer, str) else answer for answer in answers]
        self.sent: list[bytes] = []

    def __call__(self, apdu: bytes) -> bytes:
        self.sent.append(apdu)
        return self._answers[min(len(self.sent), len(self._answers)) - 1]

    def sent_hex(self) -> list[str]:
        return [apdu.hex().upper() for apdu in self.sent]


def extended() -> Lengths:
    return Lengths(LONG, command_proven=LONG)


@pytest.mark.parametrize(
    ("apdu", "data", "awaited"),
    [
        ("00A40000", "", 0),
        ("00B0000010", "", 16),
        ("00B0000000", "", 256),
        ("00B00000000100", "", 256),
        ("00B00000000000", "", 65_536),
        ("00A4020C02011C", "011C", 0),
        ("00A4020C02011C00", "011C", 256),
        ("00A4020C000002011C", "011C", 0),
        ("00A4020C000002011C0000", "011C", 65_536),
        ("00A4020C000002011C0010", "011C", 16),
    ],
)
def test_every_form_of_a_command_is_read(apdu: str, data: str, awaited: int) -> None:
    command = CommandApdu.parse(bytes.fromhex(apdu))
    assert command == CommandApdu(bytes.fromhex(apdu[:8]), bytes.fromhex(data), awaited)


@given(st.binary(min_size=4, max_size=4), st.binary(max_size=700), st.integers(0, MAX_ANSWER))
def test_what_is_written_is_read_back(header: bytes, data: bytes, awaited: int) -> None:
    command = CommandApdu(header, data, awaited)
    assert CommandApdu.parse(command.encode()) == command


@pytest.mark.parametrize(
    "octets", ["", "00A402", "00A4020C03011C", "00A4020C01011C00FF", "00A4020C00000301", "00B000000000"]
)
def test_what_is_no_command_is_refused_before_anything_is_sent(octets: str) -> None:
    card = Script("9000")
    with pytest.raises(UnsupportedDevice):
        carry(bytes.fromhex(octets), card, extended())
    assert card.sent == []


def test_what_fits_goes_as_it_is() -> None:
    card = Script("9000")
    data = bytes(range(200)) * 5
    for apdu in (SELECT, READ, bytes.fromhex("00D6000000") + len(data).to_bytes(2) + data):
        assert carry(apdu, card, extended()) == b"\x90\x00"
    assert card.sent[:2] == [SELECT, READ]
    assert card.sent[2][4:7] == b"\0" + len(data).to_bytes(2)


def test_a_long_command_is_chained_in_short_pieces_where_nothing_longer_is_carried() -> None:
    card = Script("9000", "9000", "010203 9000")
    data = bytes(range(200)) * 3
    apdu = bytes.fromhex("80E2000000") + len(data).to_bytes(2) + data + b"\x00\x10"
    assert carry(apdu, card, Lengths()) == bytes.fromhex("0102039000")
    heads = [sent[:5].hex().upper() for sent in card.sent]
    assert heads == ["90E20000FF", "90E20000FF", "80E200005A"]
    assert b"".join(sent[5 : 5 + sent[4]] for sent in card.sent) == data
    assert [sent[5 + sent[4] :] for sent in card.sent] == [b"", b"", b"\x10"]


def test_a_chain_ends_where_the_card_refuses_a_piece() -> None:
    card = Script("9000", "6A84")
    apdu = bytes.fromhex("00D6000000") + (900).to_bytes(2) + bytes(900)
    assert carry(apdu, card, Lengths()) == bytes.fromhex("6A84")
    assert len(card.sent) == 2


def test_a_chain_bit_of_the_callers_own_stays() -> None:
    card = Script("7C00 9000")
    step = bytes.fromhex("10860000027C0000")
    assert carry(step, card, extended()) == bytes.fromhex("7C009000")
    assert card.sent == [step]
    carry(bytes.fromhex("1086000000") + (300).to_bytes(2) + bytes(300), card, Lengths())
    assert [sent[0] for sent in card.sent[1:]] == [0x10, 0x10]


@pytest.mark.parametrize(
    ("cla", "fetching"),
    [("00", "00"), ("0C", "00"), ("84", "00"), ("01", "01"), ("83", "03"), ("45", "45"), ("90", "00")],
)
def test_the_rest_of_an_answer_is_fetched_on_the_commands_channel(cla: str, fetching: str) -> None:
    card = Script(bytes(4) + b"\x61\x00", bytes(256) + b"\x61\x10", bytes(16) + b"\x62\x82")
    assert carry(bytes.fromhex(f"{cla}B0000000"), card, extended()) == bytes(4 + 256 + 16) + b"\x62\x82"
    assert card.sent_hex()[1:] == [f"{fetching}C0000000", f"{fetching}C0000010"]


def test_a_wrong_length_is_corrected_once() -> None:
    card = Script("6C04", "AABBCCDD9000")
    assert carry(READ, card, extended()) == bytes.fromhex("AABBCCDD9000")
    assert card.sent_hex() == ["00B0000000", "00B0000004"]


def test_a_wrong_length_of_get_response_is_corrected() -> None:
    card = Script("6120", "6C04", "AABBCCDD9000")
    assert carry(SELECT, card, Lengths()) == bytes.fromhex("AABBCCDD9000")
    assert card.sent_hex()[1:] == ["00C0000020", "00C0000004"]


def test_an_answer_that_ends_in_6c_is_data_and_status() -> None:
    assert carry(READ, Script("AA6C04"), extended()) == bytes.fromhex("AA6C04")


def alternating(apdu: bytes) -> bytes:
    return b"\x6c\x05" if apdu[-1] == 4 else b"\x6c\x04"


@pytest.mark.parametrize(
    "card",
    [
        Script(""),
        Script("90"),
        Script("6C00"),
        alternating,
        Script("6110", "6110"),
        Script("AA6110"),
        Script(bytes(256) + b"\x61\x00"),
        Script("61FF", ""),
        Script(bytes(MAX_ANSWER + 1) + b"\x90\x00"),
    ],
)
def test_answers_without_sense_or_end_are_violations(card: Callable[[bytes], bytes]) -> None:
    sent = 0

    def exchange(apdu: bytes) -> bytes:
        nonlocal sent
        sent += 1
        return card(apdu)

    with pytest.raises(ProtocolViolation):
        carry(READ, exchange, extended())
    assert sent <= 600


def test_an_extended_command_that_the_card_has_not_shown_to_take_is_sent_once_more_in_pieces() -> None:
    lengths = Lengths(LONG)
    card = Script("6700", "9000")
    apdu = bytes.fromhex("00D6000000") + (300).to_bytes(2) + bytes(300)
    assert carry(apdu, card, lengths) == b"\x90\x00"
    assert [len(sent) for sent in card.sent] == [307, 260, 50]
    assert not lengths.extended


def test_a_long_read_is_asked_for_in_short_form_where_the_card_refuses_the_long_one() -> None:
    lengths = extended()
    card = Script("6700", bytes(256) + b"\x90\x00")
    assert len(carry(bytes.fromhex("00B00000001000"), card, lengths)) == 258
    assert card.sent_hex() == ["00B00000001000", "00B0000000"]


def test_a_length_that_the_card_has_taken_before_is_refused_for_the_commands_own_reasons() -> None:
    card = Script("6700")
    apdu = bytes.fromhex("0082000000") + (300).to_bytes(2) + bytes(300)
    assert carry(apdu, card, extended()) == b"\x67\x00"
    assert carry(SELECT, card, Lengths(LONG)) == b"\x67\x00"
    assert len(card.sent) == 2


def test_more_than_fits_is_not_asked_for() -> None:
    card = Script("9000")
    carry(bytes.fromhex("00B00000000000"), card, extended())
    carry(bytes.fromhex("00B00000000000"), card, Lengths())
    assert card.sent_hex() == ["00B00000001000", "00B0000000"]


def test_t0_carries_no_le_beside_data() -> None:
    card = Script("6102", "CAFE9000")
    assert carry(bytes.fromhex("00A4040002A00000"), card, Lengths(t0=True)) == bytes.fromhex("CAFE9000")
    assert card.sent_hex() == ["00A4040002A000", "00C0000002"]


def test_nothing_is_sent_after_an_exchange_of_unknown_outcome() -> None:
    sent = []

    def lost(apdu: bytes) -> bytes:
        sent.append(apdu)
        if len(sent) == 2:
            raise TransmitLost("lost")
        return b"\x90\x00"

    with pytest.raises(TransmitLost):
        carry(bytes.fromhex("00D6000000") + (900).to_bytes(2) + bytes(900), lost, Lengths())
    assert len(sent) == 2
