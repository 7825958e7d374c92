"""The reader's side of access against the standards' worked examples, octet for octet; no card model takes part.

ICAO Doc 9303-11, appendices D (basic access control, secure messaging) and G.1 (PACE); BSI's worked example for
extended access control, version 1.02 (PACE's mapping, AES messages, chip authentication's agreement).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from enrollment.core.chip.access import curve as curves
from enrollment.core.chip.access.bac import open_by_bac
from enrollment.core.chip.access.keys import TRIPLE_DES, Purpose, derive
from enrollment.core.chip.access.pace import PaceVariant, open_by_pace
from enrollment.core.chip.access.password import AccessKey, PasswordKind
from enrollment.core.chip.access.secure_messaging import Session
from enrollment.core.chip.access.suites import AesSuite, TripleDesSuite, padded
from enrollment.core.chip.apdu import Command, Response

PACE_AES_128 = "0.4.0.127.0.7.2.2.4.2.2"
BRAINPOOL = ec.BrainpoolP256R1()


class Script:
    """A card that has one answer to one command, in this order; anything else is the reader's mistake."""

    def __init__(self, exchanges: list[tuple[str, str]]) -> None:
        self.left = exchanges

    def transmit(self, command: Command) -> Response:
        awaited, answer = self.left.pop(0)
        assert command.encode().hex().upper() == awaited
        return Response.decode(bytes.fromhex(answer))


def chances(*told: str) -> Callable[[int], bytes]:
    """The example's random numbers, in its order."""
    left = [bytes.fromhex(number) for number in told]

    def chance(octets: int) -> bytes:
        number = left.pop(0)
        assert len(number) == octets
        return number

    return chance


def point(octets: str) -> curves.Point:
    return curves.decoded(BRAINPOOL, bytes.fromhex(octets), "an example")


# ICAO Doc 9303-11, appendix D

SEED = bytes.fromhex("239AB9CB282DAF66231DC5A4DF6BFBAE")
D_MUTUAL = [
    ("0084000008", "4608F919887022129000"),
    (
        "008200002872C29C2371CC9BDB65B779B8E8D37B29ECC154AA56A8799FAE2F498F76ED92F25F1448EEA8AD90A728",
        "46B9342A41396CD7386BF5803104D7CEDC122B9132139BAF2EEDC94EE178534F2F2D235D074D74499000",
    ),
]
D_MESSAGES = [
    ("0CA4020C158709016375432908C044F68E08BF8B92D635FF24F800", "990290008E08FA855A5D4C50A8ED9000"),
    ("0CB000000D9701048E08ED6705417E96BA5500", "8709019FF0EC34F9922651990290008E08AD55CC17140B2DED9000"),
    (
        "0CB000040D9701128E082EA28A70F3C7B53500",
        "871901FB9235F4E4037F2327DCC8964F1F9B8C30F42C8E2FFF224A990290008E08C8B2787EAEA07D749000",
    ),
]


def test_zone_of_appendix_d_gives_its_seed_and_keys() -> None:
    key = AccessKey.of_fields("L898902C", "690806", "940623")
    assert (key.kind, key.secret[:16]) == (PasswordKind.ZONE, SEED)
    assert derive(SEED, Purpose.ENCRYPTION, TRIPLE_DES).hex().upper() == "AB94FDECF2674FDFB9B391F85D7F76F2"
    assert derive(SEED, Purpose.AUTHENTICATION, TRIPLE_DES).hex().upper() == "7962D9ECE03D1ACD4C76089DCE131543"


def test_long_document_number_of_appendix_d_gives_its_seed() -> None:
    key = AccessKey.of_fields("D23145890734", "340712", "950712")
    assert key.secret[:16].hex().upper() == "B366AD857DDCA2B08C0E299811714730"


def test_bac_and_its_messages_are_those_of_appendix_d() -> None:
    card = Script([*D_MUTUAL, *D_MESSAGES])
    key = AccessKey.of_fields("L898902C", "690806", "940623")
    session = open_by_bac(card.transmit, key, chances("781723860C06C226", "0B795240CB7049B01C19B33E32804F0B"))
    assert session.send(Command(0x00, 0xA4, 0x02, 0x0C, bytes.fromhex("011E"))) == Response(b"", 0x9000)
    assert session.send(Command(0x00, 0xB0, 0, 0, le=4)).data.hex().upper() == "60145F01"
    rest = session.send(Command(0x00, 0xB0, 0, 4, le=18))
    assert rest == Response(bytes.fromhex("04303130365F36063034303030305C026175"), 0x9000)
    assert not card.left


