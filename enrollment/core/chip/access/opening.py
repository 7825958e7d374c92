"""Which protocol opens a card: the strongest that the card offers, the profile allows and the password serves.

What EF.CardAccess offers is not signed. A card, or who stands between, can leave out what is stronger: `EF.DG14` tells
later, signed, what there was (`verification`). So a protocol that fails is not followed by a weaker one.
Source: ICAO Doc 9303-11, 8th edition, 4.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from enrollment.core.chip.access.bac import open_by_bac
from enrollment.core.chip.access.pace import PaceVariant, open_by_pace, pace_variant
from enrollment.core.chip.access.password import AccessKey, PasswordKind
from enrollment.core.chip.access.secure_messaging import Session
from enrollment.core.chip.apdu import Command, Transmit
from enrollment.core.chip.card_profile import CardProfile
from enrollment.core.chip.security_infos import SecurityInfo
from enrollment.core.errors import CardBelongsElsewhere

_NO_APPLICATION: Final = {0x6A82, 0x6A86, 0x6999}  # the last: JavaCard's, of an applet that does not let itself be had


@dataclass(frozen=True, slots=True)
class Way:
    """How to get in. pace: None for BAC."""

    pace: PaceVariant | None = None

    def __str__(self) -> str:
        if self.pace is None:
            return "BAC, 3DES"
        return f"PACE-ECDH-GM, AES-{8 * self.pace.key_octets}, {self.pace.curve.name}"


def select_application(transmit: Transmit, profile: CardProfile) -> None:
    """SELECT by the profile's AID. Raises CardBelongsElsewhere where the card has no such application, CardRefused."""
    answer = transmit(Command(0x00, 0xA4, 0x04, 0x0C, bytes.fromhex(profile.aid)))
    if answer.status in _NO_APPLICATION:
        raise CardBelongsElsewhere(
            f"the card has no application of the profile {profile.profile_id}", profile=profile.profile_id
        )
    answer.expect("SELECT of the application")


def strongest_way(profile: CardProfile, offered: Sequence[SecurityInfo], key: AccessKey) -> Way | str:
    """The way; a sentence where there is none. offered: EF.CardAccess; none where the card has no such file."""
    variants = [found for info in offered if (found := pace_variant(info)) is not None]
    if "pace" in profile.access.protocols and variants:
        return Way(max(variants, key=lambda found: found.strength))
    if "bac" not in profile.access.protocols:
        return "the card offers no variant of PACE that is spoken here, and its profile has no other way in"
    if key.kind is not PasswordKind.ZONE:
        return "the card offers no variant of PACE that is spoken here; BAC takes the zone, not the CAN"
    return Way()


def open_access(transmit: Transmit, way: Way, key: AccessKey, chance: Callable[[int], bytes]) -> Session:
    """The session. For BAC the application must be selected; PACE comes before that.

    Raises WrongCardPassword, CardRefused, MalformedCardAnswer, CardNotGenuine.
    """
    if way.pace is None:
        return open_by_bac(transmit, key, chance)
    return open_by_pace(transmit, way.pace, key, chance)
