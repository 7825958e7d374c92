"""Secure Channel Protocol 03, the personaliser's side: what is sent to a card that is being written, and comes back.

    INITIALIZE UPDATE      80 50 00 00     host challenge (8)
        answer             serial (10) | key version | 03 | i | challenge (8) | card cryptogram (8) [| sequence (3)]
    EXTERNAL AUTHENTICATE  84 82 level 00  host cryptogram (8) | C-MAC (8)

A card that does not know the keys is found out by its cryptogram, before EXTERNAL AUTHENTICATE costs it a try. Commands
and answers are closed and opened by yubikit; what it would leave open is decided here: keys of 192 and 256 bits, a card
challenge that can be predicted and so checked, a command without data (which is not encrypted), and an answer without a
MAC (which is refused; yubikit takes it). Its SmartCardProtocol logs plaintext and is not used.
In `SecureChannel.send_each` a card works on a command while the next is closed and the answer before is opened.
The length that a C-MAC covers is coded by the length itself, one octet up to 255, and so survives a driver that carries
a command in another form.
Source: GlobalPlatform Card Specification 2.3, Amendment D 1.1.2.
"""

from __future__ import annotations

import hmac
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final, TypeAlias

from enrollment.core.chip.apdu import (
    MAX_SHORT_DATA,
    MAX_SHORT_LE,
    OK,
    Command,
    Response,
    Transmit,
    TransmitEach,
    one_by_one,
)
from enrollment.core.chip.card_keys import (
    BLOCK_OCTETS,
    SERIAL_OCTETS,
    CardKeyProvider,
    KeySet,
    aes_cmac,
    derive_in_counter_mode,
)
from enrollment.core.errors import CardBelongsElsewhere, CardChannelBroken, CardNotGenuine, MalformedCardAnswer

if TYPE_CHECKING:
    from yubikit.core.smartcard.scp import ScpState

C_MAC, C_DECRYPTION, R_MAC, R_ENCRYPTION = 0x01, 0x02, 0x10, 0x20
ALL: Final = C_MAC | C_DECRYPTION | R_MAC | R_ENCRYPTION
CHALLENGE_OCTETS: Final = 8
CRYPTOGRAM_OCTETS: Final = 8
MAC_OCTETS: Final = 8
PROTOCOL: Final = 0x03

_SEQUENCE_OCTETS: Final = 3
_SECURE_MESSAGING: Final = 0x04  # of the class
_S16, _PSEUDO_RANDOM, _OFFERS_R_MAC, _OFFERS_R_ENCRYPTION = 0x01, 0x10, 0x20, 0x40  # the "i" parameter
# Data derivation constants, table 4-1
_CARD_CRYPTOGRAM, _HOST_CRYPTOGRAM, _CARD_CHALLENGE, _S_ENC, _S_MAC, _S_RMAC = 0x00, 0x01, 0x02, 0x04, 0x06, 0x07
_OPENING: Final = "INITIALIZE UPDATE"

Order: TypeAlias = tuple[Command, Callable[[Response], None]]
"""A command, and who is told its answer."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a card tells of itself first. serial: key diversification data. parameter: "i".

    sequence: of the card's channels; empty where its challenge is not made of it.
    """

    serial: bytes
    key_version: int
    parameter: int
    challenge: bytes
    cryptogram: bytes
    sequence: bytes

    @classmethod
    def decode(cls, answer: bytes) -> Opening:
        """Raises MalformedCardAnswer, and CardBelongsElsewhere for another protocol or MACs of 16 octets."""
        fixed = SERIAL_OCTETS + 3 + CHALLENGE_OCTETS + CRYPTOGRAM_OCTETS
        if len(answer) not in (fixed, fixed + _SEQUENCE_OCTETS):
            raise _malformed(length=len(answer))
        serial, (version, protocol, parameter) = answer[:SERIAL_OCTETS], answer[SERIAL_OCTETS : SERIAL_OCTETS + 3]
        if protocol != PROTOCOL or parameter & _S16:
            raise CardBelongsElsewhere(
                "a card with another secure channel", step=_OPENING, protocol=protocol, parameter=parameter
            )
        if bool(parameter & _PSEUDO_RANDOM) is not (len(answer) > fixed):
            raise _malformed(length=len(answer))
        rest = answer[SERIAL_OCTETS + 3 :]
        cryptogram = rest[CHALLENGE_OCTETS : CHALLENGE_OCTETS + CRYPTOGRAM_OCTETS]
        return cls(serial, version, parameter, rest[:CHALLENGE_OCTETS], cryptogram, answer[fixed:])

    def offers(self, level: int) -> bool:
        """Whether a channel can have this level."""
        needed = (_OFFERS_R_MAC if level & R_MAC else 0) | (_OFFERS_R_ENCRYPTION if level & R_ENCRYPTION else 0)
        return self.parameter & needed == needed


