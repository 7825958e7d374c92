"""Active authentication by either kind of key, and chip authentication: a copy does not pass."""

from __future__ import annotations

import hashlib
import secrets
from functools import cache

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from enrollment.core.chip import iso9796_2
from enrollment.core.chip import security_infos as si
from enrollment.core.chip.access.opening import select_application
from enrollment.core.chip.access.pace import PaceVariant, open_by_pace
from enrollment.core.chip.access.secure_messaging import Session
from enrollment.core.chip.access.suites import suite_of
from enrollment.core.chip.apdu import Command, Response
from enrollment.core.chip.dg15_public_key import CardPublicKey
from enrollment.core.chip.genuineness import (
    active_digest,
    authenticate_actively,
    authenticate_chip,
    chip_key,
    prove,
)
from enrollment.core.errors import CardNotGenuine, CardRefused, MalformedCardAnswer, MalformedRecord, SignatureInvalid
from firmware_stubs.card import tlv
from tests.unit.chip.issued_cards import CAN, CHIP_INFO, CHIP_KEY, PROFILE, IssuedCard, issued, key_info, private

CHALLENGE = bytes(range(8))
TRAILERS = {
    "sha1": b"\xbc",
    "sha1 named": b"\x33\xcc",
    "sha224": b"\x38\xcc",
    "sha256": b"\x34\xcc",
    "sha384": b"\x36\xcc",
    "sha512": b"\x35\xcc",
}
PLAIN_ECDSA = "0.4.0.127.0.7.1.1.4.1"
SELECT_COM = Command(0x00, 0xA4, 0x02, 0x0C, b"\x01\x1e")


