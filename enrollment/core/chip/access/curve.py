"""Points of the curves that cards use, all arithmetic with secrets done by OpenSSL.

`cryptography` agrees on keys (the abscissa of k P), decompresses points and makes k G, but has no point k P. The two
points of that abscissa are P' and -P'; which one k P is tells the abscissa of (k + 1) P, which is that of k P + P.
So all that is computed here is a sum of two public points (docs/adr/0005).
Sources: ICAO Doc 9303-11, 8th edition, 9.5.1 (parameters); BSI TR-03111, 3.2 (encoding), 4.3 (key agreement).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from enrollment.core.chip.card_profile import CURVES
from enrollment.core.errors import MalformedCardAnswer

Point = ec.EllipticCurvePublicKey

_BY_NAME: Final[Mapping[str, ec.EllipticCurve]] = {
    curve.name: curve
    for curve in (
        ec.SECP256R1(),
        ec.BrainpoolP256R1(),
        ec.SECP384R1(),
        ec.BrainpoolP384R1(),
        ec.BrainpoolP512R1(),
    )
}
BY_PARAMETER: Final[Mapping[int, ec.EllipticCurve]] = {number: _BY_NAME[name] for name, number in CURVES.items()}
_DRAWS: Final = 64  # of a scalar below the order; of the curves here the worst has one draw in three in vain


def octets_of(curve: ec.EllipticCurve) -> int:
    """Octets of a coordinate."""
    return (curve.key_size + 7) // 8


def encoded(point: Point) -> bytes:
    """04 x y."""
    return point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def decoded(curve: ec.EllipticCurve, octets: bytes, step: str) -> Point:
    """The point 04 x y that a card told. Raises MalformedCardAnswer where it does not lie on the curve."""
    try:
        if octets[:1] == b"\x04":
            return ec.EllipticCurvePublicKey.from_encoded_point(curve, octets)
    except (ValueError, UnsupportedAlgorithm):
        pass
    raise MalformedCardAnswer(f"what the card told in {step} is no point of the curve", step=step, curve=curve.name)


def scalar(curve: ec.EllipticCurve, chance: Callable[[int], bytes]) -> int:
    """A secret number from 2 to the order less 2, each as likely. Raises ValueError for chance that never gives one."""
    for _ in range(_DRAWS):
        drawn = int.from_bytes(chance(octets_of(curve)), "big")
        if 2 <= drawn <= curve.group_order - 2:
            return drawn
    raise ValueError("chance that is none")


def times_generator(curve: ec.EllipticCurve, number: int) -> Point:
    """The generator taken `number` times, 1 to the order less 1."""
    return ec.derive_private_key(number, curve).public_key()


def shared(number: int, point: Point) -> bytes:
    """The abscissa of the point taken `number` times."""
    return ec.derive_private_key(number, point.curve).exchange(ec.ECDH(), point)


def times(number: int, point: Point) -> Point:
    """The point taken `number` times, 2 to the order less 3."""
    curve = point.curve
    abscissa = shared(number, point)
    even, odd = (_with_abscissa(curve, sign, abscissa) for sign in (b"\x02", b"\x03"))
    following = shared(number + 1, point)
    return even if encoded(add(even, point))[1 : 1 + octets_of(curve)] == following else odd


def add(one: Point, other: Point) -> Point:
    """The sum of two points of different abscissas; raises ValueError for others. Both must be public."""
    curve = one.curve
    p = prime_of(curve.name)
    first, second = one.public_numbers(), other.public_numbers()
    if first.x == second.x:
        raise ValueError("two points of one abscissa")
    slope = (second.y - first.y) * pow(second.x - first.x, -1, p) % p
    x = (slope * slope - first.x - second.x) % p
    y = (slope * (first.x - x) - first.y) % p
    return ec.EllipticCurvePublicNumbers(x, y, curve).public_key()


def _with_abscissa(curve: ec.EllipticCurve, sign: bytes, abscissa: bytes) -> Point:
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, sign + abscissa)


@cache
def prime_of(name: str) -> int:
    """The order of a curve's field: what the ordinates of a point and of its negative add up to."""
    curve = _BY_NAME[name]
    abscissa = encoded(times_generator(curve, 1))[1 : 1 + octets_of(curve)]
    return sum(_with_abscissa(curve, sign, abscissa).public_numbers().y for sign in (b"\x02", b"\x03"))
