"""The channel against recordings of a real card, against yubikit, and against the card model."""

from __future__ import annotations

import ast
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest

from enrollment.core.chip.apdu import Command, Response
from enrollment.core.chip.card_keys import FACTORY_VERSION, CardKeys, KeySet
from enrollment.core.chip.scp03 import ALL, C_DECRYPTION, C_MAC, R_MAC, Opening, SecureChannel, open_channel
from enrollment.core.errors import (
    CardBelongsElsewhere,
    CardChannelBroken,
    CardNotGenuine,
    CardRefused,
    MalformedCardAnswer,
)
from firmware_stubs.card.card import Card
from firmware_stubs.card.memory import DEVELOPMENT_KEY, MAX_TRIES
from tests.card_wire import CardWire
from tests.unit.chip.blank_cards import blank_card, chance, keys, wire

scp = pytest.importorskip(
    "yubikit.core.smartcard.scp", reason="needs requirements/card.lock: ./run setup dev, with its Debian packages"
)

ROOT: Final = Path(__file__).parents[3]
AID: Final = bytes.fromhex("A0000002471001")
# An eUICC's issuer security domain; its keys, by version
ISD_R: Final = bytes.fromhex("A0000005591010FFFFFFFF8900000100")
LENGTHS: Final = {0x30: 16, 0x31: 24, 0x32: 32}


@dataclass(frozen=True)
class Recording:
    """Hexadecimal, as a real card took and answered it (pySim's tests, which have them from a card).

    get_eid: STORE DATA 80E2910006 BF3E035C015A, closed by its host. The keys are counted up.
    """

    host_challenge: str
    opening: str
    authenticate: str
    get_eid: str
    answer: str


RECORDINGS: Final = (
    Recording(
        "b13e5f938fc108c4",
        "000000000000000000003003703eb51047495b249f66c484c1d2ef1948000002",
        "84821100107d5f5826a993ebc89eea24957fa0b3ce",
        "84e291000ebf3e035c015a558d036518a28297",
        "bf3e125a1089882119900000000000000000000005971be68992dbbdfa",
    ),
    Recording(
        "8e1552d0513c60f3",
        "0000000000000000000030037030760cd2c47c1dd395065fe5ead8a9d7000001",
        "8482030010fd4721a14d9b07003c451d2f8ae6bb21",
        "84e2910018ca9c00f6713d79bc8baa642bdff51c3f6a4082d3bd9ad26c",
        "bf3e125a1089882119900000000000000000000005",
    ),
    Recording(
        "fdf38259a1e0de44",
        "000000000000000000003003703b1aca81e821f219081cdc01c26b372d000003",
        "84823300108c36f96bcc00724a4e13ad591d7da3f0",
        "84e2910018267a85dfe4a98fca6fb0527e0dfecce4914e40401433c87f",
        "f3ba2b1013aa6224f5e1c138d71805c569e5439b47576260b75fc021b25097cb2e68f8a0144975b9",
    ),
    Recording(
        "7396430b768b085b",
        "000000000000000000003103708cfc23522ffdbf1e5df5542cac8fd866000003",
        "84821100102145ed30b146f5db252fb7e624cec244",
        "84e291000ebf3e035c015aff42cf801d143944",
        "bf3e125a1089882119900000000000000000000005162fbd33e04940a9",
    ),
    Recording(
        "69c65da8202bf19f",
        "00000000000000000000310370b570a67be38446717729d6dd3d2ec5b1000001",
        "848203001065df4f1a356a887905466516d9e5b7c1",
        "84e2910018d2c6fb477c5d4afe4fd4d21f17eff10d3578ec1774a12a2d",
        "bf3e125a1089882119900000000000000000000005",
    ),
    Recording(
        "9b3f2eef0e8c9374",
        "00000000000000000000310370f6bb305a15bae1a68f79fb08212fbed7000002",
        "84823300109100bc22d58b45b86a26365ce39ff3cf",
        "84e29100188f7f946c84f70d17994bc6e8791251bb1bb1bf02cf8de589",
        "c05176c1b6f72aae50c32cbee63b0e95998928fd4dfb2be9f27ffde8c8476f5909b4805cc4039599",
    ),
    Recording(
        "11666d57866c6f54",
        "0000000000000000000032037053ea8847efa7674e41498a4d66cf0dee000003",
        "84821100102f2ad190eff2fafc4908996d1cebd310",
        "84e291000ebf3e035c015af4b680372542b59d",
        "bf3e125a10898821199000000000000000000000058012dd7f01f1c4c1",
    ),
    Recording(
        "c6066990fc426e1d",
        "000000000000000000003203708682cd81bbd8919f2de3f2664581f118000001",
        "848203001077c493b632edadaf865a1e64acc07ce9",
        "84e29100183ddaa60594963befaada3525b492ede23c2ab2c1ce3afe44",
        "bf3e125a1089882119900000000000000000000005",
    ),
    Recording(
        "97b2055fe58599fd",
        "00000000000000000000320370a8439a22cedf045fa9f1903b2834f26e000002",
        "8482330010508a0fd959d2e547c6b33154a6be2057",
        "84e29100187a5ef717eaf1e135ae92fe54429d0e465decda65f5fe5aea",
        "ea90dbfa648a67c5eb6abc57f8530b97d0cd5647c5e8732016b55203b078dd2ace7f8bc5d1c1cd99",
    ),
)


