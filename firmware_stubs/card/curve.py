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
        """Double and add in Jacobian coordinates, x = X / Z^2 and y = Y / Z^3: one inversion for all."""
        p = self.p
        x, y, z = 1, 1, 0
        for bit in f"{scalar:b}" if point is not None else "":
            square = y * y % p
            s = 4 * x * square % p
            m = (3 * x * x + self.a * pow(z, 4, p)) % p
            z = 2 * y * z % p
            x = (m * m - 2 * s) % p
            y = (m * (s - x) - 8 * square * square) % p
            if bit == "1" and point is not None:
                x, y, z = self._added(x, y, z, point)
        if not z:
            return None
        inverse = pow(z, -1, p)
        return x * inverse**2 % p, y * inverse**3 % p

    def _added(self, x: int, y: int, z: int, point: tuple[int, int]) -> tuple[int, int, int]:
        p = self.p
        if not z:
            return *point, 1
        h = (point[0] * z * z - x) % p
        r = (point[1] * z * z * z - y) % p
        if not h:  # the point itself, which `add` doubles, or its negative
            same = self.add(point, point) if not r else None
            return (1, 1, 0) if same is None else (*same, 1)
        square = h * h % p
        cube, middle = square * h % p, x * square % p
        new = (r * r - cube - 2 * middle) % p
        return new, (r * (middle - new) - y * cube) % p, z * h % p

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
SECP256R1: Final = Curve(
    p=0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
    a=0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFC,
    b=0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    generator=(
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    ),
    n=0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
)
SECP384R1: Final = Curve(
    p=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFF0000000000000000FFFFFFFF,
    a=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFF0000000000000000FFFFFFFC,
    b=0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
    generator=(
        0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
        0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
    ),
    n=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
)
BRAINPOOL_P384R1: Final = Curve(
    p=0x8CB91E82A3386D280F5D6F7E50E641DF152F7109ED5456B412B1DA197FB71123ACD3A729901D1A71874700133107EC53,
    a=0x7BC382C63D8C150C3C72080ACE05AFA0C2BEA28E4FB22787139165EFBA91F90F8AA5814A503AD4EB04A8C7DD22CE2826,
    b=0x4A8C7DD22CE28268B39B55416F0447C2FB77DE107DCD2A62E880EA53EEB62D57CB4390295DBC9943AB78696FA504C11,
    generator=(
        0x1D1C64F068CF45FFA2A63A81B7C13F6B8847A3E77EF14FE3DB7FCAFE0CBD10E8E826E03436D646AAEF87B2E247D4AF1E,
        0x8ABE1D7520F9C2A45CB1EB8E95CFD55262B70B29FEEC5864E19C054FF99129280E4646217791811142820341263C5315,
    ),
    n=0x8CB91E82A3386D280F5D6F7E50E641DF152F7109ED5456B31F166E6CAC0425A7CF3AB6AF6B7FC3103B883202E9046565,
)
BRAINPOOL_P512R1: Final = Curve(
    p=0xAADD9DB8DBE9C48B3FD4E6AE33C9FC07CB308DB3B3C9D20ED6639CCA703308717D4D9B009BC66842AECDA12AE6A380E62881FF2F2D82C68528AA6056583A48F3,
    a=0x7830A3318B603B89E2327145AC234CC594CBDD8D3DF91610A83441CAEA9863BC2DED5D5AA8253AA10A2EF1C98B9AC8B57F1117A72BF2C7B9E7C1AC4D77FC94CA,
    b=0x3DF91610A83441CAEA9863BC2DED5D5AA8253AA10A2EF1C98B9AC8B57F1117A72BF2C7B9E7C1AC4D77FC94CADC083E67984050B75EBAE5DD2809BD638016F723,
    generator=(
        0x81AEE4BDD82ED9645A21322E9C4C6A9385ED9F70B5D916C1B43B62EEF4D0098EFF3B1F78E2D0D48D50D1687B93B97D5F7C6D5047406A5E688B352209BCB9F822,
        0x7DDE385D566332ECC0EABFA9CF7822FDF209F70024A57B1AA000C55B881F8111B2DCDE494A5F485E5BCA4BD88A2763AED1CA2B2FA8F0540678CD1E0F3AD80892,
    ),
    n=0xAADD9DB8DBE9C48B3FD4E6AE33C9FC07CB308DB3B3C9D20ED6639CCA70330870553E5C414CA92619418661197FAC10471DB1D381085DDADDB58796829CA90069,
)
# Standardised domain parameters (Doc 9303-11, table 10)
PARAMETERS: Final = {
    12: SECP256R1,
    13: BRAINPOOL_P256R1,
    15: SECP384R1,
    16: BRAINPOOL_P384R1,
    17: BRAINPOOL_P512R1,
}
