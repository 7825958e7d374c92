"""Any card in the encoder, read and checked as a border reader does; and against a dossier where one is given."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Final

from drivers.spi import CancelToken, CardEncoder, HeldCard
from enrollment.core.chip.access.password import AccessKey
from enrollment.core.chip.card_profile import CardProfile
from enrollment.core.chip.consistency import ExpectedCard
from enrollment.core.chip.mrz import LINE, MachineReadableZone
from enrollment.core.chip.personal_number import card_access_number
from enrollment.core.chip.verification import verify_card
from enrollment.core.chip.verification_report import VerificationReport
from enrollment.core.errors import MalformedRecord
from enrollment.service.capture.studio import LeaseReference
from enrollment.service.cards.desk import CardDesk, from_thread
from enrollment.service.cards.errors import AccessKeyInvalid
from enrollment.service.cards.events import CardFileRead, CardProgress, CardVerdict, Emit
from enrollment.service.cards.held_card import persevere, transmit_of
from enrollment.service.store.errors import PartPurged

_NUMBER: Final = "personal_number"
_CAN: Final = re.compile(r"[0-9]{4,12}")


@dataclass(frozen=True, slots=True)
class VerificationRequest:
    """dossier_id: "" for any card. access_key: a card access number or a machine readable zone; "" where the dossier
    tells it. profile_id: "" for the dossier's, or the station's only one."""

    dossier_id: str
    lease: LeaseReference
    access_key: str = field(repr=False)
    profile_id: str
    operator_id: str


class VerificationSession:
    """Carries out one request."""

    def __init__(self, desk: CardDesk, request: VerificationRequest, emit: Emit) -> None:
        self._desk, self._request, self._emit = desk, request, emit

    async def run(self) -> None:
        """Emit progress, each check as it ends, the files that were read, and the verdict.

        Raises the errors of leases and devices, CardsNotConfigured, KeysUnusable, RevocationListUnusable,
        CardProfileUnknown, AccessKeyInvalid, DossierUnknown, PartPurged. What is against the card is in the report.
        """
        desk, studio = self._desk, self._desk.studio
        async with desk.encoder(self._request.lease, self._request.operator_id) as on_encoder:
            profile, access, expected = await studio.stored(self._what)
            trust = await studio.stored(desk.authority.trust)
            tell = from_thread(self._emit)

            def verify(held: HeldCard, cancel: CancelToken) -> VerificationReport:
                return verify_card(
                    transmit_of(held, cancel),
                    profile,
                    access,
                    trust.authorities,
                    revocations=trust.revocations,
                    now=studio.clock.now(),
                    chance=os.urandom,
                    block=held.block,
                    expected=expected,
                    on_progress=lambda step, done, total: tell(CardProgress(step, done, total)),
                    on_check=tell,
                )

            def work(encoder: CardEncoder, cancel: CancelToken) -> VerificationReport:
                return persevere(encoder, lambda held: verify(held, cancel), lambda: 0, desk.patience, cancel)

            report = await on_encoder(work)
        for name, content in report.files.items():
            self._emit(CardFileRead(name, content))
        self._emit(CardVerdict(report.is_verified, report.way))

    def _what(self) -> tuple[CardProfile, AccessKey, ExpectedCard | None]:
        """On the store's thread: by which profile, opened with what, and whose card it should be."""
        request = self._request
        number, planned, expected = "", "", None
        if request.dossier_id:
            dossier = self._desk.studio.dossiers.get(request.dossier_id)
            number, planned = dossier.demographics.get(_NUMBER, ""), dossier.plan.card_profile
            if not number:
                raise PartPurged(
                    "the dossier tells no personal number: it was purged, or asks for none",
                    dossier_id=request.dossier_id,
                )
            expected = ExpectedCard(personal_number=number)
        profile = self._desk.authority.profile(request.profile_id or planned)
        if request.access_key or not number:
            return profile, access_key(request.access_key), expected
        if "pace" not in profile.access.protocols:
            raise AccessKeyInvalid("this card opens by its machine readable zone alone: read it from the card")
        can = card_access_number(number, profile.access.can_digits)
        return profile, AccessKey.of_access_number(can), expected


def access_key(text: str) -> AccessKey:
    """From a card access number, or from the three lines of a machine readable zone. Raises AccessKeyInvalid."""
    text = "".join(text.split())
    if _CAN.fullmatch(text):
        return AccessKey.of_access_number(text)
    if len(text) == 3 * LINE:
        try:
            return AccessKey.of_zone(MachineReadableZone.from_text(text.upper()))
        except MalformedRecord as error:
            raise AccessKeyInvalid("a machine readable zone that does not hold", **error.facts) from None
    raise AccessKeyInvalid("neither a card access number nor a machine readable zone", length=len(text))
