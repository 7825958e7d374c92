"""Reading an elementary file: SELECT, its header, then exactly the octets that the header declares.

    00 A4 020C id        SELECT
    00 B0 offset Le      READ BINARY, offsets to 32,767
    00 B1 0000 54 offset READ BINARY beyond; the answer is in 53

A card may lie about lengths, answer less than it was asked for, or nothing: every read ends after a bounded number of
commands. Sources: ISO/IEC 7816-4, 7.2.3; ICAO Doc 9303-10, 8th edition, 3.6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from enrollment.core.chip.apdu import MAX_LE, Command, Response, Transmit
from enrollment.core.chip.card_profile import CardFile
from enrollment.core.chip.ef_com import DATA_GROUP_TAGS
from enrollment.core.chip.elementary_file import HEADER_OCTETS, declared_octets
from enrollment.core.errors import MalformedCardAnswer, MalformedRecord
from enrollment.core.records.data_object import DataObject, content_of, read_header
from enrollment.core.records.octets import OctetReader

LEAST_PROGRESS: Final = 16  # octets that any answer but a file's last must bring
END_OF_FILE: Final = 0x6282
LAST_SHORT_OFFSET: Final = 0x7FFF
_WRONG_LENGTH: Final = 0x6700
_LENGTH_TOLD: Final = 0x6C00  # and in the low octet the length that is right
_BEYOND_END: Final = 0x6B00
_OFFSET, _DISCRETIONARY = 0x54, 0x53
_OBJECT_OVERHEAD: Final = 4  # of 53 and its length
_LEAST_HEADER: Final = 2
_TAGS: Final = {
    "EF.CardAccess": 0x31,
    "EF.COM": 0x60,
    "EF.SOD": 0x77,
    **{f"EF.DG{number}": tag for number, tag in DATA_GROUP_TAGS.items()},
}


@dataclass(frozen=True, slots=True)
class Channel:
    """transmit: plain, or a session's. room: octets of plain data that one answer can bring."""

    transmit: Transmit
    room: int


def read_file(channel: Channel, file: CardFile, on_octets: Callable[[int], None] = lambda octets: None) -> bytes:
    """The whole file. on_octets: told after each answer how many were read.

    Raises CardRefused, naming file and command, and MalformedCardAnswer for a file that is not one object of its tag,
    lies about its length or is longer than the profile allows, and where reading makes no progress.
    """
    step = f"SELECT of {file.name}"
    channel.transmit(Command(0x00, 0xA4, 0x02, 0x0C, bytes.fromhex(file.file_id))).expect(step)
    reader = _Reader(channel, f"READ BINARY of {file.name}")
    octets = bytearray(reader.read(0, HEADER_OCTETS, least=_LEAST_HEADER))  # a file may be shorter
    total = reader.declared(bytes(octets), file)
    while len(octets) < total:
        on_octets(len(octets))
        left = total - len(octets)
        octets += reader.read(len(octets), left, least=min(left, LEAST_PROGRESS))
    on_octets(total)
    return bytes(octets[:total])


class _Reader:
    """READ BINARY of the selected file, in pieces that become smaller where the card asks for that, never larger."""

    def __init__(self, channel: Channel, step: str) -> None:
        self._transmit = channel.transmit
        self._room = min(channel.room, MAX_LE)
        self._step = step

    def declared(self, start: bytes, file: CardFile) -> int:
        """Octets of the whole file."""
        try:
            tag, _ = read_header(OctetReader(start, file.name), file.name)
            return declared_octets(start, _TAGS.get(file.name, tag), file.name, file.max_octets)
        except MalformedRecord as error:
            raise self._malformed(str(error)) from None

    def read(self, offset: int, wanted: int, *, least: int) -> bytes:
        """Octets from there, at most `wanted`."""
        while True:
            overhead = _OBJECT_OVERHEAD if offset > LAST_SHORT_OFFSET else 0
            asked = min(wanted, max(self._room - overhead, 1))
            found = self._exchange(offset, asked)
            if found.status == _WRONG_LENGTH or found.status & 0xFF00 == _LENGTH_TOLD:
                self._room = self._smaller(asked, found) + overhead
                continue
            if found.status == _BEYOND_END and offset:
                raise self._malformed("the file ends before its declared length")
            data = found.expect(self._step, END_OF_FILE)
            if offset > LAST_SHORT_OFFSET:
                data = self._content(data)
            if len(data) > asked:
                raise self._malformed("more octets than were asked for")
            if found.status == END_OF_FILE and offset and len(data) < asked:
                raise self._malformed("the file ends before its declared length")
            if len(data) < min(least, asked):
                raise self._malformed("reading makes no progress")
            return data

    def _exchange(self, offset: int, asked: int) -> Response:
        if offset <= LAST_SHORT_OFFSET:
            return self._transmit(Command(0x00, 0xB0, offset >> 8, offset & 0xFF, le=asked))
        where = DataObject(_OFFSET, offset.to_bytes(3 if offset > 0xFFFF else 2, "big")).encode()
        header = 2 + (asked > 0x7F) + (asked > 0xFF)
        return self._transmit(Command(0x00, 0xB1, 0, 0, where, le=min(asked + header, MAX_LE)))

    def _smaller(self, asked: int, refused: Response) -> int:
        """A piece that the card may answer. Raises CardRefused where there is none."""
        told = refused.status & 0xFF
        if asked <= LEAST_PROGRESS:
            refused.expect(self._step)
        smaller = told if refused.status != _WRONG_LENGTH and 0 < told < asked else asked // 2
        return max(smaller, LEAST_PROGRESS)

    def _content(self, data: bytes) -> bytes:
        try:
            return content_of(data, _DISCRETIONARY, self._step)
        except MalformedRecord as error:
            raise self._malformed(str(error)) from None

    def _malformed(self, why: str) -> MalformedCardAnswer:
        return MalformedCardAnswer(f"{self._step}: {why}", step=self._step)
