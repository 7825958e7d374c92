"""All files of one card, made of its contents by its profile, and signed.

The security object covers every data group exactly as it is returned here; whoever writes the card writes these octets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509

from enrollment.core.chip.card_profile import CardProfile
from enrollment.core.chip.dg2_face import encode_dg2
from enrollment.core.chip.dg3_fingers import CardFinger, encode_dg3
from enrollment.core.chip.dg13_identity import PrintedIdentity
from enrollment.core.chip.dg15_public_key import CardPublicKey, encode_dg15
from enrollment.core.chip.ef_com import CommonData
from enrollment.core.chip.mrz import MachineReadableZone
from enrollment.core.chip.security_infos import SecurityInfo, encode_card_access, encode_dg14
from enrollment.core.chip.security_object import sign_security_object
from enrollment.core.chip.signature_algorithms import KeptKey, SigningKey
from enrollment.core.errors import InvalidCardProfile
from enrollment.core.records.iso19794_5_2005 import FaceImage
from enrollment.core.records.octets import check_range

WRITTEN: Final = frozenset({1, 2, 3, 13, 14, 15})  # data groups that are made here


@dataclass(frozen=True, slots=True)
class CardContents:
    """What one card holds.

    fingers: none where no print could be taken; then `salt`, 8 or more random octets, takes their place.
    card_access, dg14: protocols, before and after access. public_key: of active authentication.
    """

    zone: MachineReadableZone = field(repr=False)
    face: FaceImage = field(repr=False)
    identity: PrintedIdentity = field(repr=False)
    fingers: tuple[CardFinger, ...] = field(repr=False)
    card_access: tuple[SecurityInfo, ...]
    dg14: tuple[SecurityInfo, ...]
    public_key: CardPublicKey
    salt: bytes = field(default=b"", repr=False)


def card_files(
    profile: CardProfile,
    contents: CardContents,
    signer: x509.Certificate,
    key: SigningKey | KeptKey,
    *,
    signed_at: datetime | None = None,
) -> dict[str, bytes]:
    """The profile's files by name, in its order.

    signer, key: of the document signer. signed_at: aware; put into the signature where it is given.
    Raises InvalidCardProfile for a file that is not made here, MalformedRecord for one that is larger than the profile
    allows, SignatureInvalid where signer, key and the profile's algorithm do not go together.
    """
    for found in profile.files:
        if found.data_group is not None and found.data_group not in WRITTEN:
            raise InvalidCardProfile(f"{found.name} is not made here", key="name", found=found.name)
    made = {number: _data_group(number, contents) for number in profile.data_groups}
    algorithm = profile.document_signer.algorithm
    others = {
        "EF.CardAccess": encode_card_access(contents.card_access),
        "EF.COM": CommonData(profile.data_groups).encode(),
        "EF.SOD": sign_security_object(made, signer, key, algorithm=algorithm, signed_at=signed_at),
    }
    files: dict[str, bytes] = {}
    for found in profile.files:
        octets = others.get(found.name) if found.data_group is None else made[found.data_group]
        if octets is None:
            raise InvalidCardProfile(f"{found.name} is not made here", key="name", found=found.name)
        check_range(len(octets), 1, found.max_octets, "file length", found.name)
        files[found.name] = octets
    return files


def _data_group(number: int, contents: CardContents) -> bytes:
    match number:
        case 1:
            return contents.zone.encode()
        case 2:
            return encode_dg2(contents.face)
        case 3:
            return encode_dg3(contents.fingers, contents.salt)
        case 13:
            return contents.identity.encode()
        case 14:
            return encode_dg14(contents.dg14)
        case _:
            return encode_dg15(contents.public_key)
