"""Big-endian octets, read and written within bounds. Every failure is MalformedRecord with where and how much."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from enrollment.core.errors import MalformedRecord


class OctetReader:
    """Reads one record from its first octet to its last.

    record: the record's name, for messages.
    start, end: the part of `octets` that is read; all of it unless told. Positions count from the first of `octets`.
    """

    def __init__(self, octets: bytes, record: str, start: int = 0, end: int | None = None) -> None:
        self._octets = octets
        self._record = record
        self._start = start
        self._at = start
        self._end = len(octets) if end is None else end

    @property
    def position(self) -> int:
        """Where the next octet is."""
        return self._at

    @property
    def remaining(self) -> int:
        """Octets left."""
        return self._end - self._at

    @contextmanager
    def locating(self) -> Iterator[None]:
        """Give a MalformedRecord from within the place where its block began, if it does not know its own."""
        start = self._at
        try:
            yield
        except MalformedRecord as error:
            error.facts.setdefault("offset", start)
            raise

    def take(self, count: int, field: str) -> bytes:
        """The next `count` octets. Raises MalformedRecord where fewer are left."""
        if count > self.remaining:
            raise MalformedRecord(
                f"{self._record}: {field} needs {count} octets at {self._at}, {self.remaining} are left",
                field=field,
                offset=self._at,
                needed=count,
                remaining=self.remaining,
            )
        start, self._at = self._at, self._at + count
        return self._octets[start : self._at]

    def unsigned(self, octets: int, field: str) -> int:
        """An unsigned number of `octets` octets."""
        return int.from_bytes(self.take(octets, field), "big")

    def block(self, count: int, field: str) -> OctetReader:
        """A reader of the next `count` octets alone, which this one passes over."""
        start = self._at
        self.take(count, field)
        return OctetReader(self._octets, self._record, start, self._at)

    def expect(self, value: bytes, field: str) -> None:
        """Octets that must be exactly `value`."""
        offset = self._at
        if self.take(len(value), field) != value:
            raise MalformedRecord(f"{self._record}: {field} at {offset} is not {value!r}", field=field, offset=offset)

    def expect_length(self, declared: int) -> None:
        """The length that a record or block declares of itself must be the one that it has."""
        if declared != self._end - self._start:
            found = self._end - self._start
            raise MalformedRecord(
                f"{self._record}: its length says {declared}, it has {found} octets",
                declared=declared,
                found=found,
                offset=self._start,
            )

    def copy(self) -> OctetReader:
        """A reader of what is left, which this one does not pass over."""
        return OctetReader(self._octets, self._record, self._at, self._end)

    def expect_end(self) -> None:
        """Nothing may follow."""
        if self.remaining:
            raise MalformedRecord(
                f"{self._record}: {self.remaining} octets follow its end", offset=self._at, remaining=self.remaining
            )


class OctetWriter:
    """Collects octets. A number that does not fit its field raises MalformedRecord."""

    def __init__(self, record: str) -> None:
        self._record = record
        self._octets = bytearray()

    def raw(self, octets: bytes) -> None:
        self._octets += octets

    def unsigned(self, value: int, octets: int, field: str) -> None:
        """An unsigned number in `octets` octets."""
        check_range(value, 0, 256**octets - 1, field, self._record)
        self._octets += value.to_bytes(octets, "big")

    def encoded(self) -> bytes:
        return bytes(self._octets)


def check_range(value: int, lowest: int, highest: int, field: str, record: str) -> None:
    """Raise MalformedRecord unless lowest <= value <= highest."""
    if not lowest <= value <= highest:
        raise MalformedRecord(
            f"{record}: {field} is {value}, allowed are {lowest} to {highest}",
            field=field,
            value=value,
            lowest=lowest,
            highest=highest,
        )


def check_member(value: int, allowed: frozenset[int], field: str, record: str) -> None:
    """Raise MalformedRecord unless value is one of `allowed`."""
    if value not in allowed:
        raise MalformedRecord(f"{record}: {field} {value} is reserved", field=field, value=value)
