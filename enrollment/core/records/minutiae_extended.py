"""What the extended data of finger minutiae records means: ridge counts, cores and deltas, zonal quality.

    1 ridge counts          2 cores and deltas             3 zonal quality
      how pairs were          number of cores      1         2011 only: algorithm's vendor 2, algorithm 2
      chosen           1      form | x       2 + 14 bits     zone width        1
      first minutia    1      0 | y          2 + 14 bits     zone height       1
      second           1      angle, form 1  1               bits a zone       1
      count            1      number of deltas     1         zones, row by row, packed, high bits first
                              form | x, 0 | y, and 3 angles where the form is 1

Read an `ExtendedArea`'s content with `decode`; write one with `area`. What it cannot say, it refuses: a record keeps
the area's octets whatever they hold. Sources: ISO/IEC 19794-2:2005 7.5, ISO/IEC 19794-2:2011 8.5.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.errors import MalformedRecord
from enrollment.core.records.extended_data import ExtendedArea
from enrollment.core.records.minutia import ANGLE_UNITS, MAX_COORDINATE
from enrollment.core.records.octets import OctetReader, OctetWriter, check_range

MAX_SINGULARITIES: Final = 15  # cores, and deltas

_NAME: Final = "extended minutiae data"


class MinutiaeArea(IntEnum):
    """Extended data types."""

    RIDGE_COUNTS = 1
    CORES_AND_DELTAS = 2
    ZONAL_QUALITY = 3


@dataclass(frozen=True, slots=True)
class RidgeCount:
    """Ridges between two minutiae, by index in the view. In 2011, `second` and `count` of 255 mean: none found."""

    first: int
    second: int
    count: int

    def __post_init__(self) -> None:
        for value in (self.first, self.second, self.count):
            check_range(value, 0, 0xFF, "ridge count", _NAME)


@dataclass(frozen=True, slots=True)
class RidgeCounts:
    """method: 0 any pairs, 1 the nearest in four quadrants, 2 in eight octants, else reserved."""

    method: int
    counts: tuple[RidgeCount, ...]

    def __post_init__(self) -> None:
        check_range(self.method, 0, 0xFF, "ridge count method", _NAME)

    def area(self) -> ExtendedArea:
        """As extended data."""
        counts = b"".join(bytes((found.first, found.second, found.count)) for found in self.counts)
        return ExtendedArea(MinutiaeArea.RIDGE_COUNTS, bytes((self.method,)) + counts)

    @classmethod
    def decode(cls, content: bytes, minutiae: int) -> RidgeCounts:
        """minutiae: how many the view has. Raises MalformedRecord, also for a pair that names one it has not."""
        reader = OctetReader(content, _NAME)
        method = reader.unsigned(1, "ridge count method")
        counts: list[RidgeCount] = []
        while reader.remaining:
            with reader.locating():
                found = RidgeCount(*reader.take(3, "ridge count"))
                check_range(found.first, 0, minutiae - 1, "ridge count minutia", _NAME)
                if not found.second == found.count == 0xFF:
                    check_range(found.second, 0, minutiae - 1, "ridge count minutia", _NAME)
                counts.append(found)
        return cls(method, tuple(counts))


@dataclass(frozen=True, slots=True)
class Singularity:
    """A core with no angle or one, or a delta with none or three: x and y as a minutia's, angles in 360/256 degrees."""

    x: int
    y: int
    angles: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_range(self.x, 0, MAX_COORDINATE, "core or delta x", _NAME)
        check_range(self.y, 0, MAX_COORDINATE, "core or delta y", _NAME)
        for angle in self.angles:
            check_range(angle, 0, ANGLE_UNITS - 1, "core or delta angle", _NAME)


@dataclass(frozen=True, slots=True)
class CoresAndDeltas:
    """Raises MalformedRecord for more than MAX_SINGULARITIES of either, and for another number of angles."""

    cores: tuple[Singularity, ...] = ()
    deltas: tuple[Singularity, ...] = ()

    def __post_init__(self) -> None:
        for found, angles in ((self.cores, 1), (self.deltas, 3)):
            check_range(len(found), 0, MAX_SINGULARITIES, "number of cores or deltas", _NAME)
            for singularity in found:
                if len(singularity.angles) not in (0, angles):
                    raise MalformedRecord(
                        f"{_NAME}: {len(singularity.angles)} angles of a core or delta",
                        field="angles",
                        value=len(singularity.angles),
                    )

    def area(self) -> ExtendedArea:
        """As extended data."""
        out = OctetWriter(_NAME)
        for found in (self.cores, self.deltas):
            out.unsigned(len(found), 1, "number of cores or deltas")
            for singularity in found:
                out.unsigned(bool(singularity.angles) << 14 | singularity.x, 2, "core or delta x")
                out.unsigned(singularity.y, 2, "core or delta y")
                out.raw(bytes(singularity.angles))
        return ExtendedArea(MinutiaeArea.CORES_AND_DELTAS, out.encoded())

    @classmethod
    def decode(cls, content: bytes, width: int, height: int) -> CoresAndDeltas:
        """width, height: of the image, pixels. Raises MalformedRecord, also for one that lies outside."""
        reader = OctetReader(content, _NAME)
        cores = _read_singularities(reader, width, height, angles=1)
        deltas = _read_singularities(reader, width, height, angles=3)
        reader.expect_end()
        return cls(cores, deltas)


