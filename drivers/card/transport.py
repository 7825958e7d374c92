"""Carries one command to a card and its whole answer back, whatever lengths reader and card take. Pure: the exchange
of one APDU is a function that is given.

    9000, or any other      the answer
    61xx                    GET RESPONSE fetches the rest
    6Cxx                    the same command again with Le = xx: it was not carried out (ISO/IEC 7816-4, table 6)
    6700                    likewise not carried out: once more in short pieces, where this card has not yet shown that
                            it takes such an extended command

What an exchange raises is passed on, and nothing is sent after it. Every answer must bring octets, and all of them
together have a limit, so that no card can keep us for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from drivers.card.apdu import MAX_ANSWER, MAX_SHORT_ANSWER, MAX_SHORT_DATA, CommandApdu
from drivers.errors import ProtocolViolation

Exchange: TypeAlias = Callable[[bytes], bytes]

_OK: Final = 0x9000
_WRONG_LENGTH: Final = 0x6700
_MORE: Final = 0x61
_WRONG_LE: Final = 0x6C
_FETCHES: Final = 512  # of up to 256 octets: twice what the longest answer takes
_CORRECTIONS: Final = 2  # of Le in one exchange: a card that is content with neither is content with none


@dataclass(slots=True)
class Lengths:
    """What reader and card take in one exchange; learnt on the way.

    block: octets of data, of a command and of an answer; up to 255 stands for short lengths alone.
    command_proven, answer_proven: octets up to which this card has shown that it takes extended lengths.
    t0: whether the protocol is T=0, which carries no Le beside data.
    """

    block: int = MAX_SHORT_DATA
    command_proven: int = 0
    answer_proven: int = 0
    t0: bool = False

    @property
    def extended(self) -> bool:
        """Whether extended lengths are used at all."""
        return self.block > MAX_SHORT_DATA

    @property
    def longest_answer(self) -> int:
        return self.block if self.extended else MAX_SHORT_ANSWER


def carry(apdu: bytes, exchange: Exchange, lengths: Lengths) -> bytes:
    """The whole answer to a command APDU, with the status word at its end.

    Raises ProtocolViolation where the card's answers make no sense or no progress; UnsupportedDevice where `apdu` is
    none; and what `exchange` raises.
    """
    command = CommandApdu.parse(apdu)
    command = command.awaiting(min(command.awaited, lengths.longest_answer))
    answer = _send(command, exchange, lengths)
    if _status(answer) != _WRONG_LENGTH or not _is_doubtful(command, lengths):
        return answer
    lengths.block = MAX_SHORT_DATA
    return _send(command.awaiting(min(command.awaited, MAX_SHORT_ANSWER)), exchange, lengths)


def in_one_exchange(apdu: bytes, lengths: Lengths) -> bytes | None:
    """A command as it is sent, where `carry` would begin with all of it and await its whole answer; else None.

    Raises UnsupportedDevice where `apdu` is none.
    """
    command = CommandApdu.parse(apdu)
    if lengths.t0 or len(command.data) > lengths.block or command.awaited > lengths.longest_answer:
        return None
    return command.encode()


def _is_doubtful(command: CommandApdu, lengths: Lengths) -> bool:
    """Whether it was sent in a length that this card has not shown to take."""
    long_data, long_answer = len(command.data) > MAX_SHORT_DATA, command.awaited > MAX_SHORT_ANSWER
    return lengths.extended and (
        (long_data and len(command.data) > lengths.command_proven)
        or (long_answer and command.awaited > lengths.answer_proven)
    )


def _send(command: CommandApdu, exchange: Exchange, lengths: Lengths) -> bytes:
    *before, last = command.pieces(lengths.block)
    for piece in before:
        answer = _exchanged(piece, exchange, lengths)
        if _status(answer) != _OK:
            return answer  # the chain ends here: the card says why
    return _fetched(last, _exchanged(last, exchange, lengths), exchange, lengths)


def _fetched(command: CommandApdu, answer: bytes, exchange: Exchange, lengths: Lengths) -> bytes:
    """The answer with what GET RESPONSE brings (ISO/IEC 7816-4, 7.6.1)."""
    collected = bytearray()
    fetches = 0
    while answer[-2] == _MORE:
        collected += answer[:-2]
        fetches += 1
        if len(collected) > MAX_ANSWER or fetches > _FETCHES:
            raise ProtocolViolation("the card's answer does not end", octets=len(collected), fetches=fetches)
        get_response = CommandApdu(bytes((_channel(command.header[0]), 0xC0, 0, 0)), awaited=answer[-1] or 256)
        answer = _exchanged(get_response, exchange, lengths)
        if answer[-2] == _MORE and len(answer) == 2:
            raise ProtocolViolation("the card promises more, and sends nothing", octets=len(collected))
    return bytes(collected) + answer if collected else answer


def _exchanged(command: CommandApdu, exchange: Exchange, lengths: Lengths) -> bytes:
    """The answer to one command that fits, with Le as the card wants it."""
    for _ in range(1 + _CORRECTIONS):
        answer = exchange(_as_sent(command, lengths))
        if len(answer) < 2:
            raise ProtocolViolation("the card answered without a status word", length=len(answer))
        if len(answer) > MAX_ANSWER + 2:
            raise ProtocolViolation("the card's answer is longer than any may be", length=len(answer))
        if answer[-2] != _WRONG_LE or len(answer) > 2:
            break
        wanted = answer[-1] or MAX_SHORT_ANSWER
        if wanted == command.awaited:
            raise ProtocolViolation("the card asks for the length that it was given", length=wanted)
        command = command.awaiting(wanted)
    else:
        raise ProtocolViolation("the card is content with no length of answer", tried=1 + _CORRECTIONS)
    if len(command.data) > MAX_SHORT_DATA and _status(answer) != _WRONG_LENGTH:
        lengths.command_proven = max(lengths.command_proven, len(command.data))
    if len(answer) - 2 > MAX_SHORT_ANSWER:
        lengths.answer_proven = max(lengths.answer_proven, command.awaited)
    return answer


def _as_sent(command: CommandApdu, lengths: Lengths) -> bytes:
    if lengths.t0 and command.data:  # ISO/IEC 7816-3, 12.2.4: T=0 answers 61xx then
        command = command.awaiting(0)
    return command.encode()


def _channel(cla: int) -> int:
    """The class of GET RESPONSE: of the command's, its logical channel alone (ISO/IEC 7816-4, 5.4.1)."""
    return cla & 0x4F if cla & 0x40 else cla & 0x03


def _status(answer: bytes) -> int:
    return int.from_bytes(answer[-2:])
