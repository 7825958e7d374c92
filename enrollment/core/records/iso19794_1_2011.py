"""What all 2011 records of ISO/IEC 19794 share (part 1, clause 12): the general header, and what a representation says
of its capture.

    general header                          capture block of a representation
      format identifier     4                 time of capture            9
      version               4                 device technology          1
      length of the record  4                 device vendor              2
      representations       2                 device type                2
      certification flag    1                 number of quality blocks   1, then 5 each:
                                                score 1, algorithm's vendor 2, algorithm 2
                                              where the flag is 1:
                                              number of certifications   1, then 3 each: authority 2, scheme 1

Vendors, authorities and algorithms are numbers of the CBEFF registry; 0 is unspecified. All are kept as read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from enrollment.core.errors import MalformedRecord
from enrollment.core.records.octets import OctetReader, OctetWriter, check_range

GENERAL_HEADER_OCTETS: Final = 15
LENGTH_OCTETS: Final = 4
MAX_SCORE: Final = 100
FAILED_SCORE: Final = 255  # the algorithm could not compute one

_ABSENT_TIME: Final = b"\xff" * 9


@dataclass(frozen=True, slots=True)
class CaptureTime:
    """9 octets: year 2, month, day, hour, minute, second, milliseconds 2; all ones where a part is not known.

    Kept as read, even where it is no time of any calendar.
    """

    octets: bytes = _ABSENT_TIME

    def __post_init__(self) -> None:
        check_range(len(self.octets), len(_ABSENT_TIME), len(_ABSENT_TIME), "capture time octets", "record")

    @classmethod
    def at(cls, moment: datetime) -> CaptureTime:
        """Of an aware moment, in UTC, cut to milliseconds."""
        utc = moment.astimezone(UTC)
        parts = (utc.month, utc.day, utc.hour, utc.minute, utc.second)
        return cls(utc.year.to_bytes(2, "big") + bytes(parts) + (utc.microsecond // 1000).to_bytes(2, "big"))

    @property
    def moment(self) -> datetime | None:
        """In UTC; None where a part is missing or impossible."""
        year, milliseconds = int.from_bytes(self.octets[:2], "big"), int.from_bytes(self.octets[7:], "big")
        try:
            month, day, hour, minute, second = self.octets[2:7]
            return datetime(year, month, day, hour, minute, second, milliseconds * 1000, tzinfo=UTC)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class QualityBlock:
    """A score and the algorithm that gave it.

    score: 0..100, FAILED_SCORE, or a reserved code that was read. vendor, algorithm: 0..65535.
    """

    score: int
    vendor: int = 0
    algorithm: int = 0

    def __post_init__(self) -> None:
        check_range(self.score, 0, 0xFF, "quality score", "record")
        check_range(self.vendor, 0, 0xFFFF, "quality algorithm vendor", "record")
        check_range(self.algorithm, 0, 0xFFFF, "quality algorithm", "record")


@dataclass(frozen=True, slots=True)
class Certification:
    """A certificate of the capture device. authority: 0..65535. scheme: 0..255, 1..3 as table 5 of parts 2 and 4."""

    authority: int
    scheme: int

    def __post_init__(self) -> None:
        check_range(self.authority, 0, 0xFFFF, "certification authority", "record")
        check_range(self.scheme, 0, 0xFF, "certification scheme", "record")


@dataclass(frozen=True, slots=True)
class CaptureBlock:
    """How a representation came about.

    technology: 0 unknown, 1..20 as table 4 of parts 2 and 4. device_vendor, device_type: 0..65535.
    certifications: None where the record's certification flag is 0, else as many as there are.
    Raises MalformedRecord for what does not fit its field.
    """

    time: CaptureTime = CaptureTime()
    technology: int = 0
    device_vendor: int = 0
    device_type: int = 0
    qualities: tuple[QualityBlock, ...] = ()
    certifications: tuple[Certification, ...] | None = None

    def __post_init__(self) -> None:
        check_range(self.technology, 0, 0xFF, "capture device technology", "record")
        check_range(self.device_vendor, 0, 0xFFFF, "capture device vendor", "record")
        check_range(self.device_type, 0, 0xFFFF, "capture device type", "record")
        check_range(len(self.qualities), 0, 0xFF, "number of quality blocks", "record")
        check_range(len(self.certifications or ()), 0, 0xFF, "number of certifications", "record")

    def write(self, out: OctetWriter) -> None:
        """Append the block."""
        out.raw(self.time.octets)
        out.unsigned(self.technology, 1, "capture device technology")
        out.unsigned(self.device_vendor, 2, "capture device vendor")
        out.unsigned(self.device_type, 2, "capture device type")
        out.unsigned(len(self.qualities), 1, "number of quality blocks")
        for quality in self.qualities:
            out.unsigned(quality.score, 1, "quality score")
            out.unsigned(quality.vendor, 2, "quality algorithm vendor")
            out.unsigned(quality.algorithm, 2, "quality algorithm")
        if self.certifications is not None:
            out.unsigned(len(self.certifications), 1, "number of certifications")
            for certification in self.certifications:
                out.unsigned(certification.authority, 2, "certification authority")
                out.unsigned(certification.scheme, 1, "certification scheme")

    @classmethod
    def read(cls, reader: OctetReader, *, certified: bool) -> CaptureBlock:
        """Read the block. certified: the record's certification flag."""
        time = CaptureTime(reader.take(len(_ABSENT_TIME), "capture time"))
        technology = reader.unsigned(1, "capture device technology")
        vendor = reader.unsigned(2, "capture device vendor")
        device_type = reader.unsigned(2, "capture device type")
        qualities = tuple(
            QualityBlock(*(reader.unsigned(octets, "quality block") for octets in (1, 2, 2)))
            for _ in range(reader.unsigned(1, "number of quality blocks"))
        )
        certifications = None
        if certified:
            certifications = tuple(
                Certification(reader.unsigned(2, "certification authority"), reader.unsigned(1, "certification scheme"))
                for _ in range(reader.unsigned(1, "number of certifications"))
            )
        return cls(time, technology, vendor, device_type, qualities, certifications)


