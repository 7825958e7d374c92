"""The card model's protocols for readers against the worked examples of ICAO Doc 9303-11, appendices D and G."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from enrollment.core.chip import apdu
from enrollment.core.chip.access.secure_messaging import Session
from enrollment.core.chip.access.suites import AesSuite
from firmware_stubs.card import tlv
from firmware_stubs.card.apdu import Command, Status, decode
from firmware_stubs.card.bac import suite
from firmware_stubs.card.card import Card
from firmware_stubs.card.channel import pad
from firmware_stubs.card.curve import PARAMETERS
from firmware_stubs.card.memory import LifeCycle, Memory
from firmware_stubs.card.secure_messaging import PASSWORD, SecureMessaging, derive, derive_3des
from tests.card_wire import CardWire

SELECT_APPLICATION = "00A4040C07A0000002471001"
EF_COM = bytes.fromhex("60145F0104303130365F36063034303030305C026175")
PACE_OID = "04007F00070202040202"
CA_OID = "04007F00070202030202"
SCALAR = 0x498FF49756F2DC1587840041839A85982BE7761D14715FB091EFA7BCE9058560


def mrz(document: str, birth: str, expiry: str) -> bytes:
    return b"".join(tlv.encode(0x04, field.encode()) for field in (document, birth, expiry))


def chances(*told: str) -> Callable[[int], bytes]:
    """The example's random numbers, in its order."""
    left = [bytes.fromhex(number) for number in told]

    def random(count: int) -> bytes:
        number = left.pop(0)
        assert len(number) == count
        return number

    return random


def issued(objects: dict[int, bytes], random: Callable[[int], bytes] | None = None) -> Card:
    memory = Memory(life_cycle=LifeCycle.OPERATIONAL, files={0x011E: bytearray(EF_COM)}, objects=objects)
    return Card(memory) if random is None else Card(memory, random=random)


def answer(card: Card, apdu: str) -> str:
    return card.transmit(bytes.fromhex(apdu)).hex().upper()


EXTERNAL_AUTHENTICATE = "008200002872C29C2371CC9BDB65B779B8E8D37B29ECC154AA56A8799FAE2F498F76ED92F25F1448EEA8AD90A728"


@pytest.fixture
def bac_card() -> Card:
    random = chances("4608F91988702212", "0B4F80323EB3191CB04970CB4052790B")
    card = issued({0x62: mrz("L898902C", "690806", "940623")}, random)
    assert answer(card, SELECT_APPLICATION) == "9000"
    assert answer(card, "0084000008") == "4608F919887022129000"
    return card


def test_bac_keys_are_those_of_appendix_d() -> None:
    seed = bytes.fromhex("239AB9CB282DAF66231DC5A4DF6BFBAE")
    assert derive_3des(seed, 1).hex().upper() == "AB94FDECF2674FDFB9B391F85D7F76F2"
    assert derive_3des(seed, 2).hex().upper() == "7962D9ECE03D1ACD4C76089DCE131543"


def test_bac_and_3des_messages_are_those_of_appendix_d(bac_card: Card) -> None:
    assert answer(bac_card, EXTERNAL_AUTHENTICATE) == (
        "46B9342A41396CD7386BF5803104D7CEDC122B9132139BAF2EEDC94EE178534F2F2D235D074D74499000"
    )
    exchanges = {
        "0CA4020C158709016375432908C044F68E08BF8B92D635FF24F800": "990290008E08FA855A5D4C50A8ED9000",
        "0CB000000D9701048E08ED6705417E96BA5500": "8709019FF0EC34F9922651990290008E08AD55CC17140B2DED9000",
        "0CB000040D9701128E082EA28A70F3C7B53500": (
            "871901FB9235F4E4037F2327DCC8964F1F9B8C30F42C8E2FFF224A990290008E08C8B2787EAEA07D749000"
        ),
    }
    assert {command: answer(bac_card, command) for command in exchanges} == exchanges


def test_a_wrong_bac_mac_is_refused_and_its_challenge_spent(bac_card: Card) -> None:
    assert answer(bac_card, EXTERNAL_AUTHENTICATE.replace("5F14", "5F15")) == "6300"
    assert answer(bac_card, EXTERNAL_AUTHENTICATE) == "6985"


def test_a_wrong_message_ends_the_session(bac_card: Card) -> None:
    answer(bac_card, EXTERNAL_AUTHENTICATE)
    assert answer(bac_card, "0CA4020C158709016375432908C044F68E08BF8B92D635FF24F900") == "6988"
    assert answer(bac_card, "0CA4020C158709016375432908C044F68E08BF8B92D635FF24F800") == "6982"


