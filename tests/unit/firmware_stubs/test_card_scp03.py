"""The card model's SCP03 against hosts that are not ours: yubikit (AES-128), and cryptography's KDF for longer keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, CounterLocation, Mode

from firmware_stubs.card import scp03
from firmware_stubs.card.apdu import lc_bytes
from firmware_stubs.card.card import Card
from firmware_stubs.card.memory import MAX_TRIES, LifeCycle, Memory
from firmware_stubs.card.profile import VN_CCCD

NEW_KEYS = (bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 48)))


@pytest.fixture
def card() -> Card:
    return Card(Memory.blank(0))


def yubikit_host(card: Card, keys: tuple[bytes, bytes, bytes], version: int = 0) -> Any:
    """An open channel of yubikit to the card, or what yubikit raises."""
    pytest.importorskip("yubikit", reason="needs requirements/card.lock: ./run setup dev, with its Debian packages")
    from yubikit.core import TRANSPORT
    from yubikit.core.smartcard import SmartCardConnection, SmartCardProtocol
    from yubikit.core.smartcard.scp import KeyRef, Scp03KeyParams, ScpKid, StaticKeys

    class Wire(SmartCardConnection):  # type: ignore[misc,unused-ignore]
        transport = TRANSPORT.USB

        def close(self) -> None: ...

        def send_and_receive(self, apdu: bytes) -> tuple[bytes, int]:
            answer = card.transmit(apdu)
            return answer[:-2], int.from_bytes(answer[-2:])

    protocol = SmartCardProtocol(Wire())
    protocol.select(VN_CCCD.aid)
    protocol.init_scp(Scp03KeyParams(KeyRef(ScpKid.SCP03, version), StaticKeys(*keys)))
    return protocol


def test_yubikit_personalises_through_encryption_both_ways(card: Card) -> None:
    host = yubikit_host(card, card.memory.keys)
    content = bytes(range(256)) * 3
    host.send_apdu(0, 0xE0, 0, 0, bytes.fromhex("63040300011E"))
    host.send_apdu(0, 0xA4, 2, 0x0C, bytes.fromhex("011E"))
    for offset in range(0, len(content), 200):
        host.send_apdu(0, 0xD6, offset >> 8, offset & 0xFF, content[offset : offset + 200])
    assert host.send_apdu(0, 0xB0, 0, 16, le=100) == content[16:116]
    assert bytes(card.memory.files[0x011E]) == content
    host.send_apdu(0x80, 0xDA, 0xDE, 0xAD)
    assert card.memory.life_cycle is LifeCycle.OPERATIONAL


def test_a_long_command_comes_in_a_chain_through_the_channel(card: Card) -> None:
    host = yubikit_host(card, card.memory.keys)
    host.send_apdu(0, 0xE0, 0, 0, bytes.fromhex("63040400011E"))
    host.send_apdu(0, 0xD6, 0x9E, 0, b"\x5a" * 1000)
    assert bytes(card.memory.files[0x011E]) == b"\x5a" * 1000 + bytes(24)


def test_yubikit_puts_keys_and_only_they_open_the_card_then(card: Card) -> None:
    pytest.importorskip("yubikit")
    from yubikit.core.smartcard.scp import KeyRef, ScpKid, StaticKeys
    from yubikit.securitydomain import SecurityDomainSession

    old = card.memory.keys
    host = yubikit_host(card, old)
    domain = SecurityDomainSession.__new__(SecurityDomainSession)  # its own constructor selects an applet of YubiKeys
    domain.protocol = host
    domain.put_key(KeyRef(ScpKid.SCP03, 1), StaticKeys(*NEW_KEYS), replace_kvn=0xFF)
    assert card.memory.keys == NEW_KEYS
    assert card.memory.key_version == 1
    yubikit_host(card, NEW_KEYS, version=1)
    with pytest.raises(ValueError, match="Incorrect SCP parameters"):
        yubikit_host(card, old)
    assert card.memory.tries == MAX_TRIES  # the host saw the card's cryptogram and stopped


class PlainHost:
    """The smallest host: derives by cryptography's KBKDF, MACs only."""

    def __init__(self, card: Card, keys: tuple[bytes, bytes, bytes]) -> None:
        self.card = card
        answer = card.transmit(bytes.fromhex("8050000008") + bytes(range(8)) + b"\0")
        assert answer[-2:] == b"\x90\x00", answer.hex()
        self.answer = answer[:-2]
        self.context = bytes(range(8)) + answer[13:21]
        self.mac_key = kbkdf(keys[1], scp03.S_MAC, self.context, len(keys[1]))
        self.chaining = bytes(16)

    def authenticate(self, level: int = 1) -> bytes:
        cryptogram = kbkdf(self.mac_key, scp03.HOST_CRYPTOGRAM, self.context, 8)
        return self.send(bytes((0x84, 0x82, level, 0)), cryptogram)

    def send(self, header: bytes, data: bytes) -> bytes:
        lc = lc_bytes(len(data) + 8)
        mac = scp03.cmac(self.mac_key, self.chaining + header + lc + data)
        answer = self.card.transmit(header + lc + data + mac[:8])
        self.chaining = mac
        return answer


def kbkdf(key: bytes, constant: int, context: bytes, length: int) -> bytes:
    before = bytes(11) + bytes((constant, 0)) + (8 * length).to_bytes(2)
    derivation = KBKDFCMAC(
        algorithms.AES,
        Mode.CounterMode,
        length,
        1,
        None,
        CounterLocation.MiddleFixed,
        None,
        None,
        before + context,
        break_location=len(before),
    )
    return derivation.derive(key)


