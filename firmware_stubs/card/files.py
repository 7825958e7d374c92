"""Transparent files: SELECT, READ, UPDATE BINARY, CREATE FILE, and who may (ISO/IEC 7816-4, 7.1 and 7.2; 7816-9)."""

from __future__ import annotations

from typing import Final

from firmware_stubs.card import tlv
from firmware_stubs.card.apdu import MAX_SHORT_LE, Command, Refused, Status
from firmware_stubs.card.memory import LifeCycle, Memory
from firmware_stubs.card.profile import Access, Profile

CREATE_TAG: Final = 0x63  # 63 04 size fid
OFFSET_TAG: Final = 0x54
DISCRETIONARY_TAGS: Final = (0x53, 0x73)


class FileSystem:
    """The files as one power-on sees them. proved, below: what the other side has proved in this session."""

    def __init__(self, memory: Memory, profile: Profile) -> None:
        self._memory = memory
        self._profile = profile
        self._current: int | None = None
        self.application = False

    def select_application(self, name: bytes) -> None:
        """Select by AID, whole or its beginning. Raises Refused with 6A82."""
        if not name or not self._profile.aid.startswith(name):
            raise Refused(Status.FILE_NOT_FOUND)
        self.application = True
        self._current = None

    def select_file(self, fid: int) -> None:
        """Select an elementary file by its identifier. Raises Refused with 6A82."""
        self._current = self._found(fid)

    def create(self, data: bytes, proved: Access) -> None:
        """CREATE FILE, filled with zeros. Raises Refused."""
        self._require_personaliser(proved)
        told = tlv.only(data, CREATE_TAG)
        if len(told) != 4:
            raise Refused(Status.WRONG_DATA)
        size, fid = int.from_bytes(told[:2]), int.from_bytes(told[2:])
        if not size or fid not in self._profile.read:
            raise Refused(Status.WRONG_DATA)
        files = self._memory.files
        if fid in files:
            raise Refused(Status.FILE_EXISTS)
        if sum(map(len, files.values())) + size > self._profile.memory_bytes:
            raise Refused(Status.NOT_ENOUGH_MEMORY)
        files[fid] = bytearray(size)
        self._memory.life_cycle = LifeCycle.INITIALISED
        self._memory.unsaved = True
        self._current = fid

    def read(self, command: Command, proved: Access) -> tuple[bytes, Status]:
        """READ BINARY, B0 and B1: the bytes, with 6282 where the file ended before. Raises Refused."""
        odd = bool(command.ins & 1)
        fid, offset = self._addressed(command)
        if odd:
            offset = _offset(tlv.decode(command.data))
        elif command.data:
            raise Refused(Status.WRONG_LENGTH)
        self._require_reader(fid, proved)
        if command.le is None:
            raise Refused(Status.WRONG_LENGTH)
        content = self._memory.files[fid]
        if offset > len(content) or (offset == len(content) and content):
            raise Refused(Status.WRONG_OFFSET)
        # Le of an odd INS counts the data object whole; 4 bytes are the most that its tag and length take here.
        asked = command.le
        if odd:
            asked = max(asked - (2 if asked <= 0x81 else 3 if asked <= 0x102 else 4), 0)
        part = bytes(content[offset : offset + asked])
        whole = command.le in (MAX_SHORT_LE, 1 << 16) or len(part) == asked
        return (tlv.encode(DISCRETIONARY_TAGS[0], part) if odd else part), Status.OK if whole else Status.END_OF_FILE

    def update(self, command: Command, proved: Access) -> None:
        """UPDATE BINARY, D6 and D7: all of it or, where it is refused, nothing. Raises Refused."""
        fid, offset = self._addressed(command)
        data = command.data
        if command.ins & 1:
            objects = tlv.decode(data)
            offset = _offset(objects[:1])
            if len(objects) != 2 or objects[1][0] not in DISCRETIONARY_TAGS:
                raise Refused(Status.WRONG_DATA)
            data = objects[1][1]
        self._require_personaliser(proved)
        content = self._memory.files[fid]
        if not data:
            raise Refused(Status.WRONG_LENGTH)
        if offset >= len(content):
            raise Refused(Status.WRONG_OFFSET)
        if offset + len(data) > len(content):
            raise Refused(Status.NOT_ENOUGH_MEMORY)
        content[offset : offset + len(data)] = data
        self._memory.unsaved = True

    def _found(self, fid: int) -> int:
        visible = fid in self._profile.master or self.application
        if not visible or fid not in self._memory.files:
            raise Refused(Status.FILE_NOT_FOUND)
        return fid

    def _addressed(self, command: Command) -> tuple[int, int]:
        """Which file, and the offset of P1-P2: of the current file, or with bit 8 of P1 of a short identifier's."""
        if command.ins & 1:
            if command.p1p2:
                is_short = not command.p1 and not command.p2 & 0xE0
                self._current = self._found(0x0100 | command.p2 if is_short else command.p1p2)
            offset = 0
        elif command.p1 & 0x80:
            if command.p1 & 0x60:
                raise Refused(Status.WRONG_P1_P2)
            self._current = self._found(0x0100 | command.p1 & 0x1F)
            offset = command.p2
        else:
            offset = command.p1p2
        if self._current is None:
            raise Refused(Status.NO_CURRENT_FILE)
        return self._current, offset

    def _require_personaliser(self, proved: Access) -> None:
        if proved is not Access.PERSONALISER:
            raise Refused(Status.SECURITY_NOT_SATISFIED)
        if self._memory.life_cycle >= LifeCycle.OPERATIONAL:
            raise Refused(Status.CONDITIONS_NOT_SATISFIED)

    def _require_reader(self, fid: int, proved: Access) -> None:
        needed = self._profile.read[fid]
        before_issue = self._memory.life_cycle < LifeCycle.OPERATIONAL and proved is Access.PERSONALISER
        if needed is not Access.ALWAYS and proved is not needed and not before_issue:
            raise Refused(Status.SECURITY_NOT_SATISFIED)


def _offset(objects: list[tuple[int, bytes]]) -> int:
    match objects:
        case [(tag, value)] if tag == OFFSET_TAG and 1 <= len(value) <= 3:
            return int.from_bytes(value)
    raise Refused(Status.WRONG_DATA)
