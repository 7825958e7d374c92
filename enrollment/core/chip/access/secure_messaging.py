"""Secure messaging: each command and answer in data objects, encrypted and authenticated, counted.

    command  CLA|0C INS P1 P2   [87 01 data | 85 data where INS is odd] [97 Le] 8E MAC
    answer                      [87 01 data | 85 data] 99 status 8E MAC

A MAC is over the counter, the header padded, and the objects; the counter goes up before each. An answer's MAC is
checked before anything in it is believed, its status word too. What cannot be trusted ends the session for good.
Source: ICAO Doc 9303-11, 8th edition, 9.8; ISO/IEC 7816-4, 10.
"""

from __future__ import annotations

import hmac
from typing import Final

from enrollment.core.chip.access.suites import MAC_OCTETS, Suite, padded, suite_of, unpadded
from enrollment.core.chip.apdu import MAX_LE, MAX_SHORT_DATA, MAX_SHORT_LE, Command, Response, Transmit
from enrollment.core.errors import CardRefused, EnrollmentError, MalformedCardAnswer, MalformedRecord
from enrollment.core.records.data_object import DataObject, read_objects

PROTECTED: Final = 0x0C  # in CLA: secure messaging, the header authenticated
STEP: Final = "secure messaging"

_PLAIN_VALUE, _INDICATED, _LE, _STATUS, _MAC = 0x85, 0x87, 0x97, 0x99, 0x8E
_ANSWERS: Final = {(_STATUS, _MAC), (_INDICATED, _STATUS, _MAC), (_PLAIN_VALUE, _STATUS, _MAC)}  # tags in their order
_TRAILER_OCTETS: Final = 4 + 2 + MAC_OCTETS  # of an answer: 99 and 8E
_PADDING_INDICATOR: Final = b"\x01"


class Session:
    """One session; `send` is itself a Transmit. counter: a block, from which counting goes on."""

    def __init__(self, transmit: Transmit, suite: Suite, counter: bytes) -> None:
        self._transmit = transmit
        self._suite = suite
        self._counter = int.from_bytes(counter, "big")
        self._over: EnrollmentError | None = None

    @classmethod
    def agreed(cls, transmit: Transmit, secret: bytes, octets: int) -> Session:
        """A session of keys from an agreed secret, its counter at zero. octets: of an AES key, or keys.TRIPLE_DES."""
        suite = suite_of(secret, octets)
        return cls(transmit, suite, bytes(suite.block))

    @property
    def is_over(self) -> bool:
        """Whether an answer ended it."""
        return self._over is not None

    def send(self, command: Command) -> Response:
        """Exchange a command.

        Raises MalformedCardAnswer for an answer whose objects or MAC are not right, CardRefused for one that is not
        protected; the session is over then, and so it is said again to whoever sends more.
        """
        if self._over is not None:
            raise type(self._over)(str(self._over), **self._over.facts)
        wrapped = self._wrap(command)
        try:
            return self._unwrap(self._transmit(wrapped))
        except EnrollmentError as error:
            self._over = error
            raise

    def room(self, octets: int) -> int:
        """The longest plain data whose protected answer has at most this many octets; 1 at least."""
        block = self._suite.block
        sealed = (octets - _TRAILER_OCTETS) // block * block
        while sealed > 0 and _answer_octets(sealed) > octets:
            sealed -= block
        return max(sealed - 1, 1)

    def _wrap(self, command: Command) -> Command:
        header = bytes((command.cla | PROTECTED, command.ins, command.p1, command.p2))
        counter = self._count()
        objects = b""
        if command.data:
            sealed = self._suite.encrypt(counter, self._padded(command.data))
            objects = _data_object(command.ins, sealed)
        if command.le is not None:
            objects += DataObject(_LE, _le_octets(command.le)).encode()
        mac = self._suite.mac(self._padded(counter + self._padded(header) + objects))
        body = objects + DataObject(_MAC, mac).encode()
        return Command(command.cla | PROTECTED, command.ins, command.p1, command.p2, body, self._asked(command, body))

    def _asked(self, command: Command, body: bytes) -> int:
        """Le of the protected command: as much as there can be, in the short form where all fits.

        Also where as much as there is was asked for in the short form; what does not fit is fetched by GET RESPONSE.
        """
        block = self._suite.block
        answer = _answer_octets(0 if command.le is None else (command.le // block + 1) * block)
        is_short = answer <= MAX_SHORT_LE or command.le == MAX_SHORT_LE
        return MAX_SHORT_LE if is_short and len(body) <= MAX_SHORT_DATA else MAX_LE

    def _unwrap(self, answer: Response) -> Response:
        counter = self._count()
        if not answer.data:
            message = f"the card broke off secure messaging with {answer.status:04X}"
            raise CardRefused(message, step=STEP, status=f"{answer.status:04X}")
        try:
            objects = read_objects(answer.data, STEP)
        except MalformedRecord:
            raise _malformed("it is not of data objects") from None
        if tuple(found.tag for found in objects) not in _ANSWERS:
            raise _malformed("other data objects than data, status and MAC")
        *protected, mac = objects
        signed = answer.data[: len(answer.data) - len(mac.encode())]
        if not hmac.compare_digest(self._suite.mac(self._padded(counter + signed)), mac.value):
            raise _malformed("its MAC does not hold")
        status = int.from_bytes(protected[-1].value, "big")
        if len(protected[-1].value) != 2 or status != answer.status:
            raise _malformed("two status words that differ")
        return Response(self._opened(protected[0], counter) if len(protected) == 2 else b"", status)

    def _opened(self, found: DataObject, counter: bytes) -> bytes:
        sealed = found.value
        if found.tag == _INDICATED:
            sealed = sealed[1:] if sealed[:1] == _PADDING_INDICATOR else b""
        if not sealed or len(sealed) % self._suite.block:
            raise _malformed("its data are not of whole blocks")
        plain = unpadded(self._suite.decrypt(counter, sealed))
        if plain is None:
            raise _malformed("its data are not padded")
        return plain

    def _count(self) -> bytes:
        self._counter = (self._counter + 1) % (1 << 8 * self._suite.block)
        return self._counter.to_bytes(self._suite.block, "big")

    def _padded(self, octets: bytes) -> bytes:
        return padded(octets, self._suite.block)


def _data_object(instruction: int, sealed: bytes) -> bytes:
    if instruction & 1:  # its data are themselves data objects: 10.4, table 31
        return DataObject(_PLAIN_VALUE, sealed).encode()
    return DataObject(_INDICATED, _PADDING_INDICATOR + sealed).encode()


def _answer_octets(sealed: int) -> int:
    """Of a protected answer with so many octets of encrypted data."""
    value = 1 + sealed
    length = 1 + (value > 0x7F) + (value > 0xFF) + (value > 0xFFFF)
    return _TRAILER_OCTETS + (1 + length + value if sealed else 0)


def _le_octets(le: int) -> bytes:
    return (le & 0xFF).to_bytes(1, "big") if le <= MAX_SHORT_LE else (le & 0xFFFF).to_bytes(2, "big")


def _malformed(why: str) -> MalformedCardAnswer:
    return MalformedCardAnswer(f"{STEP}: the answer cannot be trusted, {why}", step=STEP)
