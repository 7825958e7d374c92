"""Public keys as cards and certificates hold them: curves by their name, or with all their parameters written out.

    SubjectPublicKeyInfo ::= SEQUENCE { { 1.2.840.10045.2.1, name | ECParameters }, BIT STRING point }
    ECParameters ::= SEQUENCE { 1, { 1.2.840.10045.1.1, p }, { a, b (, seed) }, generator, order (, cofactor) }

ICAO has countries write them out; `cryptography` reads that of three curves only. Here parameters that are, each of
them, those of a known curve are replaced by its name; others are refused, so nobody brings a curve of his own.
Sources: ICAO Doc 9303-12, 8th edition, 4.4 and 7; BSI TR-03111, 5; RFC 3279, 2.3.5.
"""

from __future__ import annotations

from functools import cache
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from enrollment.core.chip.access import curve as curves
from enrollment.core.chip.security_infos import encoded_identifier
from enrollment.core.errors import MalformedRecord
from enrollment.core.records.data_object import DataObject, content_of, read_objects

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_NAME: Final = "public key"
_CERTIFICATE: Final = "certificate"
_SEQUENCE, _INTEGER, _OCTETS, _EXPLICIT_VERSION = 0x30, 0x02, 0x04, 0xA0
_EC: Final = encoded_identifier("1.2.840.10045.2.1")
_PRIME_FIELD: Final = encoded_identifier("1.2.840.10045.1.1")
_TBS_KEY: Final = 5  # of a certificate: behind serial number, algorithm, issuer, validity and subject


def load_public_key(info: bytes) -> PublicKey:
    """The key of a SubjectPublicKeyInfo. Raises MalformedRecord for one that cannot be used."""
    try:
        key: object = load_der_public_key(info)
    except UnsupportedAlgorithm:
        key = _load_explicit(info)
    except (ValueError, TypeError) as error:
        raise MalformedRecord(f"{_NAME}: it cannot be read", cause=type(error).__name__) from None
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise MalformedRecord(f"{_NAME}: of another kind", kind=type(key).__name__)
    return key


def decode_certificate(der: bytes) -> x509.Certificate:
    """A certificate of which all is read that will be asked for. Raises MalformedRecord."""
    signed = read_objects(content_of(der, _SEQUENCE, _CERTIFICATE), _CERTIFICATE)
    fields = read_objects(signed[0].value, _CERTIFICATE) if signed else ()
    serial = next((found.value for found in fields if found.tag == _INTEGER), b"")
    if not any(serial) or serial[0] & 0x80:  # the library only warns of it
        raise MalformedRecord(f"{_CERTIFICATE}: without a positive serial number", field="serial number")
    try:
        certificate = x509.load_der_x509_certificate(der)
        _ = certificate.issuer, certificate.subject  # names are parsed only when they are asked for
    except (ValueError, TypeError, x509.InvalidVersion):
        raise MalformedRecord(f"{_CERTIFICATE}: it cannot be read", field="certificate") from None
    return certificate


def key_of(certificate: x509.Certificate) -> PublicKey:
    """A certificate's key. Raises MalformedRecord for one that cannot be used."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        parts = read_objects(content_of(certificate.tbs_certificate_bytes, _SEQUENCE, _NAME), _NAME)
        at = _TBS_KEY + (bool(parts) and parts[0].tag == _EXPLICIT_VERSION)
        if len(parts) <= at:
            raise MalformedRecord(f"{_NAME}: the certificate has none", field="key") from None
        return load_public_key(parts[at].encode())
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise MalformedRecord(f"{_NAME}: of another kind", kind=type(key).__name__)
    return key


def _load_explicit(info: bytes) -> object:
    algorithm, point = _parts(info, 2)
    identifier, parameters = _parts(algorithm.encode(), 2)
    if identifier.encode() != _EC or parameters.tag != _SEQUENCE:
        raise MalformedRecord(f"{_NAME}: of an algorithm that is not read", field="algorithm")
    found = _values(parameters)
    for curve in curves.BY_PARAMETER.values():
        if _parameters(curve.name) == found:
            try:
                return ec.EllipticCurvePublicKey.from_encoded_point(curve, point.value[1:])  # behind the unused bits
            except ValueError:
                raise MalformedRecord(f"{_NAME}: no point of its curve", curve=curve.name) from None
    raise MalformedRecord(f"{_NAME}: on a curve that is not known", field="parameters")


def _parts(octets: bytes, count: int) -> tuple[DataObject, ...]:
    parts = read_objects(content_of(octets, _SEQUENCE, _NAME), _NAME)
    if len(parts) < count:
        raise MalformedRecord(f"{_NAME}: it lacks a part", found=len(parts))
    return parts


def _values(parameters: DataObject) -> tuple[int, int, int, bytes, int]:
    """p, a, b, generator and order. Raises MalformedRecord; a generator that is compressed matches no curve."""
    _version, field, curve, generator, order, *_cofactor = _parts(parameters.encode(), 5)
    kind, p = _parts(field.encode(), 2)
    a, b, *_seed = _parts(curve.encode(), 2)
    if kind.encode() != _PRIME_FIELD:
        raise MalformedRecord(f"{_NAME}: its curve is not over a prime field", field="parameters")
    return _number(p), _number(a), _number(b), generator.value, _number(order)


def _number(found: DataObject) -> int:
    return int.from_bytes(found.value, "big")


@cache
def _parameters(name: str) -> tuple[int, int, int, bytes, int]:
    """The same of a known curve; a and b from two of its points, which fulfil y^2 = x^3 + a x + b."""
    curve = next(known for known in curves.BY_PARAMETER.values() if known.name == name)
    p = curves.prime_of(name)
    one, two = (curves.times_generator(curve, number).public_numbers() for number in (1, 2))
    first, second = (point.y**2 - point.x**3 for point in (one, two))
    a = (first - second) * pow(one.x - two.x, -1, p) % p
    return p, a, (first - a * one.x) % p, curves.encoded(curves.times_generator(curve, 1)), curve.group_order