@pytest.mark.parametrize("length", [16, 24, 32])
def test_keys_of_every_length_open_a_channel_and_replace_the_set(length: int) -> None:
    keys = tuple(bytes((part,)) * length for part in (1, 2, 3))
    memory = Memory.blank(0)
    memory.keys = (keys[0], keys[1], keys[2])
    card = Card(memory)
    host = PlainHost(card, memory.keys)
    assert host.answer[10:13] == bytes((0xFF, 3, VN_CCCD.scp_i))
    assert host.answer[21:29] == kbkdf(host.mac_key, scp03.CARD_CRYPTOGRAM, host.context, 8)
    assert host.answer[13:21] == kbkdf(keys[0], scp03.CARD_CHALLENGE, host.answer[29:32] + VN_CCCD.aid, 8)
    assert host.authenticate() == b"\x90\x00"
    new = tuple(bytes((part,)) * length for part in (4, 5, 6))
    told = b"\x02" + b"".join(sealed_key(key, keys[2]) for key in new)
    answer = host.send(bytes.fromhex("84D8FF81"), told)
    assert answer == b"\x02" + b"".join(check_value(key) for key in new) + b"\x90\x00"
    assert (memory.keys, memory.key_version) == (new, 2)
    assert host.send(bytes.fromhex("84D8FF81"), told) == b"\x6a\x88"  # there is no version FF any more
    assert PlainHost(card, memory.keys).authenticate() == b"\x90\x00"


def test_a_key_set_with_one_wrong_check_value_is_not_taken(card: Card) -> None:
    old = card.memory.keys
    host = PlainHost(card, old)
    host.authenticate()
    sealed = b"\x02" + b"".join(sealed_key(key, old[2]) for key in NEW_KEYS)
    assert host.send(bytes.fromhex("84D8FF81"), sealed[:-1] + bytes((sealed[-1] ^ 1,))) == b"\x6a\x80"
    assert (card.memory.keys, card.memory.key_version) == (old, 0xFF)


def sealed_key(key: bytes, dek: bytes) -> bytes:
    """As Amendment D 7.2 lays a key out, with its length."""
    encryptor = Cipher(algorithms.AES(dek), modes.CBC(bytes(16))).encryptor()
    sealed = encryptor.update(key.ljust(-(-len(key) // 16) * 16, b"\0"))
    return bytes((0x88, 1 + len(sealed), len(key))) + sealed + b"\x03" + check_value(key)


def check_value(key: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(b"\x01" * 16)[:3]  # noqa: S305 - defined so


def test_wrong_cryptograms_cost_tries_until_the_card_is_blocked(card: Card) -> None:
    kept: list[int] = []
    card.keep = lambda: kept.append(card.memory.tries)
    for left in range(MAX_TRIES - 1, -1, -1):
        host = PlainHost(card, card.memory.keys)
        host.mac_key = bytes(16)
        assert host.authenticate() == b"\x63\x00"
        assert card.memory.tries == left
        assert kept[-1] == left  # durable before the answer left
    assert card.transmit(bytes.fromhex("8050000008") + bytes(8))[-2:] == b"\x69\x83"


def test_a_right_cryptogram_gives_the_tries_back(card: Card) -> None:
    host = PlainHost(card, card.memory.keys)
    host.mac_key = bytes(16)
    host.authenticate()
    assert PlainHost(card, card.memory.keys).authenticate() == b"\x90\x00"
    assert card.memory.tries == MAX_TRIES


def _wrong_mac(host: PlainHost) -> bytes:
    host.chaining = bytes(16)
    return host.send(bytes.fromhex("04E00000"), bytes.fromhex("63040010011E"))


def _plain(host: PlainHost) -> bytes:
    return host.card.transmit(bytes.fromhex("00E000000663040010011E"))


def _reset(host: PlainHost) -> bytes:
    host.card.power_off()
    return host.send(bytes.fromhex("04E00000"), bytes.fromhex("63040010011E"))


@pytest.mark.parametrize("disturb", [_wrong_mac, _plain, _reset])
def test_a_broken_channel_writes_nothing_and_stays_closed(card: Card, disturb: Callable[[PlainHost], bytes]) -> None:
    host = PlainHost(card, card.memory.keys)
    assert host.authenticate() == b"\x90\x00"
    assert disturb(host) == b"\x69\x82"
    assert host.send(bytes.fromhex("04E00000"), bytes.fromhex("63040010011E")) == b"\x69\x82"
    assert card.memory.files == {}


def test_a_level_that_the_card_does_not_offer_is_refused_without_a_try() -> None:
    card = Card(Memory.blank(0), replace(VN_CCCD, scp_i=0x10))
    assert PlainHost(card, card.memory.keys).authenticate(level=0x33) == b"\x6a\x86"
    assert card.memory.tries == MAX_TRIES
    assert PlainHost(card, card.memory.keys).authenticate(level=0x03) == b"\x90\x00"


@pytest.mark.parametrize(("scp_i", "level", "taken"), [(0x30, 0x13, True), (0x30, 0x33, False), (0x70, 0x33, True)])
def test_response_protection_follows_the_i_parameter(scp_i: int, level: int, taken: bool) -> None:
    card = Card(Memory.blank(0), replace(VN_CCCD, scp_i=scp_i))
    assert (PlainHost(card, card.memory.keys).authenticate(level) == b"\x90\x00") is taken
