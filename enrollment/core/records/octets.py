"""Big-endian octets, read and written within bounds. Every failure is MalformedRecord with where and how much."""

from __future__ import annotations

from enrollment.core.errors import MalformedRecord


class OctetReader:
    """Reads one record from its first octet to its last.

    record: the record's name, for messages.
    """

    def __init__(self, octets: bytes, record: str) -> None:
        self._octets = octets
        self._record = record
        self._at = 0

    @property
    def position(self) -> int:
        """Octets read so far."""
        return self._at

    @property
    def remaining(self) -> int:
        """Octets left."""
        return len(self._octets) - self._at

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

    def expect(self, value: bytes, field: str) -> None:
        """Octets that must be exactly `value`."""
        offset = self._at
        if self.take(len(value), field) != value:
            raise MalformedRecord(f"{self._record}: {field} at {offset} is not {value!r}", field=field, offset=offset)

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
