"""Points of short Weierstrass curves over prime fields: what PACE's generic mapping needs and `cryptography` hides.

Not constant in time: for a model of a card, never for a station.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from firmware_stubs.card.apdu import Refused, Status

Point = tuple[int, int] | None  # None: the point at infinity


@dataclass(frozen=True, slots=True)
class Curve:
    """y^2 = x^3 + ax + b over the field of p; generator of order n."""

    p: int
    a: int
    b: int
    generator: tuple[int, int]
    n: int

    @property
    def octets(self) -> int:
        return (self.p.bit_length() + 7) // 8

    def add(self, one: Point, other: Point) -> Point:
        if one is None:
            return other
        if other is None:
            return one
        (x1, y1), (x2, y2) = one, other
        if x1 == x2:
            if (y1 + y2) % self.p == 0:
                return None
            slope = (3 * x1 * x1 + self.a) * pow(2 * y1, -1, self.p)
        else:
            slope = (y2 - y1) * pow(x2 - x1, -1, self.p)
        x = (slope * slope - x1 - x2) % self.p
        return x, (slope * (x1 - x) - y1) % self.p

    def multiply(self, scalar: int, point: Point) -> Point:
        result: Point = None
        while scalar:
            if scalar & 1:
                result = self.add(result, point)
            point = self.add(point, point)
            scalar >>= 1
        return result

    def encode(self, point: Point) -> bytes:
        """Uncompressed, 04 x y. Raises Refused for infinity, which no partner may bring about."""
        if point is None:
            raise Refused(Status.AUTHENTICATION_FAILED)
        return b"\x04" + point[0].to_bytes(self.octets) + point[1].to_bytes(self.octets)

    def decode(self, told: bytes) -> Point:
        """A point that lies on the curve. Raises Refused with 6300."""
        x, y = int.from_bytes(told[1 : 1 + self.octets]), int.from_bytes(told[1 + self.octets :])
        on_curve = (y * y - x * x * x - self.a * x - self.b) % self.p == 0
        if len(told) != 1 + 2 * self.octets or told[0] != 4 or max(x, y) >= self.p or not on_curve:
            raise Refused(Status.AUTHENTICATION_FAILED)
        return x, y

    def abscissa(self, point: Point) -> bytes:
        """The shared secret of a key agreement (BSI TR-03111, 4.3.1)."""
        return self.encode(point)[1 : 1 + self.octets]


BRAINPOOL_P256R1: Final = Curve(
    p=0xA9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5377,
    a=0x7D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9,
    b=0x26DC5C6CE94A4B44F330B5D9BBD77CBF958416295CF7E1CE6BCCDC18FF8C07B6,
    generator=(
        0x8BD2AEB9CB7E57CB2C4B482FFC81B7AFB9DE27E1E3BD23C23A4453BD9ACE3262,
        0x547EF835C3DAC4FD97F8461A14611DC9C27745132DED8E545C1D54C72F046997,
    ),
    n=0xA9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7,
)
PARAMETERS: Final = {13: BRAINPOOL_P256R1}  # standardized domain parameters (Doc 9303-11, table 6)