class SecureChannel:
    """An open channel. After any failure it is dead, and the card's state is to be read back through a new one."""

    def __init__(
        self,
        transmit: Transmit,
        transmit_each: TransmitEach,
        opening: Opening,
        keys: KeySet,
        state: ScpState,
        level: int,
    ) -> None:
        self._transmit = transmit
        self._transmit_each = transmit_each
        self._opening = opening
        self._state = state
        self._level = level
        self._dead = False
        self.keys = keys

    @property
    def serial(self) -> bytes:
        """The card's: its key diversification data, 10 octets."""
        return self._opening.serial

    @property
    def key_version(self) -> int:
        """Of the keys that the channel was opened with."""
        return self._opening.key_version

    def send(self, command: Command) -> Response:
        """The card's answer, opened; it is a Transmit. An error (not 9000, 62xx, 63xx) comes unprotected, without data.

        Raises CardChannelBroken for an answer without its right MAC or padding, and ever after; what the transmit
        raises. ValueError for a command too long to be closed.
        """
        self._use(command)
        response = self._opened(self._transmit(self._close(command)), command, self._state)
        self._dead = False
        return response

    def send_each(self, orders: Iterable[Order]) -> None:
        """Send commands up to the first whose answer's status word is not OK; each order is told its answer.

        A command may go to the card once the one before is answered by OK, before the MAC of that answer was looked at;
        when this returns, all were right. The channel has ended if there were more commands than were answered.
        Raises as `send` does, and what is raised by those who are told.
        """
        remaining = iter(orders)
        first = next(remaining, None)
        if first is None:
            return
        self._use(first[0])
        closed: deque[tuple[Command, ScpState, Callable[[Response], None]]] = deque()  # and not yet answered

        def commands() -> Iterator[Command]:
            for command, told in chain((first,), remaining):
                due = self._close(command)
                closed.append((command, copy(self._state), told))
                yield due

        for response in self._transmit_each(commands()):
            command, state, told = closed.popleft()
            told(self._opened(response, command, state))
        self._dead = bool(closed)

    def _use(self, command: Command) -> None:
        if self._dead:
            raise CardChannelBroken("the channel to the card has ended", step=f"{command.ins:02X}")
        self._dead = True  # what is raised on the way leaves it so

    def _opened(self, response: Response, command: Command, state: ScpState) -> Response:
        if response.status == OK or response.status >> 8 in (0x62, 0x63):
            return Response(self._open(response, command, state), response.status)
        return Response(b"", response.status)

    def _close(self, command: Command) -> Command:
        data = command.data
        if self._level & C_DECRYPTION:
            if data:
                data = self._state.encrypt(data)
            else:
                self._state._enc_counter += 1  # 6.2.6: counted, and not encrypted; yubikit has no word for it
        data += self._state.mac(_covered(command, data))
        le = MAX_SHORT_LE if command.le is None and self._level & R_MAC else command.le
        return Command(command.cla | _SECURE_MESSAGING, command.ins, command.p1, command.p2, data, le)

    def _open(self, response: Response, command: Command, state: ScpState) -> bytes:
        from yubikit.core import BadResponseError

        if not self._level & R_MAC:
            return response.data
        try:
            data: bytes = state.unmac(response.data, response.status)
            if data and self._level & R_ENCRYPTION:
                data = state.decrypt(data)
        except (BadResponseError, IndexError, ValueError):  # the latter two: padding that is none, half a block
            raise CardChannelBroken(
                "an answer of the card is not protected as agreed",
                step=f"{command.ins:02X}",
                status=f"{response.status:04X}",
            ) from None
        return data


