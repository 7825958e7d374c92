"""A card profile: which application, files, access rules and algorithms a card has, as data.

A profile is TOML: profile_id, version, title_vi, title_en, aid, [mrz], [validity], [access], [chip_authentication],
[active_authentication], [document_signer] and [[files]]. Whoever reads the file hands in its tables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any, Final

from enrollment.core.chip.ef_com import DATA_GROUP_TAGS
from enrollment.core.chip.elementary_file import MAX_FILE_OCTETS
from enrollment.core.chip.security_infos import BRAINPOOL_P256R1, CHIP_AUTHENTICATION_ECDH, NIST_P256, PACE
from enrollment.core.chip.signature_algorithms import ALGORITHMS, SignatureAlgorithm
from enrollment.core.errors import InvalidCardProfile
from enrollment.core.tables import build, build_rows

# Curves that a card may have its keys on: number of their standardised domain parameters, 9303-11 table 10
CURVES: Final[Mapping[str, int]] = {
    "secp256r1": NIST_P256,
    "brainpoolP256r1": BRAINPOOL_P256R1,
    "secp384r1": 15,
    "brainpoolP384r1": 16,
    "brainpoolP512r1": 17,
}
PROTOCOLS: Final = frozenset({"bac", "pace"})
READ_RULES: Final = frozenset({"always", "access", "terminal"})
MAX_FILES: Final = 32
MAX_AGE, MAX_EARLY_YEARS, MAX_UTC_OFFSET_H = 150, 10, 14
REQUIRED_FILES: Final = frozenset({"EF.COM", "EF.SOD", "EF.DG1", "EF.DG2"})  # 9303-10, 3.2

_DATA_GROUP: Final = re.compile(r"EF\.DG([1-9][0-9]?)")
_NAME: Final = re.compile(r"EF\.[A-Za-z0-9/]{1,16}")
_IDENTIFIER: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}[a-z0-9]")
_FILE_ID: Final = re.compile(r"[0-9A-F]{4}")
_AID: Final = re.compile(r"(?:[0-9A-F]{2}){5,16}")
_OBJECT_IDENTIFIER: Final = re.compile(r"[0-2](\.[0-9]{1,9}){1,15}")


@dataclass(frozen=True, slots=True)
class ZoneRules:
    """What stands in the machine readable zone. no_expiry: six characters for a card without an end."""

    document_code: str
    issuer: str
    no_expiry: str

    def __post_init__(self) -> None:
        _require(re.fullmatch(r"[ACI][0-9A-Z<]?", self.document_code), "document_code", self.document_code)
        _require(re.fullmatch(r"[A-Z]{1,3}", self.issuer), "issuer", self.issuer)
        _require(re.fullmatch(r"[0-9]{6}|<{6}", self.no_expiry), "no_expiry", self.no_expiry)


@dataclass(frozen=True, slots=True)
class ValidityRules:
    """How long a card is good. change_ages: years of age at which it is changed; without an end after the last of them.

    early_years: a card issued so shortly before such an age holds until the next one. utc_offset_hours: whose days.
    Source: Law on Identification 26/2023/QH15, article 21.
    """

    change_ages: tuple[int, ...]
    early_years: int
    utc_offset_hours: int

    def __post_init__(self) -> None:
        ages: object = self.change_ages
        plain = isinstance(ages, list | tuple) and all(type(age) is int and 0 < age <= MAX_AGE for age in ages)
        _require(plain, "change_ages", str(ages))
        object.__setattr__(self, "change_ages", tuple(self.change_ages))
        _require(list(self.change_ages) == sorted(set(self.change_ages)), "change_ages", str(ages))
        _require(0 <= self.early_years <= MAX_EARLY_YEARS, "early_years", str(self.early_years))
        _require(abs(self.utc_offset_hours) <= MAX_UTC_OFFSET_H, "utc_offset_hours", str(self.utc_offset_hours))

    def day_of(self, at: datetime) -> date:
        """The day that it is where cards are issued. at: aware."""
        return at.astimezone(timezone(timedelta(hours=self.utc_offset_hours))).date()

    def expires(self, born: date, issued: date) -> date | None:
        """The last day of a card that is issued on this day; None for one without an end."""
        for age in self.change_ages:
            if issued < birthday(born, age - self.early_years):
                return birthday(born, age)
        return None


def birthday(born: date, age: int) -> date:
    """The day on which somebody is so old; born on 29 February: the 28th where there is no other."""
    try:
        return born.replace(year=born.year + age)
    except ValueError:
        return date(born.year + age, 2, 28)


@dataclass(frozen=True, slots=True)
class AccessRules:
    """How a reader gets in. can_digits: the last digits of the personal number, which are the card access number.

    pace: dotted. pace_parameter: of the standardised domain parameters.
    """

    protocols: tuple[str, ...]
    can_digits: int
    selects_master_file: bool
    pace: str
    pace_parameter: int

    def __post_init__(self) -> None:
        given: object = self.protocols
        _require(isinstance(given, list | tuple), "protocols", str(given))
        object.__setattr__(self, "protocols", tuple(str(protocol) for protocol in self.protocols))
        _require(PROTOCOLS.issuperset(self.protocols), "protocols", str(given))
        _require(0 < len(self.protocols) == len(set(self.protocols)), "protocols", str(self.protocols))
        _require(4 <= self.can_digits <= 12, "can_digits", str(self.can_digits))
        _require_identifier(self.pace, "pace", below=PACE)
        _require(self.pace_parameter in CURVES.values(), "pace_parameter", str(self.pace_parameter))


@dataclass(frozen=True, slots=True)
class ChipAuthentication:
    """protocol: dotted; with a key on `curve`."""

    protocol: str
    curve: str

    def __post_init__(self) -> None:
        _require_identifier(self.protocol, "protocol", below=CHIP_AUTHENTICATION_ECDH)
        _require(self.curve in CURVES, "curve", self.curve)


@dataclass(frozen=True, slots=True)
class ActiveAuthentication:
    """signature: dotted, of the algorithm; with a key on `curve`, or of RSA where it is empty."""

    curve: str
    signature: str

    def __post_init__(self) -> None:
        _require(self.curve in CURVES or not self.curve, "curve", self.curve)
        _require_identifier(self.signature, "signature")


@dataclass(frozen=True, slots=True)
class SignerRules:
    """signature: one of signature_algorithms.ALGORITHMS."""

    signature: str

    def __post_init__(self) -> None:
        _require(self.signature in ALGORITHMS, "signature", self.signature)

    @property
    def algorithm(self) -> SignatureAlgorithm:
        """What it names."""
        return ALGORITHMS[self.signature]


@dataclass(frozen=True, slots=True)
class CardFile:
    """file_id: four hexadecimal digits. read: one of READ_RULES. in_application: or beside it."""

    name: str
    file_id: str
    read: str
    max_octets: int
    in_application: bool = True

    def __post_init__(self) -> None:
        _require(_NAME.fullmatch(self.name), "name", self.name)
        _require(_FILE_ID.fullmatch(self.file_id), "file_id", self.file_id)
        _require(self.read in READ_RULES, "read", self.read)
        _require(1 <= self.max_octets <= MAX_FILE_OCTETS, "max_octets", str(self.max_octets))
        data_group = _DATA_GROUP.fullmatch(self.name)
        _require(data_group is None or int(data_group[1]) in DATA_GROUP_TAGS, "name", self.name)
        # Fingers and irises: 9303-10, 4.7.3 and 4.7.4
        _require(self.name not in ("EF.DG3", "EF.DG4") or self.read == "terminal", "read", self.read)

    @property
    def data_group(self) -> int | None:
        """The data group's number; None for other files."""
        match = _DATA_GROUP.fullmatch(self.name)
        return int(match[1]) if match else None