@cache
def rsa_key(bits: int = 1024) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def raised(key: rsa.RSAPrivateKey, representative: bytes) -> bytes:
    numbers = key.private_numbers()
    value = pow(int.from_bytes(representative, "big"), numbers.d, numbers.public_numbers.n)
    return value.to_bytes(key.key_size // 8, "big")


def recoverable(key: rsa.RSAPrivateKey, trailer: str, challenge: bytes = CHALLENGE) -> bytes:
    """A signature that the test makes by the standard's picture of it."""
    name, octets = trailer.split()[0], key.key_size // 8
    own = secrets.token_bytes(octets - 1 - hashlib.new(name).digest_size - len(TRAILERS[trailer]))
    digest = hashlib.new(name, own + challenge).digest()
    return raised(key, b"\x6a" + own + digest + TRAILERS[trailer])


@pytest.mark.parametrize("trailer", TRAILERS)
def test_rsa_signature_of_every_digest_holds_and_for_its_challenge_only(trailer: str) -> None:
    key, signature = rsa_key(), recoverable(rsa_key(), trailer)
    iso9796_2.verify(key.public_key(), signature, CHALLENGE)
    n = key.public_key().public_numbers().n
    iso9796_2.verify(key.public_key(), (n - int.from_bytes(signature, "big")).to_bytes(128, "big"), CHALLENGE)
    for challenge in (CHALLENGE[:-1] + b"x", b"", bytes(8)):
        with pytest.raises(SignatureInvalid):
            iso9796_2.verify(key.public_key(), signature, challenge)


@pytest.mark.parametrize(
    "representative",
    [
        b"\x4a" + bytes(126) + b"\xbc",  # the whole message recovered: no challenge in it
        b"\x6a" + bytes(125) + b"\x37\xcc",  # a digest that is not known
        b"\x6a" + bytes(126) + b"\x00",
        bytes(128),
        b"\x6a" + hashlib.sha256(CHALLENGE).digest() + bytes(93) + b"\x34\xcc",  # the digest stands elsewhere
    ],
)
def test_other_representatives_do_not_hold(representative: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        iso9796_2.verify(rsa_key().public_key(), raised(rsa_key(), representative), CHALLENGE)


def test_signature_of_another_length_or_beyond_the_modulus_does_not_hold() -> None:
    key = rsa_key()
    signature = recoverable(key, "sha256")
    n = key.public_key().public_numbers().n
    beyond = int.from_bytes(signature, "big") + n
    for other in (b"", signature[:-1], b"\0" + signature, n.to_bytes(128, "big"), beyond.to_bytes(129, "big")):
        with pytest.raises(SignatureInvalid):
            iso9796_2.verify(key.public_key(), other, CHALLENGE)


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=128, max_size=128))
def test_any_octets_are_no_signature(octets: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        iso9796_2.verify(rsa_key().public_key(), octets, CHALLENGE)


def session_of(card: IssuedCard) -> Session:
    session = open_by_pace(card.wire.transmit, PaceVariant(si.PACE_ECDH_GM_AES_128, 13, 16), CAN, secrets.token_bytes)
    select_application(session.send, PROFILE)
    return session


@pytest.mark.parametrize("bits", [1024, 2048, 3072])
def test_card_with_an_rsa_key_passes_and_its_copy_does_not(bits: int) -> None:
    key = rsa_key(bits)
    numbers = key.private_numbers()
    octets = bits // 8
    card = issued(
        x60=tlv.encode(0x04, numbers.public_numbers.n.to_bytes(octets, "big")),
        x61=tlv.encode(0x04, numbers.d.to_bytes(octets, "big")),
    )
    session = session_of(card)
    authenticate_actively(session.send, key.public_key(), None, secrets.token_bytes)
    with pytest.raises(CardNotGenuine):
        authenticate_actively(session.send, rsa_key(4096).public_key(), None, secrets.token_bytes)
    assert not session.is_over


class Signer:
    """A card that signs challenges with a key and digest of the test's choice."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, digest: hashes.HashAlgorithm) -> None:
        self._key, self._digest = key, digest

    def transmit(self, command: Command) -> Response:
        r, s = decode_dss_signature(self._key.sign(command.data, ec.ECDSA(self._digest)))
        octets = (self._key.curve.group_order.bit_length() + 7) // 8
        return Response(r.to_bytes(octets, "big") + s.to_bytes(octets, "big"), 0x9000)


@pytest.mark.parametrize(
    ("last", "digest"),
    [(1, hashes.SHA1()), (2, hashes.SHA224()), (3, hashes.SHA256()), (4, hashes.SHA384()), (5, hashes.SHA512())],  # noqa: S303
)
@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.BrainpoolP512R1(), ec.SECP521R1()], ids=lambda c: c.name)
def test_plain_ecdsa_of_every_digest_passes(last: int, digest: hashes.HashAlgorithm, curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    named = active_digest([si.active_authentication(f"{PLAIN_ECDSA}.{last}")], "")
    assert named is not None
    assert named.name == digest.name
    card = Signer(key, digest)
    authenticate_actively(card.transmit, key.public_key(), named, secrets.token_bytes)
    other: CardPublicKey = ec.generate_private_key(curve).public_key()
    with pytest.raises(CardNotGenuine):
        authenticate_actively(card.transmit, other, named, secrets.token_bytes)


def test_algorithm_is_the_cards_else_the_profiles_else_not_spoken() -> None:
    assert isinstance(active_digest([], f"{PLAIN_ECDSA}.4"), hashes.SHA384)
    assert active_digest([si.active_authentication("1.2.840.10045.4.3.2")], f"{PLAIN_ECDSA}.4") is None
    with pytest.raises(MalformedRecord):
        active_digest([si.numbered(si.ACTIVE_AUTHENTICATION, 1)], "")


@pytest.mark.parametrize("answer", [Response(b"", 0x9000), Response(bytes(64), 0x9000), Response(bytes(63), 0x9000)])
def test_answer_that_is_no_signature_is_not_genuine(answer: Response) -> None:
    key = ec.generate_private_key(ec.BrainpoolP256R1()).public_key()
    with pytest.raises(CardNotGenuine):
        authenticate_actively(lambda _command: answer, key, hashes.SHA256(), secrets.token_bytes)
    with pytest.raises(CardNotGenuine):
        authenticate_actively(lambda _command: answer, rsa_key().public_key(), None, secrets.token_bytes)


def test_card_that_refuses_to_sign_is_told_as_such() -> None:
    with pytest.raises(CardRefused):
        authenticate_actively(lambda _command: Response(b"", 0x6985), rsa_key().public_key(), None, secrets.token_bytes)


def info_of(key: ec.EllipticCurvePrivateKey = CHIP_KEY, number: int | None = None) -> si.SecurityInfo:
    return si.chip_authentication_key(key_info(key.public_key()), number)


@pytest.mark.parametrize("last", [2, 3, 4])
def test_chip_authentication_starts_a_session_that_its_first_answer_proves(last: int) -> None:
    card = issued()
    old = session_of(card)
    key = chip_key([si.numbered(f"{si.CHIP_AUTHENTICATION_ECDH}.{last}", 1), info_of()])
    assert key is not None
    session = authenticate_chip(old, card.wire.transmit, key, secrets.token_bytes)
    prove(session, SELECT_COM)
    assert session.send(Command(0x00, 0xB0, 0, 0, le=1)) == Response(b"\x60", 0x9000)
    with pytest.raises(CardRefused):  # the old session is no more
        old.send(SELECT_COM)


def test_chip_that_has_another_key_is_a_copy() -> None:
    card = issued(x63=tlv.encode(0x04, private(ec.generate_private_key(ec.BrainpoolP256R1()))))
    old = session_of(card)
    key = chip_key([CHIP_INFO, info_of()])
    assert key is not None
    session = authenticate_chip(old, card.wire.transmit, key, secrets.token_bytes)
    with pytest.raises(CardNotGenuine):
        prove(session, SELECT_COM)


def test_answer_of_chip_authentication_that_is_none_is_refused() -> None:
    card = issued()
    key = chip_key([CHIP_INFO, info_of()])
    assert key is not None
    sent: list[Command] = []

    class Silent(Session):
        def send(self, command: Command) -> Response:
            sent.append(command)
            return Response(b"\x7d\x00" if command.ins == 0x86 else b"", 0x9000)

    silent = Silent(card.wire.transmit, suite_of(bytes(16), 16), bytes(16))
    with pytest.raises(MalformedCardAnswer):
        authenticate_chip(silent, card.wire.transmit, key, secrets.token_bytes)
    assert [command.ins for command in sent] == [0x22, 0x86]


def test_longest_key_is_chosen_and_numbers_pair_protocol_and_key() -> None:
    other = ec.generate_private_key(ec.SECP384R1())
    infos = [
        si.numbered(f"{si.CHIP_AUTHENTICATION_ECDH}.2", 1, 1),
        si.numbered(f"{si.CHIP_AUTHENTICATION_ECDH}.4", 1, 2),
        info_of(number=1),
        info_of(other, 2),
    ]
    found = chip_key(infos)
    assert found is not None
    assert (found.protocol[-1], found.key_id, found.public_key.curve.name) == ("4", 2, "secp384r1")
    found = chip_key(infos[:-1])
    assert found is not None
    assert (found.protocol[-1], found.key_id) == ("2", 1)


@pytest.mark.parametrize(
    "infos",
    [
        [],
        [CHIP_INFO],
        [info_of()],
        [si.numbered(f"{si.CHIP_AUTHENTICATION_ECDH}.1", 1), info_of()],  # 3DES
        [si.numbered(f"{si.BSI_PROTOCOLS}.3.1.2", 1), info_of()],  # DH
        [CHIP_INFO, info_of(ec.generate_private_key(ec.SECP521R1()))],
        [CHIP_INFO, si.SecurityInfo(si.PUBLIC_KEY_ECDH, b"\x30\x00")],
        [si.numbered(si.CHIP_AUTHENTICATION_AES_128, 1, -1), info_of(number=-1)],
    ],
)
def test_chip_authentication_that_is_not_spoken_here_is_none(infos: list[si.SecurityInfo]) -> None:
    assert chip_key(infos) is None