def ask_opening(transmit: Transmit, challenge: bytes) -> Opening:
    """What the selected application tells of its card; nothing is proved by it, and nothing lost.

    challenge: 8 octets of chance. Raises CardRefused, MalformedCardAnswer, CardBelongsElsewhere.
    """
    return Opening.decode(transmit(Command(0x80, 0x50, 0, 0, challenge, MAX_SHORT_LE)).expect(_OPENING))


def open_channel(
    transmit: Transmit,
    keys: CardKeyProvider,
    *,
    application: bytes,
    challenge: bytes,
    level: int = ALL,
    transmit_each: TransmitEach | None = None,
) -> SecureChannel:
    """Open a channel to the selected application.

    application: its whole AID, of which a card may make its challenge. challenge: 8 octets of chance. level: a sum of
    C_MAC (always), C_DECRYPTION, R_MAC, R_ENCRYPTION.
    Raises CardNotGenuine where the card does not know its keys, before anything that costs it a try; CardRefused,
    MalformedCardAnswer; CardBelongsElsewhere for a card with another protocol, level or key version.
    """
    opening = ask_opening(transmit, challenge)
    if not opening.offers(level):
        raise CardBelongsElsewhere(
            "the card does not protect its answers as asked", step=_OPENING, parameter=opening.parameter
        )
    key_set = keys.key_set(opening.key_version, opening.serial)
    context = challenge + opening.challenge
    mac_key = _derive(key_set.mac, _S_MAC, context, len(key_set.mac))
    expected = _derive(mac_key, _CARD_CRYPTOGRAM, context, CRYPTOGRAM_OCTETS)
    if not hmac.compare_digest(expected, opening.cryptogram):
        raise CardNotGenuine("the card does not know the keys of its version", step=_OPENING)
    if opening.sequence:
        predicted = _derive(key_set.enc, _CARD_CHALLENGE, opening.sequence + application, CHALLENGE_OCTETS)
        if not hmac.compare_digest(predicted, opening.challenge):
            raise CardNotGenuine("the card's challenge is not made of its sequence number", step=_OPENING)
    state = _state(key_set, mac_key, context)
    cryptogram = _derive(mac_key, _HOST_CRYPTOGRAM, context, CRYPTOGRAM_OCTETS)
    authenticate = Command(0x84, 0x82, level, 0, cryptogram)
    mac = state.mac(_covered(authenticate, cryptogram))
    transmit(Command(0x84, 0x82, level, 0, cryptogram + mac)).expect("EXTERNAL AUTHENTICATE")
    return SecureChannel(transmit, transmit_each or one_by_one(transmit), opening, key_set, state, level)


def _state(keys: KeySet, mac_key: bytes, context: bytes) -> ScpState:
    from yubikit.core.smartcard.scp import ScpState, SessionKeys

    encryption_key = _derive(keys.enc, _S_ENC, context, len(keys.enc))
    response_key = _derive(keys.mac, _S_RMAC, context, len(keys.mac))
    return ScpState(SessionKeys(encryption_key, mac_key, response_key))


def _covered(command: Command, data: bytes) -> bytes:
    """What a C-MAC covers: header, Lc with the MAC counted in, data."""
    length = len(data) + MAC_OCTETS
    lc = bytes((length,)) if length <= MAX_SHORT_DATA else b"\0" + length.to_bytes(2)
    return bytes((command.cla | _SECURE_MESSAGING, command.ins, command.p1, command.p2)) + lc + data


def _derive(key: bytes, constant: int, context: bytes, octets: int) -> bytes:
    """Amendment D, 4.1.5."""
    before = bytes(11) + bytes((constant, 0)) + (8 * octets).to_bytes(2)
    return derive_in_counter_mode(lambda message: aes_cmac(key, message), before, context, octets)


def longest_data(block: int) -> int:
    """Octets of plain data that a command or an answer holds which has `block` octets with its padding and MAC."""
    return (block - MAC_OCTETS) // BLOCK_OCTETS * BLOCK_OCTETS - 1


def _malformed(**facts: int) -> MalformedCardAnswer:
    return MalformedCardAnswer(f"an answer to {_OPENING} that is none", step=_OPENING, **facts)