class RecordedKeys:
    """ENC 00 01 .., MAC 10 11 .., DEK 20 21 .., begun again after 16."""

    def key_set(self, version: int, diversification: bytes) -> KeySet:
        assert diversification == bytes(10)
        enc, mac, dek = (bytes(start + at % 16 for at in range(LENGTHS[version])) for start in (0, 0x10, 0x20))
        return KeySet(enc, mac, dek)


@pytest.mark.parametrize("recorded", RECORDINGS, ids=lambda recorded: recorded.authenticate[4:6])
def test_what_a_real_card_took_is_what_is_sent(recorded: Recording) -> None:
    sent: list[Command] = []
    answers = iter((recorded.opening, "", recorded.answer))

    def card(command: Command) -> Response:
        sent.append(command)
        return Response(bytes.fromhex(next(answers)), 0x9000)

    level = int(recorded.authenticate[4:6], 16)
    challenge = bytes.fromhex(recorded.host_challenge)
    channel = open_channel(card, RecordedKeys(), application=ISD_R, challenge=challenge, level=level)
    answer = channel.send(Command(0x80, 0xE2, 0x91, 0, bytes.fromhex("BF3E035C015A"), 256))
    assert answer == Response(bytes.fromhex("BF3E125A1089882119900000000000000000000005"), 0x9000)
    assert [replace(command, le=None).encode().hex() for command in sent[1:]] == [
        recorded.authenticate,
        recorded.get_eid,
    ]
    assert channel.serial == bytes(10)
    assert channel.key_version in LENGTHS


# The same recordings go on with commands that another host closed: without data, and without and with an answer.
@pytest.mark.parametrize(
    ("recorded", "first", "second"),
    [
        (RECORDINGS[2], "84f2200208ac6a59024bed84cc", "84ca006608409912ad8fb7aed0"),
        (RECORDINGS[5], "84f2200208d5d97754b6b3d2ba", "84ca006608516c82b8e30adbeb"),
        (RECORDINGS[8], "84f2200208bcc5c17275545d93", "84ca00660804806aba9d543bb6"),
    ],
)
def test_a_command_without_data_is_counted_and_not_encrypted(recorded: Recording, first: str, second: str) -> None:
    sent: list[str] = []
    answers = iter((recorded.opening, "", recorded.answer))

    def card(command: Command) -> Response:
        sent.append(replace(command, le=None).encode().hex())
        return Response(bytes.fromhex(next(answers, "")), 0x9000 if len(sent) < 4 else 0x6A88)

    challenge = bytes.fromhex(recorded.host_challenge)
    channel = open_channel(card, RecordedKeys(), application=ISD_R, challenge=challenge)
    channel.send(Command(0x80, 0xE2, 0x91, 0, bytes.fromhex("BF3E035C015A"), 256))
    channel.send(Command(0x80, 0xF2, 0x20, 0x02))
    channel.send(Command(0x80, 0xCA, 0x00, 0x66, le=256))
    assert sent[3:] == [first, second]


