"""What one card is to become: its files, the secrets by which it is opened and proves itself, and its keys' version.

A plan must be kept, and be the same, until its card is finished: a card that was begun is known again by its EF.SOD,
and a signature or a key made anew would make it another card's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from enrollment.core.chip.access.password import AccessKey
from enrollment.core.chip.card_keys import OWN_VERSIONS
from enrollment.core.chip.card_profile import CardFile, CardProfile
from enrollment.core.chip.signature_algorithms import SigningKey
from enrollment.core.errors import InvalidCardProfile
from enrollment.core.records.data_object import DataObject
from enrollment.core.records.octets import check_range

MAX_FILE_SIZE: Final = 0xFFFF  # that CREATE FILE can say
SECURITY_OBJECT, CARD_ACCESS = "EF.SOD", "EF.CardAccess"

RSA_BITS: Final = 2048

_MODULUS, _EXPONENT, _PASSWORD, _CHIP_KEY, _ACCESS_NUMBER, _ACTIVE_KEY = 0x60, 0x61, 0x62, 0x63, 0x65, 0x66
_FIELD: Final = 0x04
_CURVES: Final[Mapping[str, ec.EllipticCurve]] = {
    "secp256r1": ec.SECP256R1(),
    "secp384r1": ec.SECP384R1(),
    "brainpoolP256r1": ec.BrainpoolP256R1(),
    "brainpoolP384r1": ec.BrainpoolP384R1(),
    "brainpoolP512r1": ec.BrainpoolP512R1(),
}


@dataclass(frozen=True, slots=True)
class ChipKeys:
    """A card's own key pairs. chip: of chip authentication. active: of active authentication."""

    chip: ec.EllipticCurvePrivateKey = field(repr=False)
    active: SigningKey = field(repr=False)


def make_chip_keys(profile: CardProfile) -> ChipKeys:
    """New key pairs on the profile's curves, the second of RSA where it names none."""
    chip, active = profile.chip_authentication.curve, profile.active_authentication.curve
    return ChipKeys(
        ec.generate_private_key(_CURVES[chip]),
        ec.generate_private_key(_CURVES[active]) if active else rsa.generate_private_key(65537, RSA_BITS),
    )


@dataclass(frozen=True, slots=True)
class CardSecrets:
    """What is written and can never be read again.

    document_number: nine characters, date_of_birth and date_of_expiry: six, as in the machine readable zone, without
    check digits. can: card access number, digits.
    Raises InvalidInput, naming the field, for what opens no card.
    """

    document_number: str = field(repr=False)
    date_of_birth: str = field(repr=False)
    date_of_expiry: str = field(repr=False)
    can: str = field(repr=False)
    chip_key: ec.EllipticCurvePrivateKey = field(repr=False)
    active_key: SigningKey = field(repr=False)

    def __post_init__(self) -> None:
        _ = self.zone_key, AccessKey.of_access_number(self.can)

    @property
    def zone_key(self) -> AccessKey:
        """What the holder's zone opens the card by."""
        return AccessKey.of_fields(self.document_number, self.date_of_birth, self.date_of_expiry)

    def objects(self) -> tuple[DataObject, ...]:
        """As PUT DATA takes them, one a command."""
        zone = (self.document_number, self.date_of_birth, self.date_of_expiry)
        return (
            _object(_PASSWORD, *(part.encode("ascii") for part in zone)),
            _object(_ACCESS_NUMBER, self.can.encode("ascii")),
            _object(_CHIP_KEY, _scalar(self.chip_key)),
            *self._active_objects(),
        )

    def _active_objects(self) -> tuple[DataObject, ...]:
        key = self.active_key
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return (_object(_ACTIVE_KEY, _scalar(key)),)
        numbers, octets = key.private_numbers(), key.key_size // 8
        modulus, exponent = numbers.public_numbers.n.to_bytes(octets, "big"), numbers.d.to_bytes(octets, "big")
        return _object(_MODULUS, modulus), _object(_EXPONENT, exponent)


@dataclass(frozen=True, slots=True)
class CardPlan:
    """files: by name, all of the profile's. key_version: of the keys that the card is to have, of OWN_VERSIONS.

    Raises InvalidCardProfile where files and profile do not go together, MalformedRecord for a file of a size that no
    card can be told.
    """

    profile: CardProfile
    files: Mapping[str, bytes] = field(repr=False)
    secrets: CardSecrets = field(repr=False)
    key_version: int = 1

    def __post_init__(self) -> None:
        names = {found.name for found in self.profile.files}
        if names != set(self.files):
            wrong = sorted(names ^ set(self.files))
            raise InvalidCardProfile("the files are not those of the profile", key="files", found=", ".join(wrong))
        for name, octets in self.files.items():
            check_range(len(octets), 1, MAX_FILE_SIZE, "file length", name)
        check_range(self.key_version, OWN_VERSIONS[0], OWN_VERSIONS[-1], "key version", "card plan")

    @property
    def in_writing_order(self) -> tuple[tuple[CardFile, bytes], ...]:
        """The security object first: no two cards have the same, and a card that was begun is known again by it."""
        ordered = sorted(self.profile.files, key=lambda found: found.name != SECURITY_OBJECT)
        return tuple((found, self.files[found.name]) for found in ordered)

    @property
    def octets(self) -> int:
        """Of all files."""
        return sum(map(len, self.files.values()))


def _object(tag: int, *parts: bytes) -> DataObject:
    return DataObject(tag, b"".join(DataObject(_FIELD, part).encode() for part in parts))


def _scalar(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_numbers().private_value.to_bytes(-(-key.curve.key_size // 8), "big")