# ICAO Doc 9303-11, appendix G.1

G_EXCHANGES = {
    # The example leaves out the domain parameters, which its card has one set of; here they are always told.
    "0022C1A412800A04007F0007020204020283010184010D": "9000",
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
G_KEYS = AesSuite(bytes.fromhex("F5F0E35C0D7161EE6724EE513A0D9A7F"), bytes.fromhex("FE251C7858B356B24514B3BD5F4297D1"))


def test_zone_of_appendix_g_gives_its_password_key() -> None:
    key = AccessKey.of_fields("T22000129", "640812", "101031")
    assert key.secret.hex().upper() == "7E2D2A41C74EA0B38CD36F863939BFA8E9032AAD"
    assert derive(key.secret, Purpose.PASSWORD, 16).hex().upper() == "89DED1B26624EC1E634C1989302849DD"


def test_pace_is_that_of_appendix_g_and_its_session_has_the_examples_keys() -> None:
    command, answer = protected_by(G_KEYS)
    card = Script([*G_EXCHANGES.items(), (command, answer)])
    chance = chances(
        "7F4EF07B9EA82FD78AD689B38D0BC78CF21F249D953BC46F4C6E19259C010F99",
        "A73FB703AC1436A18E0CFA5ABB3F7BEC7A070E7A6788486BEE230C4A22762595",
    )
    session = open_by_pace(
        card.transmit, PaceVariant(PACE_AES_128, 13, 16), AccessKey.of_fields("T22000129", "640812", "101031"), chance
    )
    assert session.send(Command(0x00, 0xA4, 0x02, 0x0C, b"\x01\x1e")) == Response(b"", 0x9000)
    assert not card.left


def protected_by(keys: AesSuite) -> tuple[str, str]:
    """The first command of a session of these keys, SELECT of EF.COM, and its answer, put together by hand."""
    one, two = (number.to_bytes(16, "big") for number in (1, 2))
    head = bytes.fromhex("0CA4020C")
    data = bytes.fromhex("871101") + keys.encrypt(one, padded(b"\x01\x1e", 16))
    mac = keys.mac(padded(one + padded(head, 16) + data, 16))
    body = data + b"\x8e\x08" + mac
    status = bytes.fromhex("99029000")
    answer = status + b"\x8e\x08" + keys.mac(padded(two + status, 16)) + b"\x90\x00"
    return (head + bytes((len(body),)) + body + b"\0").hex().upper(), answer.hex().upper()


# BSI, worked example for extended access control 1.02, elliptic curves

B_GENERATOR = (
    "043929D28BA1E5339D6C5DADE5E33BD3C2F0BD14DD77C752153226165"
    "9C918FA6014DD48FA84E62BDE438EDB4C9771D042CDB24B7788BDBAB2031C45751E777F66"
)
B_CARD_MAP_POINT = (
    "049CFCF7582AC986D0DD52FA53123414C3E1B96B4D00ABA8E574679B70EFB5BC3B"
    "45D2F13729CC2AE178E7E241B443213533B77DBB44649A815DDC4A2384BA422A"
)
B_CARD_POINT = (
    "04282CF38073036AFAC216AF135BD994DA0C357F10BD4C34AFEA1042B2EB0FD680"
    "4DF3658B835AC2E7133F13691184542BB50B109963A4662ABDC08B9763AF4B5B"
)
B_OUR_POINT = (
    "04518BC4E532AD2A9BD6527804D5D665ABD51041037A0CC8AA922804EB501C222B"
    "3427388599AFAAE9FBACE2DF93E13C3C4979CD12F0AE3E3C0126028391554582"
)
B_MAP_NUMBER = int("752287F5B02DE3C4BC3E17945118C51B23C97278E4CD748048AC56BA5BDC3D46", 16)
B_NUMBER = int("9D9A32DF93A57CCE33CA3CDD3457E33A976F293546C73550F397259C93BE0120", 16)
B_NONCE = int("7D98C00FC6C9E9543BBF94A87073A123", 16)


def test_mapping_and_agreement_are_those_of_the_worked_example() -> None:
    shared = curves.times(B_MAP_NUMBER, point(B_CARD_MAP_POINT))
    assert curves.encoded(shared).hex().upper().startswith("0471850CFD80FB475947E5B1AF10FE8E66")
    generator = curves.add(curves.times_generator(BRAINPOOL, B_NONCE), shared)
    assert curves.encoded(generator).hex().upper() == B_GENERATOR
    assert curves.encoded(curves.times(B_NUMBER, generator)).hex().upper() == B_OUR_POINT
    secret = curves.shared(B_NUMBER, point(B_CARD_POINT))
    assert secret.hex().upper() == "6E7D077CCD367C2EAA683F1E8EC534302E2D00B6ADAF8A87A6EDA78740F17606"
    assert derive(secret, Purpose.ENCRYPTION, 16).hex().upper() == "68406B4162100563D9C901A6154D2901"
    assert derive(secret, Purpose.AUTHENTICATION, 16).hex().upper() == "73FF268784F72AF833FDC9464049AFC9"


def test_aes_messages_are_those_of_the_worked_example() -> None:
    keys = AesSuite(
        bytes.fromhex("68406B4162100563D9C901A6154D2901"), bytes.fromhex("73FF268784F72AF833FDC9464049AFC9")
    )
    one, two = (number.to_bytes(16, "big") for number in (1, 2))
    data = bytes.fromhex("830D4445435643414154303030" + "3031")
    assert keys.encrypt(one, padded(data, 16)).hex() == "be90237eeb4ba0ff253ea246ae31c8b8"
    assert keys.decrypt(one, bytes.fromhex("be90237eeb4ba0ff253ea246ae31c8b8")) == padded(data, 16)
    assert keys.mac(padded(two + bytes.fromhex("99029000"), 16)).hex().upper() == "A89570A68664A7D6"


def test_chip_authentication_agrees_as_in_the_worked_example() -> None:
    chips = point(
        "04A44EBE5451DF7AADB01E459B8C928A87746A57927C8C28A6775C97A7E1FE8D9A"
        "46FF4A1CC7E4D1389AEA19758E4F75C28C598FD734AEBEB135337CF95BE12E94"
    )
    number = int("A6A4D255C5BF7A77EC3D0553DB74F693CF044E18C98364D4977A296108AF19BD", 16)
    assert curves.shared(number, chips).hex().upper() == (
        "791DA04273CCFE862E52DF60347E2557192E1F8D7517822CE3D306056C1CDEB4"
    )


@pytest.mark.parametrize("curve", curves.BY_PARAMETER.values(), ids=lambda curve: curve.name)
def test_points_are_taken_many_times_as_the_generator_is(curve: ec.EllipticCurve) -> None:
    """k (m G) is (k m) G, which OpenSSL works out alone; and both signs of the ordinate come up."""
    sides = set()
    for number in range(2, 12):
        other = curve.group_order // (number + 1)
        found = curves.times(number, curves.times_generator(curve, other))
        expected = curves.times_generator(curve, number * other % curve.group_order)
        assert curves.encoded(found) == curves.encoded(expected)
        sides.add(found.public_numbers().y & 1)
    assert sides == {0, 1}


def test_largest_number_and_smallest_come_out_right() -> None:
    base = curves.times_generator(BRAINPOOL, 77)
    for number in (2, BRAINPOOL.group_order - 2):
        expected = curves.times_generator(BRAINPOOL, 77 * number % BRAINPOOL.group_order)
        assert curves.encoded(curves.times(number, base)) == curves.encoded(expected)


def test_numbers_outside_the_order_are_drawn_again_and_not_for_ever() -> None:
    draws = iter([b"\xff" * 32, bytes(32), b"\0" * 31 + b"\1", b"\0" * 31 + b"\7"])
    assert curves.scalar(BRAINPOOL, lambda _octets: next(draws)) == 7
    with pytest.raises(ValueError, match="chance"):
        curves.scalar(BRAINPOOL, bytes)


def test_tokens_of_single_des_macs_are_those_of_appendix_d() -> None:
    suite = TripleDesSuite(
        bytes.fromhex("AB94FDECF2674FDFB9B391F85D7F76F2"), bytes.fromhex("7962D9ECE03D1ACD4C76089DCE131543")
    )
    sealed = bytes.fromhex("72C29C2371CC9BDB65B779B8E8D37B29ECC154AA56A8799FAE2F498F76ED92F2")
    assert suite.mac(padded(sealed, 8)).hex().upper() == "5F1448EEA8AD90A7"


def test_session_of_an_agreed_secret_counts_from_zero() -> None:
    secret = bytes.fromhex("6E7D077CCD367C2EAA683F1E8EC534302E2D00B6ADAF8A87A6EDA78740F17606")
    keys = AesSuite(derive(secret, Purpose.ENCRYPTION, 16), derive(secret, Purpose.AUTHENTICATION, 16))
    card = Script([protected_by(keys)])
    session = Session.agreed(card.transmit, secret, 16)
    assert session.send(Command(0x00, 0xA4, 0x02, 0x0C, b"\x01\x1e")).status == 0x9000