def test_the_handshake_is_yubikits_octet_for_octet() -> None:
    recorded = RECORDINGS[2]
    challenge, opening = bytes.fromhex(recorded.host_challenge), bytes.fromhex(recorded.opening)
    static = RecordedKeys().key_set(0x30, bytes(10))
    params = scp.Scp03KeyParams(scp.KeyRef(scp.ScpKid.SCP03, 0x30), scp.StaticKeys(static.enc, static.mac, static.dek))
    state, cryptogram = scp.ScpState.scp03_init(lambda *_: opening, params, host_challenge=challenge)
    sent: list[Command] = []

    def card(command: Command) -> Response:
        sent.append(command)
        return Response(opening if len(sent) == 1 else b"", 0x9000)

    channel = open_channel(card, RecordedKeys(), application=ISD_R, challenge=challenge)
    assert sent[1].data[:8] == cryptogram
    ours = channel._state._keys
    assert (ours.key_senc, ours.key_smac, ours.key_srmac) == tuple(state._keys[:3])


def opened(card: Card, *, level: int = ALL, provider: CardKeys | None = None) -> SecureChannel:
    return open_channel(wire(card.transmit), provider or keys(), application=AID, challenge=chance()(8), level=level)


@pytest.mark.parametrize("octets", [16, 24, 32])
@pytest.mark.parametrize("level", [C_MAC, C_MAC | C_DECRYPTION, C_MAC | R_MAC, C_MAC | C_DECRYPTION | R_MAC, ALL])
def test_keys_of_every_length_carry_every_level(octets: int, level: int) -> None:
    key = bytes(range(octets))
    card = blank_card(key=key)
    channel = opened(card, level=level, provider=keys(factory_key=key))
    assert channel.send(Command(0, 0xE0, 0, 0, bytes.fromhex("63040200011C"))).status == 0x9000
    content = chance(2)(0x200)
    assert channel.send(Command(0, 0xD6, 0, 0, content)).status == 0x9000
    assert channel.send(Command(0, 0xB0, 0, 0, le=0x200)) == Response(content, 0x9000)
    assert channel.send(Command(0, 0xB0, 0x01, 0xF0, le=0x20)) == Response(content[0x1F0:], 0x6282)  # a warning
    assert channel.send(Command(0, 0xB0, 0x02, 0, le=1)) == Response(b"", 0x6B00)  # an error, and the channel lives
    assert channel.send(Command(0, 0xB0, 0, 0, le=1)) == Response(content[:1], 0x9000)
    assert card.memory.tries == MAX_TRIES


def test_a_card_without_a_predictable_challenge_is_opened() -> None:
    assert opened(blank_card(scp_i=0x60)).serial == b"CARD" + bytes(6)


@pytest.mark.parametrize(("scp_i", "level"), [(0x10, ALL), (0x30, ALL), (0x10, C_MAC | R_MAC)])
def test_a_card_that_would_answer_unprotected_is_refused_before_a_try(scp_i: int, level: int) -> None:
    card = blank_card(scp_i=scp_i)
    with pytest.raises(CardBelongsElsewhere):
        opened(card, level=level)
    assert (card.memory.tries, card.memory.sequence) == (MAX_TRIES, 1)


def test_wrong_keys_cost_no_try_however_often() -> None:
    card = blank_card()
    seen: list[int] = []
    transmit = card.transmit

    def watched(raw: bytes) -> bytes:
        seen.append(raw[1])
        return transmit(raw)

    card.transmit = watched  # type: ignore[method-assign]
    for _ in range(3 * MAX_TRIES):
        with pytest.raises(CardNotGenuine):
            opened(card, provider=keys(factory_key=bytes(16)))
    assert card.memory.tries == MAX_TRIES
    assert 0x82 not in seen
    opened(card)


def test_a_challenge_that_is_not_made_of_the_sequence_is_refused() -> None:
    card = blank_card(key=DEVELOPMENT_KEY)
    other_enc = KeySet(bytes(16), DEVELOPMENT_KEY, DEVELOPMENT_KEY)  # the cryptogram is of the MAC key
    with pytest.raises(CardNotGenuine) as raised:
        opened(card, provider=CardKeys({FACTORY_VERSION: other_enc}))
    assert "sequence" in str(raised.value)
    assert card.memory.tries == MAX_TRIES


def test_a_blocked_card_and_an_unknown_version_are_told_apart() -> None:
    card = blank_card()
    card.memory.tries = 0
    with pytest.raises(CardRefused) as raised:
        opened(card)
    assert raised.value.facts == {"step": "INITIALIZE UPDATE", "status": "6983"}
    card = blank_card()
    card.memory.key_version = 0x20
    with pytest.raises(CardBelongsElsewhere) as elsewhere:
        opened(card)
    assert elsewhere.value.facts == {"key_version": 0x20}
    assert card.memory.tries == MAX_TRIES


