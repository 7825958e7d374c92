"""Secure messaging of the reader: what is not authentic is never believed, and ends the session."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrollment.core.chip.access.keys import TRIPLE_DES
from enrollment.core.chip.access.secure_messaging import Session
from enrollment.core.chip.access.suites import suite_of
from enrollment.core.chip.apdu import Command, Response
from enrollment.core.errors import CardRefused, EnrollmentError, MalformedCardAnswer
from firmware_stubs.card import apdu as card_apdu
from firmware_stubs.card import secure_messaging as card_side
from firmware_stubs.card.bac import suite as card_3des

SECRET = bytes(range(16))
READ = Command(0x00, 0xB0, 0, 0, le=40)
KEY_OCTETS = [TRIPLE_DES, 16, 24, 32]


class FarEnd:
    """The card model's end of a session, with an answer of the test's choice.

    tamper: is given the whole answer, status word and all; returns what arrives.
    """

    def __init__(self, octets: int, data: bytes = b"", status: int = 0x9000) -> None:
        self._channel = (
            card_side.SecureMessaging(card_3des(SECRET), bytes(8))
            if octets == TRIPLE_DES
            else card_side.SecureMessaging.aes(SECRET, octets)
        )
        self.data, self.status = data, status
        self.opened: list[card_apdu.Command] = []
        self.sent: list[Command] = []
        self.answers: list[bytes] = []
        self.tamper: Callable[[bytes], bytes] = lambda answer: answer

    def transmit(self, command: Command) -> Response:
        self.sent.append(command)
        self.opened.append(self._channel.unwrap(card_apdu.decode(command.encode())))
        self.answers.append(self._channel.wrap(self.data, self.status) + self.status.to_bytes(2, "big"))
        return Response.decode(self.tamper(self.answers[-1]))


def session_with(end: FarEnd, octets: int) -> Session:
    suite = suite_of(SECRET, octets)
    return Session(end.transmit, suite, bytes(suite.block))


@pytest.mark.parametrize("octets", KEY_OCTETS)
@settings(max_examples=40, deadline=None)
@given(
    ins=st.sampled_from([0xA4, 0xB0, 0xB1, 0x88]),
    data=st.binary(max_size=700),
    le=st.none() | st.integers(1, 65_536),
    answer=st.binary(max_size=700),
)
def test_commands_and_answers_come_through_as_they_are(
    octets: int, ins: int, data: bytes, le: int | None, answer: bytes
) -> None:
    end = FarEnd(octets, answer, 0x6282)
    session = session_with(end, octets)
    for _ in range(2):
        assert session.send(Command(0x00, ins, 1, 2, data, le)) == Response(answer, 0x6282)
        opened = end.opened[-1]
        assert (opened.cla, opened.ins, opened.p1p2, opened.data, opened.le) == (0, ins, 0x0102, data, le)
        assert len(end.answers[-1]) - 2 <= (end.sent[-1].le or 0) or le is None or len(answer) > le


@pytest.mark.parametrize("octets", [TRIPLE_DES, 16])
def test_no_octet_of_an_answer_may_change(octets: int) -> None:
    whole = FarEnd(octets, bytes(range(20)))
    session_with(whole, octets).send(READ)
    for at in range(len(whole.answers[0])):
        end = FarEnd(octets, bytes(range(20)))
        end.tamper = lambda answer, at=at: answer[:at] + bytes((answer[at] ^ 0x20,)) + answer[at + 1 :]  # type: ignore[misc]
        session = session_with(end, octets)
        with pytest.raises(MalformedCardAnswer):
            session.send(READ)
        assert session.is_over


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=2, max_size=80))
def test_any_octets_in_place_of_an_answer_are_refused(octets: bytes) -> None:
    end = FarEnd(16)
    end.tamper = lambda _answer: octets
    with pytest.raises((MalformedCardAnswer, CardRefused)):
        session_with(end, 16).send(READ)


@pytest.mark.parametrize("status", ["9000", "6A82", "6282", "6982"])
def test_status_word_alone_is_not_believed(status: str) -> None:
    end = FarEnd(16, b"x")
    end.tamper = lambda _answer: bytes.fromhex(status)
    with pytest.raises(CardRefused) as caught:
        session_with(end, 16).send(READ)
    assert caught.value.facts == {"step": "secure messaging", "status": status}


def test_answer_that_was_given_before_is_refused() -> None:
    end = FarEnd(16, b"one")
    session = session_with(end, 16)
    session.send(READ)
    end.tamper = lambda _answer: end.answers[0]
    with pytest.raises(MalformedCardAnswer):
        session.send(READ)


def test_session_that_is_over_sends_nothing_more() -> None:
    end = FarEnd(16)
    end.tamper = lambda _answer: b"\x69\x88"
    session = session_with(end, 16)
    raised = []
    for _ in range(2):
        with pytest.raises(EnrollmentError) as caught:
            session.send(READ)
        raised.append((type(caught.value), str(caught.value), caught.value.facts))
    assert raised[0] == raised[1]
    assert len(end.sent) == 1


@pytest.mark.parametrize("octets", [TRIPLE_DES, 16])
def test_room_is_what_an_answer_of_that_length_brings(octets: int) -> None:
    for most in (40, 128, 140, 255, 256, 261, 2000, 65_535):
        room = session_with(FarEnd(octets), octets).room(most)
        lengths = []
        for data in (bytes(room), bytes(room + 1)):
            end = FarEnd(octets, data)
            session_with(end, octets).send(READ)
            lengths.append(len(end.answers[0]) - 2)
        assert lengths[0] <= most < lengths[1]
    assert session_with(FarEnd(octets), octets).room(10) == 1
