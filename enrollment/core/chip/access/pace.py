"""PACE with generic mapping on an elliptic curve, AES: both sides prove that they know a password, and agree on keys.

    00 22 C1A4 MSE:Set AT     80 protocol, 83 password, 84 domain parameters
    10 86 GENERAL AUTHENTICATE  7C {}              ->  7C { 80 encrypted nonce s }
    10 86                       7C { 81 k1 G }     ->  7C { 82 k1' G }            G' = s G + k1 k1' G
    10 86                       7C { 83 k2 G' }    ->  7C { 84 k2' G' }           K  = abscissa of k2 k2' G'
    00 86                       7C { 85 token }    ->  7C { 86 token }

A token is a MAC under K over the other side's last point. Source: ICAO Doc 9303-11, 8th edition, 4.4; worked example in
its appendix G.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from enrollment.core.chip.access import curve as curves
from enrollment.core.chip.access.keys import Purpose, derive
from enrollment.core.chip.access.password import AccessKey
from enrollment.core.chip.access.refusals import refused_password
from enrollment.core.chip.access.secure_messaging import Session
from enrollment.core.chip.access.suites import AesSuite
from enrollment.core.chip.apdu import MAX_SHORT_LE, Command, Transmit
from enrollment.core.chip.security_infos import PACE_ECDH_GM, SecurityInfo, encoded_identifier
from enrollment.core.errors import CardNotGenuine, MalformedCardAnswer, MalformedRecord
from enrollment.core.records.data_object import DataObject, content_of, encode_objects

STEP: Final = "PACE"
VERSION: Final = 2
_AES_OCTETS: Final = {f"{PACE_ECDH_GM}.{last}": octets for last, octets in ((2, 16), (3, 24), (4, 32))}
_BLOCK: Final = 16
_MAX_NONCE_OCTETS: Final = 64
_TEMPLATE, _PUBLIC_KEY, _IDENTIFIER, _POINT = 0x7C, 0x7F49, 0x06, 0x86
_CHAINED: Final = 0x10


@dataclass(frozen=True, slots=True)
class PaceVariant:
    """protocol: dotted. parameter: of the standardised domain parameters. key_octets: of AES."""

    protocol: str
    parameter: int
    key_octets: int

    @property
    def curve(self) -> ec.EllipticCurve:
        """The parameter's."""
        return curves.BY_PARAMETER[self.parameter]

    @property
    def strength(self) -> tuple[int, int]:
        """To compare by: bits of the key, then of the curve."""
        return 8 * self.key_octets, self.curve.key_size


def pace_variant(info: SecurityInfo) -> PaceVariant | None:
    """The variant that a PACEInfo offers; None for one that is not spoken here."""
    octets, parameter = _AES_OCTETS.get(info.protocol), info.parameter
    if octets is None or parameter is None or info.version != VERSION or parameter not in curves.BY_PARAMETER:
        return None
    return PaceVariant(info.protocol, parameter, octets)


def open_by_pace(transmit: Transmit, variant: PaceVariant, key: AccessKey, chance: Callable[[int], bytes]) -> Session:
    """The session. One try of the password.

    Raises WrongCardPassword, CardRefused, MalformedCardAnswer, and CardNotGenuine where the card cannot prove to know
    the password.
    """
    curve = variant.curve
    identifier = encoded_identifier(variant.protocol)
    asked = (
        DataObject(0x80, content_of(identifier, _IDENTIFIER, STEP)),
        DataObject(0x83, key.kind.to_bytes(1, "big")),
        DataObject(0x84, variant.parameter.to_bytes(1, "big")),
    )
    transmit(Command(0x00, 0x22, 0xC1, 0xA4, encode_objects(asked))).expect("MSE:Set AT of PACE", *_TRIES_TOLD)

    nonce = _opened(_step(transmit, b"", 0x80), derive(key.secret, Purpose.PASSWORD, variant.key_octets))
    ours = curves.scalar(curve, chance)
    theirs = _step(transmit, _object(0x81, curves.encoded(curves.times_generator(curve, ours))), 0x82)
    generator = _mapped(curve, nonce, curves.times(ours, curves.decoded(curve, theirs, STEP)))

    ours = curves.scalar(curve, chance)
    our_point = curves.encoded(curves.times(ours, generator))
    their_point = _step(transmit, _object(0x83, our_point), 0x84)
    if hmac.compare_digest(our_point, their_point):
        raise MalformedCardAnswer(f"{STEP}: the card repeats what it was told", step=STEP)
    secret = curves.shared(ours, curves.decoded(curve, their_point, STEP))

    authentication = AesSuite(bytes(variant.key_octets), derive(secret, Purpose.AUTHENTICATION, variant.key_octets))
    our_token, their_token = (
        authentication.mac(DataObject(_PUBLIC_KEY, identifier + _object(_POINT, point)).encode())
        for point in (their_point, our_point)
    )
    found = _step(transmit, _object(0x85, our_token), 0x86, last=True)
    if not hmac.compare_digest(found, their_token):
        raise CardNotGenuine(f"{STEP}: the card does not prove to know the password", step=STEP)
    return Session.agreed(transmit, secret, variant.key_octets)


_TRIES_TOLD: Final = tuple(range(0x63C0, 0x63D0))  # the card warns how many tries are left: it is not used up by asking


def _step(transmit: Transmit, objects: bytes, awaited: int, *, last: bool = False) -> bytes:
    """One GENERAL AUTHENTICATE: the value of the awaited object."""
    data = _object(_TEMPLATE, objects)
    answer = transmit(Command(0x00 if last else _CHAINED, 0x86, 0, 0, data, le=MAX_SHORT_LE))
    found = (refused_password(answer, STEP) if last else answer).expect(STEP)
    try:
        return content_of(content_of(found, _TEMPLATE, STEP), awaited, STEP)
    except MalformedRecord as error:
        raise MalformedCardAnswer(str(error), step=STEP) from None


def _opened(sealed: bytes, key: bytes) -> int:
    if not sealed or len(sealed) % _BLOCK or len(sealed) > _MAX_NONCE_OCTETS:
        raise MalformedCardAnswer(f"{STEP}: the nonce is not of whole blocks", step=STEP, length=len(sealed))
    decryptor = Cipher(algorithms.AES(key), modes.CBC(bytes(_BLOCK))).decryptor()
    return int.from_bytes(decryptor.update(sealed), "big")


def _mapped(curve: ec.EllipticCurve, nonce: int, shared: curves.Point) -> curves.Point:
    """The new generator."""
    try:
        return curves.add(curves.times_generator(curve, nonce % curve.group_order), shared)
    except ValueError:  # nobody meets it by chance
        raise MalformedCardAnswer(f"{STEP}: no generator comes of the card's nonce and point", step=STEP) from None


def _object(tag: int, value: bytes) -> bytes:
    return DataObject(tag, value).encode()