UNKNOWN_CAPTURE: Final = CaptureBlock()


class Representation(Protocol):
    """What this part needs of a representation of any other part."""

    @property
    def position(self) -> int: ...

    @property
    def number(self) -> int: ...

    @property
    def capture(self) -> CaptureBlock: ...


def check_representations(found: Sequence[Representation], of: str, record: str) -> None:
    """Raises MalformedRecord for none or too many, the same one of a finger or position twice, or no common flag.

    of: what a representation is of, in words.
    """
    check_range(len(found), 1, 0xFFFF, "number of representations", record)
    if len({(one.position, one.number) for one in found}) != len(found):
        raise MalformedRecord(f"{record}: the same representation of a {of} twice", representations=len(found))
    is_certified(found, record)


def is_certified(found: Sequence[Representation], record: str) -> bool:
    """The certification flag of a record of these. Raises MalformedRecord where they disagree."""
    flags = {one.capture.certifications is not None for one in found}
    if len(flags) != 1:
        raise MalformedRecord(
            f"{record}: some representations have a certification block and some have none", flags=len(flags)
        )
    return flags.pop()


def write_general_header(
    out: OctetWriter, identifier: bytes, version: bytes, octets: int, representations: int, *, certified: bool
) -> None:
    """Append the header. octets: length of the whole record."""
    out.raw(identifier + version)
    out.unsigned(octets, LENGTH_OCTETS, "record length")
    out.unsigned(representations, 2, "number of representations")
    out.unsigned(certified, 1, "certification flag")


def read_general_header(reader: OctetReader, identifier: bytes, version: bytes) -> tuple[int, bool]:
    """Returns the number of representations and the certification flag. Raises MalformedRecord."""
    reader.expect(identifier, "format identifier")
    reader.expect(version, "version")
    reader.expect_length(reader.unsigned(LENGTH_OCTETS, "record length"))
    count = reader.unsigned(2, "number of representations")
    with reader.locating():
        flag = reader.unsigned(1, "certification flag")
        check_range(flag, 0, 1, "certification flag", "record")
    return count, bool(flag)


def record_octets(
    found: Sequence[Representation],
    written: Sequence[bytes],
    identifier: bytes,
    version: bytes,
    record: str,
    *,
    header_end: bytes = b"",
) -> bytes:
    """A whole record. written: the octets of each representation. header_end: what a part adds to the header."""
    out = OctetWriter(record)
    total = GENERAL_HEADER_OCTETS + len(header_end) + sum(map(len, written))
    write_general_header(out, identifier, version, total, len(written), certified=is_certified(found, record))
    out.raw(header_end + b"".join(written))
    return out.encoded()


def representation_octets(out: OctetWriter) -> bytes:
    """What was written of a representation, after its length."""
    octets = out.encoded()
    return (LENGTH_OCTETS + len(octets)).to_bytes(LENGTH_OCTETS, "big") + octets


def read_representation(reader: OctetReader) -> OctetReader:
    """A reader of the next representation, after its length. Raises MalformedRecord where it does not fit."""
    rest = reader.copy()
    octets = rest.unsigned(LENGTH_OCTETS, "representation length")
    with reader.locating():
        check_range(octets, LENGTH_OCTETS, 0xFFFFFFFF, "representation length", "record")
    block = reader.block(octets, "representation")
    block.take(LENGTH_OCTETS, "representation length")
    return block
