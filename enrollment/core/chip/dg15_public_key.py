"""EF.DG15: the public key by which the card proves in active authentication that it is no copy.

    6F { SubjectPublicKeyInfo }

Source: ICAO Doc 9303-10, 8th edition, 4.7.15; keys: 9303-11, 6.1.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from enrollment.core.chip.elementary_file import value_of
from enrollment.core.errors import MalformedRecord
from enrollment.core.records.data_object import DataObject

TAG: Final = 0x6F
MAX_OCTETS: Final = 2048  # a key of RSA with 4096 bits has some 550

CardPublicKey: TypeAlias = EllipticCurvePublicKey | RSAPublicKey

_NAME: Final = "EF.DG15"


def encode_dg15(key: CardPublicKey) -> bytes:
    """EF.DG15."""
    return DataObject(TAG, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).encode()


def decode_dg15(octets: bytes) -> CardPublicKey:
    """The key. Raises MalformedRecord for anything but an RSA or elliptic curve key that can be used."""
    content = value_of(octets, TAG, _NAME, MAX_OCTETS)
    try:
        key = load_der_public_key(content)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise MalformedRecord(f"{_NAME}: no key that can be read", cause=type(error).__name__) from None
    if not isinstance(key, EllipticCurvePublicKey | RSAPublicKey):
        raise MalformedRecord(f"{_NAME}: a key of another kind", kind=type(key).__name__)
    return key
