"""What the extended data of finger image records of 2011 means: segmentation, annotation, comment.

    1 segmentation                            2 annotation              3 comment
      segmentation's vendor   2                 number of them   1        text, to the end
      segmentation algorithm  2                 finger position  1
      confidence              1                 reason           1
      confidence's vendor     2
      confidence algorithm    2
      number of segments      1
      finger position         1
      confidence              1
      number of corners       1
      x, y of a corner        2 + 2
      orientation             1, units of 360/256 degrees

Read an `ExtendedArea`'s content with `decode`; write one with `area`. What it cannot say, it refuses: a record keeps
the area's octets whatever they hold. Source: ISO/IEC 19794-4:2011, 8.4; there is none of it in 2005.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from enrollment.core.errors import MalformedRecord
from enrollment.core.records.extended_data import ExtendedArea
from enrollment.core.records.octets import OctetReader, OctetWriter, check_range

MIN_CORNERS: Final = 2  # two are opposite corners of an upright rectangle, more are a polygon

_NAME: Final = "extended image data"


class ImageArea(IntEnum):
    """Extended data types."""

    SEGMENTATION = 1
    ANNOTATION = 2
    COMMENT = 3


class Absence(IntEnum):
    """Why there is no usable finger; other codes are reserved and kept."""

    AMPUTATED = 1
    UNUSABLE = 2


@dataclass(frozen=True, slots=True)
class Segment:
    """Where one finger lies in a slap.

    position: of the finger. confidence: 0..100, 254 not reported, 255 failed. corners: (x, y) pixels, MIN_CORNERS or
    more. orientation: 0..255, units of 360/256 degrees, counterclockwise from upright.
    """

    position: int
    corners: tuple[tuple[int, int], ...]
    confidence: int = 254
    orientation: int = 0

    def __post_init__(self) -> None:
        check_range(self.position, 0, 0xFF, "finger position", _NAME)
        check_range(self.confidence, 0, 0xFF, "segmentation confidence", _NAME)
        check_range(self.orientation, 0, 0xFF, "finger orientation", _NAME)
        check_range(len(self.corners), MIN_CORNERS, 0xFF, "number of corners", _NAME)
        for x, y in self.corners:
            check_range(x, 0, 0xFFFF, "corner x", _NAME)
            check_range(y, 0, 0xFFFF, "corner y", _NAME)


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Where the fingers of a slap lie. algorithm, confidence_algorithm: vendor and algorithm, 0 unspecified."""

    segments: tuple[Segment, ...]
    algorithm: tuple[int, int] = (0, 0)
    confidence: int = 254
    confidence_algorithm: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        check_range(self.confidence, 0, 0xFF, "segmentation confidence", _NAME)
        check_range(len(self.segments), 0, 0xFF, "number of segments", _NAME)
        for value in (*self.algorithm, *self.confidence_algorithm):
            check_range(value, 0, 0xFFFF, "segmentation algorithm", _NAME)

    def area(self) -> ExtendedArea:
        """As extended data."""
        out = OctetWriter(_NAME)
        for value in self.algorithm:
            out.unsigned(value, 2, "segmentation algorithm")
        out.unsigned(self.confidence, 1, "segmentation confidence")
        for value in self.confidence_algorithm:
            out.unsigned(value, 2, "confidence algorithm")
        out.unsigned(len(self.segments), 1, "number of segments")
        for segment in self.segments:
            out.raw(bytes((segment.position, segment.confidence, len(segment.corners))))
            for corner in segment.corners:
                for value in corner:
                    out.unsigned(value, 2, "corner")
            out.unsigned(segment.orientation, 1, "finger orientation")
        return ExtendedArea(ImageArea.SEGMENTATION, out.encoded())

    @classmethod
    def decode(cls, content: bytes, width: int, height: int) -> Segmentation:
        """width, height: of the image, pixels. Raises MalformedRecord, also for a corner that lies outside."""
        reader = OctetReader(content, _NAME)
        algorithm = reader.unsigned(2, "segmentation vendor"), reader.unsigned(2, "segmentation algorithm")
        confidence = reader.unsigned(1, "segmentation confidence")
        judged_by = reader.unsigned(2, "confidence vendor"), reader.unsigned(2, "confidence algorithm")
        segments = tuple(_read_segment(reader, width, height) for _ in range(reader.unsigned(1, "number of segments")))
        reader.expect_end()
        return cls(segments, algorithm, confidence, judged_by)


def _read_segment(reader: OctetReader, width: int, height: int) -> Segment:
    with reader.locating():
        position, confidence, count = reader.take(3, "segment")
        corners = tuple((reader.unsigned(2, "corner x"), reader.unsigned(2, "corner y")) for _ in range(count))
        for x, y in corners:
            check_range(x, 0, width, "corner x", _NAME)  # the edges belong to the image
            check_range(y, 0, height, "corner y", _NAME)
        return Segment(position, corners, confidence, reader.unsigned(1, "finger orientation"))


@dataclass(frozen=True, slots=True)
class Annotations:
    """Finger position and Absence of each finger that a slap should have and has not; codes are kept as read."""

    absent: tuple[tuple[int, int], ...]

    def area(self) -> ExtendedArea:
        """As extended data."""
        out = OctetWriter(_NAME)
        out.unsigned(len(self.absent), 1, "number of annotations")
        for position, reason in self.absent:
            out.unsigned(position, 1, "finger position")
            out.unsigned(reason, 1, "annotation code")
        return ExtendedArea(ImageArea.ANNOTATION, out.encoded())

    @classmethod
    def decode(cls, content: bytes) -> Annotations:
        """Raises MalformedRecord."""
        reader = OctetReader(content, _NAME)
        count = reader.unsigned(1, "number of annotations")
        pairs = tuple(
            (reader.unsigned(1, "finger position"), reader.unsigned(1, "annotation code")) for _ in range(count)
        )
        reader.expect_end()
        return cls(pairs)


@dataclass(frozen=True, slots=True)
class Comment:
    """Text about the image; it may hold anything, a person's name too: keep it out of logs."""

    text: str = field(repr=False)

    def area(self) -> ExtendedArea:
        """As extended data, in UTF-8. Raises MalformedRecord for half a surrogate pair, and for too long a text."""
        try:
            return ExtendedArea(ImageArea.COMMENT, self.text.encode())
        except UnicodeEncodeError as error:
            raise MalformedRecord(f"{_NAME}: a comment is no text", field="comment", offset=error.start) from None

    @classmethod
    def decode(cls, content: bytes) -> Comment:
        """Raises MalformedRecord for what is not UTF-8."""
        try:
            return cls(content.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise MalformedRecord(f"{_NAME}: a comment is not UTF-8", field="comment", offset=error.start) from None