def _read_singularities(reader: OctetReader, width: int, height: int, *, angles: int) -> tuple[Singularity, ...]:
    with reader.locating():
        count = reader.unsigned(1, "number of cores or deltas")
        check_range(count, 0, MAX_SINGULARITIES, "number of cores or deltas", _NAME)
        found: list[Singularity] = []
        for _ in range(count):
            form_x, y = reader.unsigned(2, "core or delta x"), reader.unsigned(2, "core or delta y")
            check_range(form_x >> 14, 0, 1, "form of a core or delta", _NAME)
            x = form_x & MAX_COORDINATE
            check_range(x, 0, width - 1, "core or delta x", _NAME)
            check_range(y, 0, height - 1, "core or delta y", _NAME)
            found.append(Singularity(x, y, tuple(reader.take(angles * (form_x >> 14), "core or delta angles"))))
        return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class ZonalQuality:
    """A map of quality, coarse to fine as `bits` allow: higher is better.

    zones: (rows, columns) uint8, each below 2 ** bits; row by row from the top left corner. zone_width, zone_height:
    pixels, 1..255; the last column and row may reach over the image. bits: 1..8. vendor, algorithm: of 2011, where
    both are there; None in 2005.
    """

    zones: NDArray[np.uint8] = field(repr=False)
    zone_width: int
    zone_height: int
    bits: int
    algorithm: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        check_range(self.zone_width, 1, 0xFF, "zone width", _NAME)
        check_range(self.zone_height, 1, 0xFF, "zone height", _NAME)
        check_range(self.bits, 1, 8, "bits a zone", _NAME)
        for value in self.algorithm or ():
            check_range(value, 0, 0xFFFF, "zonal quality algorithm", _NAME)
        check_range(int(self.zones.max(initial=0)), 0, (1 << self.bits) - 1, "zonal quality", _NAME)

    def area(self) -> ExtendedArea:
        """As extended data. Raises MalformedRecord where the map is too large for it."""
        out = OctetWriter(_NAME)
        for value in self.algorithm or ():
            out.unsigned(value, 2, "zonal quality algorithm")
        for value in (self.zone_width, self.zone_height, self.bits):
            out.unsigned(value, 1, "zonal quality")
        planes = np.unpackbits(self.zones.reshape(-1, 1), axis=1)[:, 8 - self.bits :]
        out.raw(np.packbits(planes).tobytes())
        return ExtendedArea(MinutiaeArea.ZONAL_QUALITY, out.encoded())

    @classmethod
    def decode(cls, content: bytes, width: int, height: int, *, with_algorithm: bool) -> ZonalQuality:
        """width, height: of the image, pixels. with_algorithm: the content is of 2011.

        Raises MalformedRecord where the zones are not those of such an image, or the last octet's unused bits are set.
        """
        reader = OctetReader(content, _NAME)
        algorithm = None
        with reader.locating():
            if with_algorithm:
                algorithm = reader.unsigned(2, "algorithm vendor"), reader.unsigned(2, "algorithm")
            zone_width, zone_height, bits = reader.take(3, "zonal quality")
            check_range(zone_width, 1, 0xFF, "zone width", _NAME)
            check_range(zone_height, 1, 0xFF, "zone height", _NAME)
            check_range(bits, 1, 8, "bits a zone", _NAME)
            rows, columns = -(-height // zone_height), -(-width // zone_width)
            octets = -(-rows * columns * bits // 8)
            check_range(octets, reader.remaining, reader.remaining, "zonal quality octets", _NAME)
            planes = np.unpackbits(np.frombuffer(reader.take(octets, "zonal quality"), np.uint8))
            check_range(int(planes[rows * columns * bits :].any()), 0, 0, "unused bits", _NAME)
        weights = 1 << np.arange(bits)[::-1]
        zones = (planes[: rows * columns * bits].reshape(rows, columns, bits) @ weights).astype(np.uint8)
        return cls(zones, zone_width, zone_height, bits, algorithm)