@dataclass(frozen=True, slots=True)
class CardProfile:
    """A kind of card. aid: of its application, hexadecimal. files: in the order in which they are written."""

    profile_id: str
    version: int
    title_vi: str
    title_en: str
    aid: str
    mrz: ZoneRules
    validity: ValidityRules
    access: AccessRules
    chip_authentication: ChipAuthentication
    active_authentication: ActiveAuthentication
    document_signer: SignerRules
    files: tuple[CardFile, ...]

    def __post_init__(self) -> None:
        _require(_IDENTIFIER.fullmatch(self.profile_id), "profile_id", self.profile_id)
        _require(1 <= self.version <= 1_000_000, "version", str(self.version))
        _require(_AID.fullmatch(self.aid), "aid", self.aid)
        _require(len(self.files) <= MAX_FILES, "files", str(len(self.files)))
        names = [found.name for found in self.files]
        places = [(found.in_application, found.file_id) for found in self.files]
        for name, place in zip(names, places, strict=True):
            _require(names.count(name) == 1, "name", name)
            _require(places.count(place) == 1, "file_id", place[1])
        for name in sorted(REQUIRED_FILES - set(names)):
            _require(False, "files", name)
        if "pace" in self.access.protocols:
            _require("EF.CardAccess" in names, "files", "EF.CardAccess")

    @property
    def data_groups(self) -> tuple[int, ...]:
        """Numbers of its data groups, in the order of its files."""
        return tuple(number for found in self.files if (number := found.data_group) is not None)

    def file(self, name: str) -> CardFile | None:
        """The file of this name, such as EF.DG2."""
        return next((found for found in self.files if found.name == name), None)


_TABLES: Final[Mapping[str, type[Any]]] = {
    "mrz": ZoneRules,
    "validity": ValidityRules,
    "access": AccessRules,
    "chip_authentication": ChipAuthentication,
    "active_authentication": ActiveAuthentication,
    "document_signer": SignerRules,
}

_LISTS: Final[Mapping[str, tuple[str, ...]]] = {"access": ("protocols",), "validity": ("change_ages",)}


def card_profile_from_table(table: Mapping[str, Any]) -> CardProfile:
    """Read a profile from nested tables, as TOML gives them. Raises InvalidCardProfile, naming the key."""
    top = dict(table)
    for name, kind in _TABLES.items():
        if name in top:
            nested = _LISTS.get(name, ())
            top[name] = build(kind, top[name], name, InvalidCardProfile, nested=nested)
    top["files"] = build_rows(CardFile, top.get("files", []), "files", InvalidCardProfile)
    return build(CardProfile, top, "profile", InvalidCardProfile, nested=(*_TABLES, "files"))


def _require(holds: object, key: str, found: str) -> None:
    if not holds:
        raise InvalidCardProfile(f"{key} = {found[:64]!r} is not allowed there", key=key, found=found[:64])


def _require_identifier(dotted: str, key: str, below: str = "") -> None:
    _require(_OBJECT_IDENTIFIER.fullmatch(dotted), key, dotted)
    _require(not below or dotted.startswith(f"{below}."), key, dotted)