@pytest.mark.parametrize("length", [0, 28, 30, 31, 33, 45])
def test_an_opening_of_another_length_is_malformed(length: int) -> None:
    with pytest.raises(MalformedCardAnswer):
        Opening.decode(bytes(11) + b"\x03\x70" + bytes(max(length - 13, 0)) if length > 13 else bytes(length))


@pytest.mark.parametrize("key_information", [b"\xff\x02\x70", b"\xff\x03\x71"])
def test_another_protocol_or_longer_macs_are_not_spoken(key_information: bytes) -> None:
    with pytest.raises(CardBelongsElsewhere):
        Opening.decode(bytes(10) + key_information + bytes(19))


def flip_last(answer: bytes) -> bytes:
    return answer[:-3] + bytes((answer[-3] ^ 1,)) + answer[-2:]


def flip_first(answer: bytes) -> bytes:
    return bytes((answer[0] ^ 1,)) + answer[1:]


def bare(answer: bytes) -> bytes:
    return answer[-2:]


def cut(answer: bytes) -> bytes:
    return answer[1:]


def as_warning(answer: bytes) -> bytes:
    return answer[:-2] + b"\x62\x82"


@pytest.mark.parametrize("change", [flip_last, flip_first, bare, cut, as_warning])
@pytest.mark.parametrize("level", [C_MAC | R_MAC, ALL])
def test_an_answer_that_was_changed_ends_the_channel(change: Callable[[bytes], bytes], level: int) -> None:
    card = blank_card()
    changing = False

    def between(raw: bytes) -> bytes:
        answer = card.transmit(raw)
        return change(answer) if changing else answer

    channel = open_channel(wire(between), keys(), application=AID, challenge=bytes(8), level=level)
    channel.send(Command(0, 0xE0, 0, 0, bytes.fromhex("63040020011C")))
    changing = True
    with pytest.raises(CardChannelBroken) as raised:
        channel.send(Command(0, 0xB0, 0, 0, le=0x20))
    assert raised.value.facts["step"] == "B0"
    changing = False
    with pytest.raises(CardChannelBroken):
        channel.send(Command(0, 0xB0, 0, 0, le=0x20))


class Lost(Exception):
    pass


def test_a_channel_ends_with_what_the_transmit_raises() -> None:
    card = blank_card()
    lost = False

    def between(raw: bytes) -> bytes:
        if lost:
            raise Lost
        return card.transmit(raw)

    channel = open_channel(wire(between), keys(), application=AID, challenge=bytes(8))
    lost = True
    with pytest.raises(Lost):
        channel.send(Command(0, 0xB0, 0, 0, le=0x20))
    lost = False
    with pytest.raises(CardChannelBroken):
        channel.send(Command(0, 0xB0, 0, 0, le=0x20))


