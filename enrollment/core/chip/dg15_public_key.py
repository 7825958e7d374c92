"""EF.DG15: the public key by which the card proves in active authentication that it is no copy.

    6F { SubjectPublicKeyInfo }

Source: ICAO Doc 9303-10, 8th edition, 4.7.15; keys: 9303-11, 6.1.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from enrollment.core.chip.elementary_file import value_of
from enrollment.core.chip.public_keys import PublicKey, load_public_key
from enrollment.core.records.data_object import DataObject

TAG: Final = 0x6F
MAX_OCTETS: Final = 2048  # a key of RSA with 4096 bits has some 550

CardPublicKey: TypeAlias = PublicKey

_NAME: Final = "EF.DG15"


def encode_dg15(key: CardPublicKey) -> bytes:
    """EF.DG15."""
    return DataObject(TAG, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).encode()


def decode_dg15(octets: bytes) -> CardPublicKey:
    """The key. Raises MalformedRecord for anything but an RSA or elliptic curve key that can be used."""
    return load_public_key(value_of(octets, TAG, _NAME, MAX_OCTETS))
