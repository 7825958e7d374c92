"""Verifying a card as a border reader does: every check that can be made is made, and none hides the others.

EF.CardAccess, access (PACE or BAC), the application, all files, passive authentication, what the files must say alike,
active authentication, chip authentication, and last what only a terminal with rights may read. `verification_report`
has the numbered list. A password is tried once.
Sources: ICAO Doc 9303-11, 8th edition, 4.1 (inspection procedure); 9303-10 (files).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from enrollment.core.chip import genuineness
from enrollment.core.chip import verification_report as report
from enrollment.core.chip.access.opening import Way, open_access, select_application, strongest_way
from enrollment.core.chip.access.password import AccessKey
from enrollment.core.chip.access.secure_messaging import Session
from enrollment.core.chip.apdu import Command, Transmit
from enrollment.core.chip.card_profile import CardFile, CardProfile
from enrollment.core.chip.check_list import CheckList
from enrollment.core.chip.consistency import (
    ExpectedCard,
    check_access_confirmed,
    check_access_number,
    check_belongs,
    check_zone_agrees,
)
from enrollment.core.chip.dg2_face import decode_dg2, portrait_pixels
from enrollment.core.chip.dg13_identity import PrintedIdentity
from enrollment.core.chip.dg15_public_key import decode_dg15
from enrollment.core.chip.ef_com import DATA_GROUP_TAGS, CommonData
from enrollment.core.chip.elementary_file import value_of
from enrollment.core.chip.mrz import MachineReadableZone
from enrollment.core.chip.reading import Channel, read_file
from enrollment.core.chip.security_infos import SecurityInfo, decode_card_access, decode_dg14
from enrollment.core.chip.security_object import SecurityObject
from enrollment.core.chip.signature_checks import Trust, make_signature_checks
from enrollment.core.chip.verification_report import Check, Found, NotPossible, VerificationReport
from enrollment.core.errors import CardBelongsElsewhere, CardRefused, EnrollmentError, MalformedRecord

# Of the data groups that are read here; EF.DG3 needs terminal authentication
_DECODERS: Final[Mapping[int, Callable[[bytes], object]]] = {
    1: MachineReadableZone.decode,
    2: decode_dg2,
    13: PrintedIdentity.decode,
    14: decode_dg14,
    15: decode_dg15,
}
_CARD_ACCESS, _COMMON, _SIGNED = "EF.CardAccess", "EF.COM", "EF.SOD"
_OTHER_STEPS: Final = 4  # access, passive, active and chip authentication, beside the files


def verify_card(
    transmit: Transmit,
    profile: CardProfile,
    access: AccessKey,
    trust: Sequence[x509.Certificate],
    *,
    now: datetime,
    chance: Callable[[int], bytes],
    block: int,
    expected: ExpectedCard | None = None,
    revocations: Sequence[x509.CertificateRevocationList] = (),
    on_progress: Callable[[str, int, int], None] = lambda step, done, total: None,
    on_check: Callable[[Check], None] = lambda check: None,
) -> VerificationReport:
    """Make all checks.

    trust: CSCA certificates. now: aware. chance: N octets of it. block: data octets that one answer may have.
    on_progress: a step that begins, steps that are done, and how many there are. on_check: each check as it ends.
    Raises nothing of the card's doing; what `transmit` raises, of a reader or a card that left, goes through, and
    verifying may then be done again from the beginning.
    """
    trusted = Trust(trust, revocations, now)
    return _Verification(transmit, profile, access, trusted, chance, block, on_progress, on_check).run(expected)


class _Verification:
    def __init__(
        self,
        transmit: Transmit,
        profile: CardProfile,
        access: AccessKey,
        trust: Trust,
        chance: Callable[[int], bytes],
        block: int,
        on_progress: Callable[[str, int, int], None],
        on_check: Callable[[Check], None],
    ) -> None:
        self._transmit = transmit
        self._profile = profile
        self._access = access
        self._trust = trust
        self._chance = chance
        self._block = block
        self._on_progress = on_progress
        self._done = 0
        self._checks = CheckList(on_check)
        self._session: Session | None = None
        self._way = ""
        self._offered: tuple[SecurityInfo, ...] = ()
        self._files: dict[str, bytes] = {}
        self._unread: dict[str, EnrollmentError | NotPossible] = {}
        self._decoded: dict[int, Any] = {}

    def run(self, expected: ExpectedCard | None) -> VerificationReport:
        self._enter()
        for file in self._application_files("always", "access"):
            self._begin(file.name)
            self._read(file)
        self._checks.make(report.COMMON_DATA, self._describe_common_data, needs=report.APPLICATION)
        for file in self._application_files("always", "access"):
            self._examine_group(file)
        self._begin("passive authentication")
        files, groups_of = self._files, self._profile.data_groups
        groups = {number: files[name] for number in groups_of if (name := f"EF.DG{number}") in files}
        make_signature_checks(self._checks, lambda: self._file(_SIGNED), groups, self._trust)
        self._checks.make(report.PROFILE_FILES, self._profile_files, needs=report.APPLICATION)
        self._checks.make(report.ACCESS_CONFIRMED, self._access_confirmed)
        self._checks.make(report.ZONE_AGREES, lambda: check_zone_agrees(self._group(1), self._group(13)))
        self._checks.make(report.ACCESS_NUMBER, self._access_number)
        self._checks.make(report.PORTRAIT, self._portrait)
        self._checks.make(report.DOSSIER, lambda: self._belongs(expected))
        self._begin(genuineness.ACTIVE_STEP)
        self._checks.make(report.ACTIVE, self._authenticate_actively, needs=report.APPLICATION)
        self._begin(genuineness.CHIP_STEP)
        self._checks.make(report.CHIP, self._authenticate_chip, needs=report.APPLICATION)
        for file in self._application_files("terminal"):
            self._begin(file.name)
            self._try_terminal(file)
        self._on_progress("", self._done, self._done)
        return VerificationReport(self._checks.ordered, self._files, self._way)

    def _application_files(self, *rules: str) -> list[CardFile]:
        return [file for file in self._profile.files if file.read in rules and file.name != _CARD_ACCESS]

    # What every check goes through.

    def _begin(self, step: str) -> None:
        self._on_progress(step, self._done, len(self._profile.files) - 1 + _OTHER_STEPS)
        self._done += 1

    def _group(self, number: int) -> Any:
        """A decoded data group. Raises NotPossible where there is none."""
        if number not in self._decoded:
            if number not in self._profile.data_groups:
                raise NotPossible(report.NOT_ON_CARD, f"the profile has no EF.DG{number}", file=f"EF.DG{number}")
            self._checks.need(report.FIRST_GROUP + number)
        return self._decoded[number]

    def _signed_group(self, number: int) -> Any:
        """A decoded data group that is the signed one."""
        found = self._group(number)
        self._checks.need(report.SIGNATURE)
        try:
            SecurityObject.decode(self._files[_SIGNED]).verify_data_group(number, self._files[f"EF.DG{number}"])
        except EnrollmentError:
            self._checks.need(report.GROUP_DIGESTS)
            self._checks.need(report.GROUPS_SIGNED)
        return found

    # Getting in.

    def _enter(self) -> None:
        self._begin("access")
        self._checks.make(report.CARD_ACCESS, self._read_card_access)
        way = strongest_way(self._profile, self._offered, self._access)
        if isinstance(way, str):
            needs = {"needs": "zone"} if "bac" in self._profile.access.protocols else {}
            self._checks.end(report.ACCESS, NotPossible(report.NOT_SPOKEN, way, **needs))
            self._checks.make(report.APPLICATION, lambda: select_application(self._transmit, self._profile))
            return
        if way.pace is None:
            self._checks.make(report.APPLICATION, lambda: select_application(self._transmit, self._profile))
            self._checks.make(report.ACCESS, lambda: self._open(way), needs=report.APPLICATION)
        else:
            self._checks.make(report.ACCESS, lambda: self._open(way))
            self._checks.make(
                report.APPLICATION, lambda: select_application(self._live().send, self._profile), needs=report.ACCESS
            )

    def _read_card_access(self) -> Found:
        file = self._profile.file(_CARD_ACCESS)
        if file is None:
            raise NotPossible(report.NOT_ON_CARD, f"the profile has no {_CARD_ACCESS}", file=_CARD_ACCESS)
        if self._profile.access.selects_master_file:
            self._transmit(Command(0x00, 0xA4, 0x00, 0x0C, b"\x3f\x00")).expect("SELECT of the master file")
        octets = read_file(Channel(self._transmit, self._block), file)
        self._files[file.name] = octets
        self._offered = decode_card_access(octets)
        return Found(f"{len(self._offered)} protocols", protocols=len(self._offered))

    def _open(self, way: Way) -> Found:
        self._session = open_access(self._transmit, way, self._access, self._chance)
        self._way = str(way)
        return Found(self._way, way=self._way)

    def _live(self) -> Session:
        """The session. Raises NotPossible where there is none any more."""
        if self._session is None:
            self._checks.need(report.ACCESS)
        if self._session is None or self._session.is_over:
            raise NotPossible(report.SESSION_OVER, "the secure session had ended before")
        return self._session

    # Files.

    def _read(self, file: CardFile) -> None:
        try:
            self._checks.need(report.APPLICATION)
            session = self._live()
            self._files[file.name] = read_file(Channel(session.send, session.room(self._block)), file)
        except (EnrollmentError, NotPossible) as error:
            self._unread[file.name] = error

    def _file(self, name: str) -> bytes:
        """Its octets. Raises why they could not be read."""
        if name in self._unread:
            raise self._unread[name]
        if name not in self._files:
            raise NotPossible(report.NOT_ON_CARD, f"the profile has no {name}", file=name)
        return self._files[name]

    def _examine_group(self, file: CardFile) -> None:
        number = file.data_group
        if number is not None:
            self._checks.make(report.FIRST_GROUP + number, lambda: self._decode(number, self._file(file.name)))

    def _decode(self, number: int, octets: bytes) -> Found:
        decode = _DECODERS.get(number)
        found = value_of(octets, DATA_GROUP_TAGS[number], f"EF.DG{number}") if decode is None else decode(octets)
        self._decoded[number] = found
        return Found(f"{len(octets)} octets", octets=len(octets))

    def _try_terminal(self, file: CardFile) -> None:
        """A file that nobody reads without terminal authentication, which is not made here."""
        self._read(file)
        if file.data_group is None:
            return
        number, error = report.FIRST_GROUP + file.data_group, self._unread.get(file.name)
        if error is None:
            error = CardBelongsElsewhere(f"{file.name} was read without terminal authentication", file=file.name)
        elif isinstance(error, CardRefused):
            detail = f"{file.name} is read only after terminal authentication"
            error = NotPossible(report.NEEDS_TERMINAL_AUTHENTICATION, detail, file=file.name)
        self._checks.end(number, error)

    def _common_data(self) -> CommonData:
        return CommonData.decode(self._file(_COMMON))

    def _describe_common_data(self) -> Found:
        groups = len(self._common_data().data_groups)
        return Found(f"{groups} data groups", groups=groups)

    def _profile_files(self) -> Found:
        """The card has the files of its profile, and names no others."""
        missing = [name for name, error in self._unread.items() if error.__class__ is not NotPossible]
        if missing:
            raise MalformedRecord(f"{missing[0]} of the profile could not be read", file=missing[0], count=len(missing))
        self._checks.need(report.COMMON_DATA)
        profiled = set(self._profile.data_groups)
        named = {_COMMON: set(self._common_data().data_groups)}
        if self._checks.passed(report.SECURITY_OBJECT):
            named[_SIGNED] = set(SecurityObject.decode(self._files[_SIGNED]).digests)
        for name, groups in named.items():
            if groups != profiled:
                differing = min(groups ^ profiled)
                raise CardBelongsElsewhere(
                    f"{name} and the profile differ in data group {differing}", file=name, data_group=differing
                )
        return Found(f"{len(self._profile.files)} files", files=len(self._profile.files))

    # What files must say alike.

    def _access_confirmed(self) -> None:
        check_access_confirmed(self._offered, self._signed_group(14))

    def _access_number(self) -> None:
        check_access_number(self._group(1), self._access, self._profile.access.can_digits)

    def _portrait(self) -> Found:
        height, width = portrait_pixels(self._group(2)).shape[:2]
        return Found(f"{width} x {height} pixels", width=width, height=height)

    def _belongs(self, expected: ExpectedCard | None) -> Found:
        if expected is None:
            raise NotPossible(report.NOT_GIVEN, "no dossier was given to compare with")
        compared = check_belongs(expected, self._decoded.get(1), self._files)
        if not compared:
            detail = "nothing was read that could be compared with the dossier"
            raise NotPossible(report.NEEDS_CHECK, detail, check=report.FIRST_GROUP + 1)
        return Found(f"{compared} compared", compared=compared)

    # The chip.

    def _authenticate_actively(self) -> Found:
        key = self._signed_group(15)
        digest = None
        if isinstance(key, ec.EllipticCurvePublicKey):
            infos = self._signed_group(14) if 14 in self._decoded else ()
            digest = genuineness.active_digest(infos, self._profile.active_authentication.signature)
            if digest is None:
                raise NotPossible(report.NOT_SPOKEN, "the chip signs by an algorithm that is not verified here")
        genuineness.authenticate_actively(self._live().send, key, digest, self._chance)
        algorithm = "RSA" if digest is None else "ECDSA"
        return Found(f"{algorithm}, {key.key_size} bits", algorithm=algorithm, bits=key.key_size)

    def _authenticate_chip(self) -> Found:
        infos = self._signed_group(14)
        key = genuineness.chip_key(infos)
        if key is None:
            raise NotPossible(report.NOT_SPOKEN, "EF.DG14 has no chip authentication by ECDH and AES on a known curve")
        old = self._live()
        self._session = genuineness.authenticate_chip(old, self._transmit, key, self._chance)
        genuineness.prove(self._session, Command(0x00, 0xA4, 0x04, 0x0C, bytes.fromhex(self._profile.aid)))
        return Found(f"ECDH on {key.public_key.curve.name}", algorithm="ECDH", curve=key.public_key.curve.name)
