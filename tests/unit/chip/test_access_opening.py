"""Getting in: the strongest way is taken, every curve and key length opens, a password is tried once."""

from __future__ import annotations

import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from enrollment.core.chip import security_infos as si
from enrollment.core.chip.access import curve as curves
from enrollment.core.chip.access.bac import open_by_bac
from enrollment.core.chip.access.keys import Purpose, derive
from enrollment.core.chip.access.opening import Way, select_application, strongest_way
from enrollment.core.chip.access.pace import PaceVariant, open_by_pace, pace_variant
from enrollment.core.chip.access.password import AccessKey
from enrollment.core.chip.access.secure_messaging import Session
from enrollment.core.chip.apdu import Command, Response
from enrollment.core.chip.card_profile import CURVES
from enrollment.core.errors import (
    CardBelongsElsewhere,
    CardNotGenuine,
    CardRefused,
    EnrollmentError,
    InvalidInput,
    MalformedCardAnswer,
    WrongCardPassword,
)
from firmware_stubs.card import tlv
from tests.unit.chip.issued_cards import CAN, PROFILE, ZONE, IssuedCard, issued, profile_with

VARIANT = PaceVariant(si.PACE_ECDH_GM_AES_128, 13, 16)
WRONG_CAN = AccessKey.of_access_number("999999")


def pace_of(last: int, octets: int, parameter: int) -> PaceVariant:
    return PaceVariant(f"{si.PACE_ECDH_GM}.{last}", parameter, octets)


def opened(card: IssuedCard, variant: PaceVariant = VARIANT, key: AccessKey = CAN) -> Session:
    return open_by_pace(card.wire.transmit, variant, key, secrets.token_bytes)


@pytest.mark.parametrize("parameter", CURVES.values())
@pytest.mark.parametrize(("last", "octets"), [(2, 16), (3, 24), (4, 32)])
def test_pace_opens_on_every_curve_and_key_length(parameter: int, last: int, octets: int) -> None:
    session = opened(issued(), pace_of(last, octets, parameter))
    select_application(session.send, PROFILE)


@pytest.mark.parametrize("key", [CAN, ZONE], ids=["can", "zone"])
def test_pace_opens_by_either_password(key: AccessKey) -> None:
    select_application(opened(issued(), key=key).send, PROFILE)


def test_wrong_can_is_told_after_one_try() -> None:
    card = issued()
    with pytest.raises(WrongCardPassword) as caught:
        opened(card, key=WRONG_CAN)
    assert caught.value.facts["status"] == "6300"
    assert len(card.wire.commands) == 5  # MSE:Set AT and the four steps: none is said twice


def test_tries_that_are_left_are_told() -> None:
    card = issued()
    card.tamper = lambda at, answer: b"\x63\xc2" if at == 4 else answer
    with pytest.raises(WrongCardPassword) as caught:
        opened(card)
    assert caught.value.facts["tries_left"] == 2


def test_bac_opens_by_the_zone_and_by_nothing_else() -> None:
    card = issued()
    select_application(card.wire.transmit, PROFILE)
    session = open_by_bac(card.wire.transmit, ZONE, secrets.token_bytes)
    select_application(session.send, PROFILE)
    with pytest.raises(InvalidInput):
        open_by_bac(card.wire.transmit, CAN, secrets.token_bytes)
    sent = len(card.wire.commands)
    with pytest.raises(WrongCardPassword):
        open_by_bac(card.wire.transmit, AccessKey.of_fields("195000017", "950902", "350903"), secrets.token_bytes)
    assert len(card.wire.commands) == sent + 2


def with_last_octet_changed(at: int, octet: int = -3) -> IssuedCard:
    """The answer to one command is another in one octet, before its status word unless told."""
    card = issued()

    def tamper(found: int, answer: bytes) -> bytes:
        if found != at:
            return answer
        octets = bytearray(answer)
        octets[octet] ^= 1
        return bytes(octets)

    card.tamper = tamper
    return card


def test_card_that_does_not_know_the_password_is_not_believed() -> None:
    with pytest.raises(CardNotGenuine):
        opened(with_last_octet_changed(4))
    card = with_last_octet_changed(2)
    select_application(card.wire.transmit, PROFILE)
    with pytest.raises(CardNotGenuine):
        open_by_bac(card.wire.transmit, ZONE, secrets.token_bytes)


@pytest.mark.parametrize(
    ("at", "answer", "raised"),
    [
        (0, "6A80", CardRefused),
        (1, "7C129000", MalformedCardAnswer),
        (1, "7C0580030102039000", MalformedCardAnswer),
        (1, "7C0280009000", MalformedCardAnswer),
        (2, "7C438241" + "04" + "11" * 64 + "9000", MalformedCardAnswer),
        (2, "7C0382010" + "09000", MalformedCardAnswer),
        (2, "6A80", CardRefused),
        (3, "9000", MalformedCardAnswer),
        (4, "7C0A8508" + "00" * 8 + "9000", MalformedCardAnswer),
    ],
)
def test_answers_against_the_protocol_are_refused(at: int, answer: str, raised: type[EnrollmentError]) -> None:
    card = issued()
    card.tamper = lambda found, told: bytes.fromhex(answer) if found == at else told
    with pytest.raises(raised):
        opened(card)


