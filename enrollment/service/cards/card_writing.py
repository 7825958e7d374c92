"""The work on an encoder's thread for one card: written by its plan, powered down, read back and verified."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import datetime
from typing import Final

from drivers.errors import DeviceError
from drivers.spi import CancelToken, CardEncoder, HeldCard
from enrollment.core.chip.access.opening import select_application
from enrollment.core.chip.access.password import AccessKey
from enrollment.core.chip.apdu import Transmit
from enrollment.core.chip.consistency import ExpectedCard
from enrollment.core.chip.passive_authentication import verify
from enrollment.core.chip.personalisation import personalise
from enrollment.core.chip.personalisation_plan import SECURITY_OBJECT, CardPlan
from enrollment.core.chip.scp03 import CHALLENGE_OCTETS, ask_opening
from enrollment.core.chip.security_object import SecurityObject
from enrollment.core.chip.verification import verify_card
from enrollment.core.chip.verification_report import Check, VerificationReport
from enrollment.core.errors import CardBelongsElsewhere
from enrollment.service.cards.authority import CardIssuer
from enrollment.service.cards.events import CardProgress, Emit
from enrollment.service.cards.held_card import Patience, persevere, transmit_each_of, transmit_of

VERIFY: Final = "verify"

Meet = Callable[[str, bool], None]


class CardWriting:
    """One card.

    begun: the number of the card that the plan was begun on, or "". meet: told the number of a card before anything is
    written to it, and whether it was begun before; what it raises ends the work. patience: with a card that is lost.
    tell: from any thread. card_id: of the card that was met, or "".
    """

    def __init__(
        self,
        plan: CardPlan,
        issuer: CardIssuer,
        *,
        begun: str,
        meet: Meet,
        patience: Patience,
        now: Callable[[], datetime],
        tell: Emit,
    ) -> None:
        self._plan, self._issuer, self._begun, self._meet_card = plan, issuer, begun, meet
        self._patience, self._now, self._tell = patience, now, tell
        self._step, self._standing, self._checked = "", 0, 0
        self.card_id = ""

    def work(self, encoder: CardEncoder, cancel: CancelToken) -> VerificationReport:
        """Write the card and read it back. Raises DeviceError with the step in its facts, EnrollmentError."""
        try:
            patience = self._patience
            persevere(encoder, lambda held: self._write(held, cancel), lambda: self._standing, patience, cancel)
            return persevere(encoder, lambda held: self._verify(held, cancel), lambda: self._checked, patience, cancel)
        except DeviceError as error:
            error.facts.setdefault("step", self._step or "begin")
            raise

    def _write(self, held: HeldCard, cancel: CancelToken) -> None:
        personalise(
            transmit_of(held, cancel),
            self._plan,
            self._issuer.keys,
            block=held.block,
            challenge_source=os.urandom,
            known=bytes.fromhex(self.card_id or self._begun),
            on_card=self._meet,
            on_progress=self._progress,
            transmit_each=transmit_each_of(held, cancel),
        )

    def _meet(self, serial: bytes, begun: bool) -> None:
        card_id = serial.hex().upper()
        if card_id != self.card_id:
            self._meet_card(card_id, begun or bool(self.card_id))
            self.card_id = card_id

    def _progress(self, step: str, done: int, total: int) -> None:
        self._step, self._standing = step, max(self._standing, done)
        self._tell(CardProgress(step, done, total))

    def _verify(self, held: HeldCard, cancel: CancelToken) -> VerificationReport:
        self._step = VERIFY
        self._require_same_card(transmit_of(held, cancel))
        profile, secrets = self._plan.profile, self._plan.secrets
        digests = {name: hashlib.sha256(octets).digest() for name, octets in self._plan.files.items()}
        report = verify_card(
            transmit_of(held, cancel),
            profile,
            AccessKey.of_access_number(secrets.can)
            if "pace" in profile.access.protocols
            else AccessKey.of_fields(secrets.document_number, secrets.date_of_birth, secrets.date_of_expiry),
            self._issuer.trust.authorities,
            revocations=self._issuer.trust.revocations,
            now=self._now(),
            chance=os.urandom,
            block=held.block,
            expected=ExpectedCard(digests=digests),
            on_check=self._check,
        )
        for check in report.checks:
            self._tell(check)
        return report

    def _require_same_card(self, transmit: Transmit) -> None:
        """Cards can be changed between writing and reading: the one that was written is not to suffer for another.

        Raises CardBelongsElsewhere.
        """
        select_application(transmit, self._plan.profile)
        card_id = ask_opening(transmit, os.urandom(CHALLENGE_OCTETS)).serial.hex().upper()
        if card_id != self.card_id:
            raise CardBelongsElsewhere("this is not the card that was just written", card_id=card_id, step=VERIFY)

    def _check(self, check: Check) -> None:
        self._checked = max(self._checked, check.number)


def require_verifiable(plan: CardPlan, issuer: CardIssuer, now: datetime) -> None:
    """What is to be written would pass a border reader's passive authentication now. Raises TrustFailure."""
    groups = {number: plan.files[f"EF.DG{number}"] for number in plan.profile.data_groups}
    verify(plan.files[SECURITY_OBJECT], groups, issuer.trust.authorities, now)
    issuer.trust.require_not_revoked(SecurityObject.decode(plan.files[SECURITY_OBJECT]).signer_certificate, now)