PACE_EXCHANGES = {
    "0022C1A40F80" + "0A" + PACE_OID + "830101": "9000",
    "10860000027C0000": "7C12801095A3A016522EE98D01E76CB6B98B42C39000",
    "10860000457C438141047ACF3EFC982EC45565A4B155129EFBC74650DCBFA6362D896FC70262E0C2CC5E"
    "544552DCB6725218799115B55C9BAA6D9F6BC3A9618E70C25AF71777A9C4922D00": (
        "7C43824104824FBA91C9CBE26BEF53A0EBE7342A3BF178CEA9F45DE0B70AA601651FBA3F57"
        "30D8C879AAA9C9F73991E61B58F4D52EB87A0A0C709A49DC63719363CCD13C549000"
    ),
    "10860000457C438341042DB7A64C0355044EC9DF190514C625CBA2CEA48754887122F3A5EF0D5EDD301C"
    "3556F3B3B186DF10B857B58F6A7EB80F20BA5DC7BE1D43D9BF850149FBB3646200": (
        "7C438441049E880F842905B8B3181F7AF7CAA9F0EFB743847F44A306D2D28C1D9EC65DF6DB"
        "7764B22277A2EDDC3C265A9F018F9CB852E111B768B326904B59A0193776F0949000"
    ),
    "008600000C7C0A8508C2B0BD78D94BA86600": "7C0A86083ABB9674BCE93C089000",
}


def pace_card(objects: dict[int, bytes] | None = None) -> Card:
    random = chances(
        "3F00C4D39D153F2B2A214A078D899B22",
        f"{SCALAR:064X}",
        "107CF58696EF6155053340FD633392BA81909DF7B9706F226F32086C7AFF974A",
    )
    return issued({0x62: mrz("T22000129", "640812", "101031")} | (objects or {}), random)


class Reader:
    """Our side of a session with these keys. The model's cipher is its own, and the examples have proved it."""

    def __init__(self, exchange: Callable[[bytes], bytes], encryption: bytes, mac: bytes) -> None:
        self.wire = CardWire(exchange)
        self._session = Session(self.wire.transmit, AesSuite(encryption, mac), bytes(16))

    def send(self, header: str, data: str = "", le: int | None = None) -> tuple[bytes, int]:
        cla, ins, p1, p2 = bytes.fromhex(header)
        answer = self._session.send(apdu.Command(cla, ins, p1, p2, bytes.fromhex(data), le))
        return answer.data, answer.status


def shortened(card: Card) -> Callable[[bytes], bytes]:
    """What a reader does that has short lengths only."""

    def exchange(octets: bytes) -> bytes:
        told = decode(octets)
        return card.transmit(apdu.Command(told.cla, told.ins, told.p1, told.p2, told.data, 256).encode())

    return exchange


def pace_reader(card: Card, exchange: Callable[[bytes], bytes] | None = None) -> Reader:
    assert {command: answer(card, command) for command in PACE_EXCHANGES} == PACE_EXCHANGES
    encryption, mac = "F5F0E35C0D7161EE6724EE513A0D9A7F", "FE251C7858B356B24514B3BD5F4297D1"
    return Reader(exchange or card.transmit, bytes.fromhex(encryption), bytes.fromhex(mac))


def test_pace_password_key_is_that_of_appendix_g() -> None:
    digest = bytes.fromhex("7E2D2A41C74EA0B38CD36F863939BFA8E9032AAD")
    assert derive(digest, PASSWORD, 16).hex().upper() == "89DED1B26624EC1E634C1989302849DD"


def test_pace_is_that_of_appendix_g_and_opens_the_groups() -> None:
    reader = pace_reader(pace_card())
    assert reader.send("00A4040C", "A0000002471001") == (b"", 0x9000)
    assert reader.send("00A4020C", "011E") == (b"", 0x9000)
    assert reader.send("00B00000", le=256) == (EF_COM, 0x9000)
    assert reader.send("00B00100", le=4) == (b"", 0x6B00)  # a refusal is protected as well


def test_what_a_short_answer_cannot_hold_is_fetched_by_get_response() -> None:
    card = pace_card()
    content = bytes(range(256))
    card.memory.files[0x010D] = bytearray(content + content)
    reader = pace_reader(card, shortened(card))
    reader.send("00A4040C", "A0000002471001")
    assert reader.send("00B08D00", le=256) == (content, 0x9000)
    assert reader.wire.fetched == 1
    assert answer(card, "00C0000000") == "6985"


session_bytes = st.tuples(st.sampled_from((0x00, 0x04, 0x0C, 0x10, 0x80, 0x84)), st.binary(min_size=3, max_size=60))


@settings(max_examples=30)
@given(st.lists(session_bytes, max_size=6))
def test_any_bytes_within_a_session_are_answered_by_a_status_word(commands: list[tuple[int, bytes]]) -> None:
    card = pace_card({0x63: b"\x04\x00", 0x65: b"", 0x66: b"\xff"})
    pace_reader(card)
    for cla, rest in commands:
        reply = card.transmit(bytes((cla,)) + rest)
        assert reply[-2] >> 4 in (6, 9)


