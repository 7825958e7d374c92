"""What the card answers an APDU: class, chaining, secure channels, instructions, life cycle, GET RESPONSE."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from firmware_stubs.card import bac, scp03, tlv
from firmware_stubs.card.apdu import CHAINED, MAX_SHORT_LE, Command, Refused, Status, decode
from firmware_stubs.card.channel import SecureChannel
from firmware_stubs.card.files import FileSystem
from firmware_stubs.card.genuineness import ChipAuthentication, internal_authenticate
from firmware_stubs.card.memory import LifeCycle, Memory
from firmware_stubs.card.pace import Pace
from firmware_stubs.card.passwords import MRZ, password
from firmware_stubs.card.profile import VN_CCCD, Access, Profile

MAX_CHAINED_BYTES: Final = 65_535
MAX_ANSWER_BYTES: Final = 65_533  # what vpcd carries beside a status word
PROPRIETARY: Final = 0x80
LOCK: Final = 0xDEAD
OBJECT_TAGS: Final = range(0x60, 0x70)  # what PUT DATA takes: keys and passwords of the chip protocols
CARD_STATUS, TERMINATE = 0x80, 0x7F


class Card:
    """One card; not for two threads at once.

    keep: called when a change of `memory` must be durable before the answer leaves: a counter, a key, the life cycle.
    random: N bytes of chance; known-answer tests give their own.
    """

    def __init__(
        self,
        memory: Memory,
        profile: Profile = VN_CCCD,
        keep: Callable[[], None] = lambda: None,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._random = random
        self.memory = memory
        self.profile = profile
        self.keep = keep
        self.power_off()

    def power_off(self) -> None:
        """Forget what lives in RAM alone: the selection, the channel, a half chain. A reset does the same."""
        self._files = FileSystem(self.memory, self.profile)
        self._opening: scp03.Opening | None = None
        self._channel: SecureChannel | None = None
        self._challenge = b""
        self._agreement: Pace | ChipAuthentication | None = None
        self._chain: Command | None = None
        self._rest = b""
        self._rest_status = int(Status.OK)

    def transmit(self, raw: bytes) -> bytes:
        """Answer one command APDU: response data and status word. Takes any bytes."""
        try:
            return self._answered(decode(raw))
        except Refused as refused:
            return refused.status.to_bytes(2)

    def _answered(self, command: Command) -> bytes:
        if command.extended and not self.profile.extended:
            raise Refused(Status.WRONG_LENGTH)
        if command.ins == 0xC0 and not command.cla & ~0x0C:
            return self._get_response(command)
        self._rest = b""
        whole = self._chained(command)
        if whole is None:
            return Status.OK.to_bytes(2)
        return self._limited(*self._answer(whole), whole.le)

    def _chained(self, command: Command) -> Command | None:
        """Join a command to its chain; None while more is to come (ISO/IEC 7816-4, 5.3.3)."""
        if command.ins == 0x86:  # GENERAL AUTHENTICATE marks its steps like a chain, and each is answered
            return replace(command, cla=command.cla & ~CHAINED)
        begun, self._chain = self._chain, None
        if begun is not None:
            same = (command.cla & ~CHAINED, command.ins, command.p1p2) == (begun.cla, begun.ins, begun.p1p2)
            if not same:
                raise Refused(Status.LAST_OF_CHAIN_EXPECTED)
        is_last = not command.cla & CHAINED
        if begun is None and is_last:
            return command
        data = (begun.data if begun else b"") + command.data
        if len(data) > MAX_CHAINED_BYTES:
            raise Refused(Status.WRONG_LENGTH)
        joined = Command(
            command.cla & ~CHAINED, command.ins, command.p1, command.p2, data, command.le, command.extended
        )
        if is_last:
            return joined
        self._chain = joined
        return None

    def _answer(self, command: Command) -> tuple[bytes, int]:
        opening, self._opening = self._opening, None
        if command.cla & ~(PROPRIETARY | 0x0C):
            raise Refused(Status.CLA_NOT_SUPPORTED)
        if command.ins == 0x82 and command.cla == 0x84:
            return self._external_authenticate(command, opening)
        channel = self._channel
        if channel is None:
            if command.cla & 0x0C:
                raise Refused(Status.SECURITY_NOT_SATISFIED)
            return self._plainly(command, Access.ALWAYS)
        if not channel.is_wrapped(command):
            self._channel = None  # a plain command ends the session
            return self._plainly(command, Access.ALWAYS)
        try:
            opened = channel.unwrap(command)
        except Refused:
            self._channel = None
            raise
        data, status = self._plainly(opened, channel.proved)
        return channel.wrap(data, status), status

    def _plainly(self, command: Command, proved: Access) -> tuple[bytes, int]:
        try:
            return self._execute(command, proved)
        except Refused as refused:
            return b"", refused.status

    def _execute(self, command: Command, proved: Access) -> tuple[bytes, int]:
        memory, files = self.memory, self._files
        if memory.life_cycle is LifeCycle.LOCKED:
            raise Refused(Status.DEACTIVATED if command.ins == 0xA4 else Status.CONDITIONS_NOT_SATISFIED)
        match command.cla & PROPRIETARY, command.ins:
            case 0, 0xA4:
                return self._select(command)
            case 0, 0xB0 | 0xB1:
                return files.read(command, proved)
            case 0, 0xD6 | 0xD7:
                files.update(command, proved)
            case 0, 0xE0:
                files.create(command.data, proved)
            case _, 0xDA if command.p1p2 == LOCK:
                self._lock(proved)
            case 0, 0xDA:
                self._put_data(command, proved)
            case 0, 0x84:
                return self._get_challenge(command)
            case 0, 0x82:
                return self._mutual_authenticate(command)
            case 0, 0x22:
                self._set_authentication_template(command, proved)
            case 0, 0x86:
                return self._general_authenticate(command)
            case 0, 0x88:
                if proved is not Access.READER:
                    raise Refused(Status.SECURITY_NOT_SATISFIED)
                return internal_authenticate(command.data, memory.objects, self._random), Status.OK
            case 0x80, 0x50:
                answer, self._opening = scp03.initialize_update(command, memory, self.profile)
                self._channel = None
                self.keep()  # the sequence counter
                return answer, Status.OK
            case 0x80, 0xD8:
                self._require_personaliser(proved)
                answer = scp03.put_key(command, memory)
                self.keep()
                return answer, Status.OK
            case 0x80, 0xF0:
                self._set_status(command, proved)
            case _:
                raise Refused(Status.INS_NOT_SUPPORTED)
        return b"", Status.OK

    def _select(self, command: Command) -> tuple[bytes, int]:
        match command.p1, command.p2 & 0xF3:
            case 0x04, 0x00:
                self._files.select_application(command.data)
            case 0x02, 0x00:
                if len(command.data) != 2:
                    raise Refused(Status.WRONG_LENGTH)
                self._files.select_file(int.from_bytes(command.data))
            case 0x00, _:  # the real card has no selectable master file
                raise Refused(Status.INS_NOT_SUPPORTED)
            case _:
                raise Refused(Status.WRONG_P1_P2)
        return b"", Status.OK

    def _put_data(self, command: Command, proved: Access) -> None:
        self._require_personaliser(proved)
        if self.memory.life_cycle >= LifeCycle.OPERATIONAL:
            raise Refused(Status.CONDITIONS_NOT_SATISFIED)
        if command.p1 or command.p2 not in OBJECT_TAGS:
            raise Refused(Status.WRONG_P1_P2)
        self.memory.objects[command.p2] = tlv.only(command.data, command.p2)
        self.keep()

    def _lock(self, proved: Access) -> None:
        """End personalisation, for good."""
        self._require_personaliser(proved)
        if self.memory.life_cycle is not LifeCycle.INITIALISED:
            raise Refused(Status.CONDITIONS_NOT_SATISFIED)
        self.memory.life_cycle = LifeCycle.OPERATIONAL
        self.keep()

    def _set_status(self, command: Command, proved: Access) -> None:
        """SET STATUS of the card to TERMINATED (GlobalPlatform 11.10): nothing opens it again."""
        self._require_personaliser(proved)
        if (command.p1, command.p2) != (CARD_STATUS, TERMINATE):
            raise Refused(Status.WRONG_P1_P2)
        self.memory.life_cycle = LifeCycle.LOCKED
        self.keep()

    def _external_authenticate(self, command: Command, opening: scp03.Opening | None) -> tuple[bytes, int]:
        self._channel = None
        before = self.memory.tries
        try:
            self._channel = scp03.external_authenticate(command, opening, self.memory, self.profile.scp_i)
        finally:
            if self.memory.tries != before:
                self.keep()
        return b"", Status.OK

    def _get_challenge(self, command: Command) -> tuple[bytes, int]:
        if command.le != 8:
            raise Refused(Status.WRONG_LENGTH)
        self._challenge = self._random(8)
        return self._challenge, Status.OK

    def _mutual_authenticate(self, command: Command) -> tuple[bytes, int]:
        """BAC; a challenge serves once."""
        challenge, self._challenge = self._challenge, b""
        if not challenge or not self._files.application:
            raise Refused(Status.CONDITIONS_NOT_SATISFIED)
        digest = password(self.memory.objects, MRZ)
        answer, self._channel = bac.mutual_authenticate(command.data, challenge, digest, self._random(16))
        return answer, Status.OK

    def _set_authentication_template(self, command: Command, proved: Access) -> None:
        """MSE:Set AT of PACE (C1A4) or of chip authentication (41A4)."""
        self._agreement = None
        match command.p1p2:
            case 0xC1A4:
                self._agreement = Pace(command.data, self.memory.objects, self._random)
            case 0x41A4:
                if proved is not Access.READER:
                    raise Refused(Status.SECURITY_NOT_SATISFIED)
                self._agreement = ChipAuthentication(command.data, self.memory.objects)
            case _:
                raise Refused(Status.WRONG_P1_P2)

    def _general_authenticate(self, command: Command) -> tuple[bytes, int]:
        agreement, self._agreement = self._agreement, None
        if agreement is None:
            raise Refused(Status.CONDITIONS_NOT_SATISFIED)
        answer, session = agreement.general_authenticate(command.data)
        if session is None:
            self._agreement = agreement
        else:
            self._channel = session
        return answer, Status.OK

    @staticmethod
    def _require_personaliser(proved: Access) -> None:
        if proved is not Access.PERSONALISER:
            raise Refused(Status.SECURITY_NOT_SATISFIED)

    def _limited(self, data: bytes, status: int, le: int | None) -> bytes:
        """As much as was asked for; the rest waits for GET RESPONSE."""
        most = min(MAX_SHORT_LE if le is None else le, MAX_ANSWER_BYTES)
        if len(data) <= most:
            return data + status.to_bytes(2)
        self._rest, self._rest_status = data[most:], status
        return data[:most] + (Status.MORE_DATA | self._told_rest()).to_bytes(2)

    def _get_response(self, command: Command) -> bytes:
        if not self._rest:
            raise Refused(Status.CONDITIONS_NOT_SATISFIED)
        data, self._rest = self._rest, b""
        return self._limited(data, self._rest_status, command.le)

    def _told_rest(self) -> int:
        return len(self._rest) if len(self._rest) < MAX_SHORT_LE else 0
