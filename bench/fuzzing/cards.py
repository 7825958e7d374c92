"""Targets: what a card and its reader answer, as the encoder reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bench.fuzzing.target import Target, require
from drivers.card.answer_to_reset import takes_extended_lengths
from drivers.card.apdu import CHAIN, MAX_ANSWER, CommandApdu
from drivers.card.transport import Lengths, carry
from drivers.errors import DriverError
from drivers.pcsc.names import parse_name
from drivers.pcsc.slot import objects

COMMANDS: Final = (
    bytes.fromhex("00A4020C02011C"),
    bytes.fromhex("00B0000000"),
    bytes.fromhex("00B00000000000"),
    bytes.fromhex("84D600000003E8") + bytes(1000) + b"\0\0",
    bytes.fromhex("1086000002") + bytes(2) + b"\0",
)
LENGTHS: Final = ((255, False), (255, True), (512, False), (4096, False))
MAX_EXCHANGES: Final = 2000  # three for each piece of the command and of an answer that comes octet by octet


def apdu_answers(data: bytes) -> None:
    """The first octet chooses command and lengths; then each answer: its length and octets. The last one repeats."""
    choice = data[0] if data else 0
    command = COMMANDS[choice % len(COMMANDS)]
    block, t0 = LENGTHS[choice // len(COMMANDS) % len(LENGTHS)]
    answers = [value for _, value in objects(b"".join(_with_tags(data[1:])))] or [b"\x90\x00"]
    sent: list[bytes] = []

    def exchange(apdu: bytes) -> bytes:
        sent.append(apdu)
        require(len(sent) <= MAX_EXCHANGES, "a card keeps us for ever")
        return answers[min(len(sent), len(answers)) - 1]

    lengths = Lengths(block, command_proven=block if choice & 0x80 else 0, t0=t0)
    try:
        answer = carry(command, exchange, lengths)
    finally:
        for apdu in sent:
            piece = CommandApdu.parse(apdu)
            require(len(piece.data) <= block, "a piece is longer than the block")
            own = piece.header[:1] == bytes((piece.header[0] & ~CHAIN,)) or piece.header[1] == command[1]
            require(own, "a chain of commands that are not ours")
    require(2 <= len(answer) <= 2 * MAX_ANSWER + 2, "an answer of no length")
    require(answer[-2:] == answers[min(len(sent), len(answers)) - 1][-2:], "another status word than the card's")


def _with_tags(octets: bytes) -> Iterator[bytes]:
    """What `objects` reads: a tag before each length."""
    at = 0
    while at < len(octets):
        end = at + 1 + octets[at]
        yield b"\0" + octets[at:end]
        at = end


def apdu_seeds() -> Iterator[bytes]:
    scripts = (
        "029000",
        "026110 0461009000",
        "026C04 06AABBCCDD9000",
        "026700 029000",
        "036A8200",
        "02610A 03AA6101 03BB9000",
    )
    for number, script in enumerate(scripts):
        yield bytes((number,)) + bytes.fromhex(script)
    yield bytes((0x83,)) + bytes.fromhex("029000029000029000029000")


def reader_words(data: bytes) -> None:
    """An answer to reset, properties and a name: read as far as they go, never refused."""
    require(takes_extended_lengths(data) in (True, False, None), "an answer that is none")
    for _, value in objects(data):
        require(len(value) <= len(data), "more than there is")
    name = data.decode("latin-1")
    parsed = parse_name(name)
    require(name.startswith(parsed.model), "a model that is not in the name")


def commands(data: bytes) -> None:
    """A command that is read, is written and read back as it was."""
    command = CommandApdu.parse(data)
    require(CommandApdu.parse(command.encode()) == command, "a command changed")
    for most in (255, 4096):
        pieces = command.pieces(most)
        require(b"".join(piece.data for piece in pieces) == command.data, "data was lost")
        require(pieces[-1].header == command.header and pieces[-1].awaited == command.awaited, "its end changed")


CARD_TARGETS: Final = (
    Target("APDU-answers", apdu_answers, apdu_seeds, 1024, refusal=DriverError),
    Target(
        "card-reader-words",
        reader_words,
        lambda: [bytes.fromhex("3B85800180738421C092"), bytes.fromhex("0A0400000100"), b"Reader (70D7E2EE) 00 01"],
        64,
        refusal=DriverError,
    ),
    Target("APDU-commands", commands, lambda: COMMANDS, 1100, refusal=DriverError),
)