class Mirror:
    """A card that says back what it is told, and a nonce of its choice."""

    def __init__(self, nonce: int, point: curves.Point | None = None) -> None:
        key = derive(CAN.secret, Purpose.PASSWORD, 16)
        encryptor = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).encryptor()
        self._sealed = encryptor.update(nonce.to_bytes(16, "big"))
        self._point = point

    def transmit(self, command: Command) -> Response:
        if command.ins == 0x22:
            return Response(b"", 0x9000)
        told = tlv.decode(tlv.only(command.data, 0x7C))
        if not told:
            return Response(tlv.encode(0x7C, tlv.encode(0x80, self._sealed)), 0x9000)
        (tag, value) = told[0]
        point = curves.encoded(self._point) if tag == 0x81 and self._point is not None else value
        return Response(tlv.encode(0x7C, tlv.encode(tag + 1, point)), 0x9000)


def test_card_that_repeats_our_point_is_refused() -> None:
    with pytest.raises(MalformedCardAnswer, match="repeats"):
        open_by_pace(Mirror(5).transmit, VARIANT, CAN, secrets.token_bytes)


def test_point_that_leaves_no_generator_is_refused() -> None:
    curve = ec.BrainpoolP256R1()
    ours, nonce = 1000, 5000
    of_nonce = curves.times_generator(curve, nonce // ours)  # times ours, that is the nonce's own point
    card = Mirror(nonce, of_nonce)
    with pytest.raises(MalformedCardAnswer, match="generator"):
        open_by_pace(card.transmit, VARIANT, CAN, lambda octets: ours.to_bytes(octets, "big"))
    with pytest.raises(MalformedCardAnswer, match="generator"):
        open_by_pace(Mirror(0).transmit, VARIANT, CAN, secrets.token_bytes)


def test_strongest_way_is_taken() -> None:
    infos = [
        si.numbered(si.TERMINAL_AUTHENTICATION, 1),
        si.numbered(f"{si.PACE_ECDH_GM}.2", 2, 13),
        si.numbered(f"{si.PACE_ECDH_GM}.4", 2, 12),
        si.numbered(f"{si.PACE_ECDH_GM}.4", 2, 17),
        si.numbered(f"{si.PACE_ECDH_GM}.4", 3, 17),  # of a version that is not known
        si.numbered(f"{si.PACE_ECDH_GM}.1", 2, 17),  # 3DES
        si.numbered(f"{si.PACE_ECDH_GM}.4", 2, 2),  # a group that is no curve
    ]
    assert [pace_variant(info) is not None for info in infos] == [False, True, True, True, False, False, False]
    assert strongest_way(PROFILE, infos, CAN) == Way(pace_of(4, 32, 17))
    assert str(strongest_way(PROFILE, infos, CAN)) == "PACE-ECDH-GM, AES-256, brainpoolP512r1"
    only_bac = profile_with(access={"protocols": ["bac"]})
    assert strongest_way(only_bac, infos, ZONE) == Way(None)
    assert strongest_way(PROFILE, [], ZONE) == Way(None)


def test_where_there_is_no_way_in_a_sentence_says_why() -> None:
    only_pace = profile_with(access={"protocols": ["pace"]})
    assert "no other way" in str(strongest_way(only_pace, [], ZONE))
    assert "not the CAN" in str(strongest_way(PROFILE, [], CAN))


def test_card_of_another_application_is_told() -> None:
    other = profile_with()
    card = issued()
    card.tamper = lambda _at, _answer: b"\x6a\x82"
    with pytest.raises(CardBelongsElsewhere):
        select_application(card.wire.transmit, other)


@pytest.mark.parametrize("number", ["", "12345a", "123", "1" * 13])
def test_what_is_no_access_number_is_refused(number: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        AccessKey.of_access_number(number)
    assert number == "" or number not in str(caught.value)


@pytest.mark.parametrize(
    ("document", "birth", "expiry", "field"),
    [("é", "950902", "350902", "document_number"), ("1", "95-9-2", "350902", "birth"), ("1", "950902", "", "expiry")],
)
def test_what_is_no_zone_is_refused(document: str, birth: str, expiry: str, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        AccessKey.of_fields(document, birth, expiry)
    assert caught.value.facts == {"field": field}


def test_password_does_not_show() -> None:
    assert NUMBER_TAIL not in repr(CAN)


NUMBER_TAIL = CAN.secret.decode()