@pytest.mark.parametrize("padding", [bytes(16), b"\x00" * 15 + b"\x01"])
def test_padding_that_is_none_ends_the_channel(padding: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    card = blank_card()
    channel = opened(card)
    channel.send(Command(0, 0xE0, 0, 0, bytes.fromhex("63040020011C")))
    monkeypatch.setattr("firmware_stubs.card.scp03.pad", lambda data, block: padding)  # no card of the model does so
    with pytest.raises(CardChannelBroken):
        channel.send(Command(0, 0xB0, 0, 0, le=0x20))


def test_nothing_that_is_sent_or_kept_reaches_a_log(caplog: pytest.LogCaptureFixture) -> None:
    """yubikit logs plaintext at its level TRAFFIC (5): even with every logger at 1, none of ours goes there."""
    for name in ("", "yubikit", "yubikit.core.smartcard", "yubikit.core.smartcard.scp"):
        caplog.set_level(1, logger=name)
    card = blank_card()
    channel = opened(card)
    secret = chance(7)(64)
    channel.send(Command(0, 0xE0, 0, 0, bytes.fromhex("63040040011C")))
    channel.send(Command(0, 0xD6, 0, 0, secret))
    assert channel.send(Command(0, 0xB0, 0, 0, le=64)).data == secret
    logged = " ".join(f"{record.getMessage()} {record.args}" for record in caplog.records).lower()
    assert [record for record in caplog.records if record.levelno <= logging.DEBUG // 2] == []
    for told in (secret, DEVELOPMENT_KEY, *channel._state._keys[:3]):
        assert told.hex() not in logged
        assert repr(told) not in logged
    assert secret.hex() not in f"{channel!r} {channel.keys!r}"


def test_of_yubikit_nothing_that_logs_what_it_sends_is_used() -> None:
    """Its SmartCardProtocol and ScpProcessor do, in the clear, and its logging module is what turns that on."""
    used = set()
    for package in ("enrollment", "drivers"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("yubikit", "ykman")):
                    used |= {(path.name, node.module, alias.name) for alias in node.names}
                elif isinstance(node, ast.Import):
                    used |= {(path.name, alias.name, "") for alias in node.names if alias.name[:7] == "yubikit"}
    assert used == {
        ("scp03.py", "yubikit.core", "BadResponseError"),
        ("scp03.py", "yubikit.core.smartcard.scp", "ScpState"),
        ("scp03.py", "yubikit.core.smartcard.scp", "SessionKeys"),
    }


def in_a_row(card: Card, exchange: Callable[[bytes], bytes] | None = None) -> SecureChannel:
    """A channel whose commands go out before the answers to those before them are opened."""
    through = CardWire(exchange or card.transmit)
    each = through.transmit_each
    return open_channel(through.transmit, keys(), application=AID, challenge=bytes(8), transmit_each=each)


CREATE: Final = Command(0, 0xE0, 0, 0, bytes.fromhex("63040200011C"))
READ: Final = Command(0, 0xB0, 0, 0, le=0x10)


def writes(*offsets: int) -> list[Command]:
    return [
        Command(0, 0xD6, offset >> 8, offset & 0xFF, bytes((number,)) * 16) for number, offset in enumerate(offsets)
    ]


def test_commands_in_a_row_are_carried_out_and_told_in_order_and_the_channel_lives() -> None:
    card = blank_card()
    channel = in_a_row(card)
    told: list[Response] = []
    channel.send_each((command, told.append) for command in [CREATE, *writes(0, 16, 0x1F0), READ])
    assert told == [Response(b"", 0x9000)] * 4 + [Response(bytes(16), 0x9000)]
    assert bytes(card.memory.files[0x011C][16:32]) == b"\1" * 16
    assert bytes(card.memory.files[0x011C][0x1F0:]) == b"\2" * 16
    assert channel.send(READ) == told[-1]


def test_a_row_ends_at_the_first_refusal_and_nothing_after_it_is_carried_out() -> None:
    card = blank_card()
    channel = in_a_row(card)
    told: list[int] = []
    channel.send_each(
        (command, lambda answer: told.append(answer.status)) for command in [CREATE, *writes(0, 0x1F8, 32)]
    )
    assert told == [0x9000, 0x9000, 0x6A84]
    assert bytes(card.memory.files[0x011C][32:]) == bytes(0x1E0)
    with pytest.raises(CardChannelBroken):  # a command was closed that the card never saw
        channel.send(READ)
    channel.send_each([])
    with pytest.raises(CardChannelBroken):
        channel.send_each([(READ, lambda answer: None)])


def test_a_refusal_at_the_end_of_a_row_leaves_the_channel_open() -> None:
    channel = in_a_row(blank_card())
    told: list[int] = []
    channel.send_each((command, lambda answer: told.append(answer.status)) for command in [CREATE, *writes(0x1F8)])
    assert told == [0x9000, 0x6A84]
    assert channel.send(READ) == Response(bytes(16), 0x9000)


@pytest.mark.parametrize("changed", [0, 1, 3])
def test_a_changed_answer_within_a_row_is_noticed_one_command_later_at_most(changed: int) -> None:
    card = blank_card()
    count = -3  # of the opening: two, and the first is the 0th

    def between(raw: bytes) -> bytes:
        nonlocal count
        count += 1
        answer = card.transmit(raw)
        return flip_last(answer) if count == changed else answer

    channel = in_a_row(card, between)
    told: list[int] = []
    with pytest.raises(CardChannelBroken):
        channel.send_each(
            (command, lambda answer: told.append(answer.status)) for command in [CREATE, *writes(0, 16, 32)]
        )
    assert told == [0x9000] * changed
    assert count <= changed + 1
    with pytest.raises(CardChannelBroken):
        channel.send(READ)