@settings(max_examples=60)
@given(st.sampled_from((0x22, 0x82, 0x86, 0x88, 0xA4, 0xB0, 0xB1)), st.integers(0, 0xFFFF), st.binary(max_size=60))
def test_any_data_under_a_right_mac_is_answered_by_a_status_word(ins: int, p1p2: int, data: bytes) -> None:
    reader = pace_reader(pace_card({0x63: b"\x04\x00", 0x65: b"", 0x66: b"\xff"}))
    _, status = reader.send(f"00{ins:02X}{p1p2:04X}", data.hex(), 256)
    assert status >> 12 in (6, 9)


def test_a_wrong_token_opens_nothing_and_ends_the_run() -> None:
    card = pace_card()
    steps = list(PACE_EXCHANGES)
    for step in steps[:-1]:
        answer(card, step)
    assert answer(card, "008600000C7C0A8508C2B0BD78D94BA86700") == "6300"
    assert answer(card, steps[-1]) == "6985"


@pytest.mark.parametrize(
    "point", ["04" + "00" * 64, "00", "", "04" + "FF" * 64, "02" + "11" * 32], ids=lambda told: told[:6] or "empty"
)
def test_a_point_that_is_not_on_the_curve_is_refused(point: str) -> None:
    card = pace_card()
    for step in list(PACE_EXCHANGES)[:2]:
        answer(card, step)
    body = tlv.encode(0x7C, tlv.encode(0x81, bytes.fromhex(point)))
    assert card.transmit(bytes.fromhex("10860000") + bytes((len(body),)) + body + b"\0") == b"\x63\x00"


def test_pace_takes_the_can_where_it_was_written() -> None:
    by_can = "0022C1A40F800A" + PACE_OID + "830102"
    assert answer(pace_card(), by_can) == "6A88"
    assert answer(pace_card({0x65: tlv.encode(0x04, b"123456")}), by_can) == "9000"


def test_chip_authentication_agrees_on_new_keys_with_an_independent_ecdh() -> None:
    card = pace_card({0x63: tlv.encode(0x04, SCALAR.to_bytes(32))})
    reader = pace_reader(card)
    ours = ec.generate_private_key(ec.BrainpoolP256R1())
    theirs = ec.derive_private_key(SCALAR, ec.BrainpoolP256R1()).public_key()
    numbers = ours.public_key().public_numbers()
    point = b"\x04" + numbers.x.to_bytes(32) + numbers.y.to_bytes(32)
    assert reader.send("002241A4", tlv.encode(0x80, bytes.fromhex(CA_OID)).hex()) == (b"", 0x9000)
    told = reader.send("00860000", tlv.encode(0x7C, tlv.encode(0x80, point)).hex(), 256)
    assert told == (bytes.fromhex("7C00"), 0x9000)
    secret = ours.exchange(ec.ECDH(), theirs)
    again = Reader(card.transmit, derive(secret, 1, 16), derive(secret, 2, 16))
    assert again.send("00A4040C", "A0000002471001") == (b"", 0x9000)


def test_active_authentication_signs_what_the_terminal_chose() -> None:
    card = pace_card({0x66: tlv.encode(0x04, SCALAR.to_bytes(32))})
    challenge = bytes(range(8))
    assert answer(card, "0088000008" + challenge.hex() + "00") == "6982"
    signature, status = pace_reader(card).send("00880000", challenge.hex(), 256)
    assert status == 0x9000
    public = ec.derive_private_key(SCALAR, ec.BrainpoolP256R1()).public_key()
    der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    public.verify(der, challenge, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize(
    ("parameter", "theirs"),
    [
        (12, ec.SECP256R1()),
        (13, ec.BrainpoolP256R1()),
        (15, ec.SECP384R1()),
        (16, ec.BrainpoolP384R1()),
        (17, ec.BrainpoolP512R1()),
    ],
)
def test_curve_multiplies_as_cryptography_does(parameter: int, theirs: ec.EllipticCurve) -> None:
    curve = PARAMETERS[parameter]
    numbers = ec.derive_private_key(SCALAR, theirs).public_key().public_numbers()
    assert curve.multiply(SCALAR, curve.generator) == (numbers.x, numbers.y)
    assert curve.multiply(curve.n, curve.generator) is None


def test_odd_instruction_is_answered_in_an_object_of_its_own() -> None:
    keys = suite(bytes(16))
    counter = (1).to_bytes(8)
    head = bytes.fromhex("0CB1011E")
    objects = tlv.encode(0x85, keys.cipher(b"").encryptor().update(pad(bytes.fromhex("540100"), 8)))
    body = objects + tlv.encode(0x8E, keys.mac(pad(counter + pad(head, 8) + objects, 8)))
    channel = SecureMessaging(keys, bytes(8))
    opened = channel.unwrap(Command(0x0C, 0xB1, 0x01, 0x1E, body, 256))
    assert opened.data.hex() == "540100"
    assert channel.wrap(b"\x53\x01\x60", Status.OK)[:1] == b"\x85"
