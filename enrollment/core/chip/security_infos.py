"""EF.CardAccess and EF.DG14: which protocols the chip speaks, and the public key of chip authentication.

    EF.CardAccess        31 ...          SET OF SecurityInfo, before any access is granted
    EF.DG14        6E {  31 ...  }       the same, signed; and what is told only then

    SecurityInfo ::= SEQUENCE { protocol OBJECT IDENTIFIER, requiredData ANY, optionalData ANY OPTIONAL }

Both are kept octet for octet, for DG14 is hashed into the security object, and what is not known is kept.
Sources: ICAO Doc 9303-11, 8th edition, 9.2; BSI TR-03110-3, A.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from enrollment.core.chip.elementary_file import value_of
from enrollment.core.errors import MalformedRecord
from enrollment.core.records.data_object import DataObject, encode_objects, read_objects
from enrollment.core.records.octets import check_range

DG14_TAG: Final = 0x6E
MAX_INFOS: Final = 64

BSI_PROTOCOLS: Final = "0.4.0.127.0.7.2.2"
PUBLIC_KEY_ECDH: Final = f"{BSI_PROTOCOLS}.1.2"
TERMINAL_AUTHENTICATION: Final = f"{BSI_PROTOCOLS}.2"
CHIP_AUTHENTICATION_ECDH: Final = f"{BSI_PROTOCOLS}.3.2"  # .1 3DES; .2 .3 .4 AES of 128, 192, 256 bits
CHIP_AUTHENTICATION_AES_128: Final = f"{CHIP_AUTHENTICATION_ECDH}.2"
PACE: Final = f"{BSI_PROTOCOLS}.4"
PACE_ECDH_GM: Final = f"{PACE}.2"
PACE_ECDH_GM_AES_128: Final = f"{PACE_ECDH_GM}.2"
ACTIVE_AUTHENTICATION: Final = "2.23.136.1.1.5"
ECDSA_PLAIN_SHA256: Final = "0.4.0.127.0.7.1.1.4.1.3"  # r and s one after the other, BSI TR-03111
BRAINPOOL_P256R1, NIST_P256 = 13, 12  # standardised domain parameters, 9303-11 table 10

_NAME: Final = "security infos"
_SET, _SEQUENCE, _OID, _INTEGER = 0x31, 0x30, 0x06, 0x02
_SET_OF: Final = "EF.CardAccess"


@dataclass(frozen=True, slots=True)
class SecurityInfo:
    """One protocol. required, optional: whole data objects; optional is empty where there is none.

    Raises MalformedRecord where the protocol is no object identifier or the data are not one object each.
    """

    protocol: str
    required: bytes = field(repr=False)
    optional: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        _identifier(self.protocol)
        check_range(len(read_objects(self.required, _NAME)), 1, 1, "required data", _NAME)
        check_range(len(read_objects(self.optional, _NAME)), 0, 1, "optional data", _NAME)

    @property
    def version(self) -> int | None:
        """The number that the required data are; None where they are something else."""
        return _number(self.required)

    @property
    def parameter(self) -> int | None:
        """The number that the optional data are: PACE's domain parameters, a key's number; None for something else."""
        return _number(self.optional)

    def encode(self) -> bytes:
        """The SEQUENCE."""
        return DataObject(_SEQUENCE, encoded_identifier(self.protocol) + self.required + self.optional).encode()


def numbered(protocol: str, version: int, parameter: int | None = None) -> SecurityInfo:
    """An info of a version and, where it has one, a domain parameter or key number."""
    return SecurityInfo(protocol, asn1.encode_der(version), b"" if parameter is None else asn1.encode_der(parameter))


def chip_authentication_key(public_key_info: bytes, key_id: int | None = None) -> SecurityInfo:
    """The card's public key on a curve, as a SubjectPublicKeyInfo."""
    return SecurityInfo(PUBLIC_KEY_ECDH, public_key_info, b"" if key_id is None else asn1.encode_der(key_id))


def active_authentication(signature_algorithm: str = ECDSA_PLAIN_SHA256) -> SecurityInfo:
    """By which algorithm the card signs in active authentication; needed where its key is on a curve."""
    return SecurityInfo(ACTIVE_AUTHENTICATION, asn1.encode_der(1), asn1.encode_der(_identifier(signature_algorithm)))


def encoded_identifier(dotted: str) -> bytes:
    """The object identifier in DER. Raises MalformedRecord for what is none."""
    return asn1.encode_der(_identifier(dotted))


def algorithm_of(info: SecurityInfo) -> str:
    """The signature algorithm of an info of active authentication. Raises MalformedRecord."""
    try:
        return asn1.decode_der(ObjectIdentifier, info.optional).dotted_string
    except ValueError:
        raise MalformedRecord(f"{_NAME}: the signature algorithm is no object identifier") from None


def encode_card_access(infos: Sequence[SecurityInfo]) -> bytes:
    """EF.CardAccess. The order is kept: cards in the field are not sorted as DER asks."""
    check_range(len(infos), 1, MAX_INFOS, "number of infos", _NAME)
    return DataObject(_SET, b"".join(info.encode() for info in infos)).encode()


def decode_card_access(octets: bytes) -> tuple[SecurityInfo, ...]:
    """Read EF.CardAccess. Raises MalformedRecord for anything that `encode_card_access` would not have written."""
    objects = read_objects(value_of(octets, _SET, _SET_OF), _SET_OF)
    check_range(len(objects), 1, MAX_INFOS, "number of infos", _NAME)
    return tuple(_info(found) for found in objects)


def encode_dg14(infos: Sequence[SecurityInfo]) -> bytes:
    """EF.DG14, its infos sorted as DER asks."""
    ordered = sorted(infos, key=SecurityInfo.encode)
    return DataObject(DG14_TAG, encode_card_access(ordered)).encode()


def decode_dg14(octets: bytes) -> tuple[SecurityInfo, ...]:
    """Read EF.DG14, sorted or not. Raises MalformedRecord."""
    return decode_card_access(value_of(octets, DG14_TAG, "EF.DG14"))


def _info(found: DataObject) -> SecurityInfo:
    check_range(found.tag, _SEQUENCE, _SEQUENCE, "tag of an info", _NAME)
    parts = read_objects(found.value, _NAME)
    check_range(len(parts), 2, 3, "parts of an info", _NAME)
    try:
        protocol = asn1.decode_der(ObjectIdentifier, parts[0].encode())
    except ValueError:
        raise MalformedRecord(f"{_NAME}: the protocol is no object identifier", tag=parts[0].tag) from None
    return SecurityInfo(protocol.dotted_string, parts[1].encode(), encode_objects(parts[2:]))


def _number(octets: bytes) -> int | None:
    try:
        return asn1.decode_der(int, octets)
    except ValueError:
        return None


def _identifier(dotted: str) -> ObjectIdentifier:
    try:
        return ObjectIdentifier(dotted)
    except ValueError:
        raise MalformedRecord(f"{_NAME}: the protocol is no object identifier") from None
