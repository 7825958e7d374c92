"""One card of one dossier: made, written, read back and verified, and entered into the ledger.

    order found or begun, its plan sealed -> card met and bound -> written -> verified -> ledger -> order ends

What is lost on the way, a card, the reader's service, or the daemon itself, is made good by beginning again: the plan
is the one that was kept, and the card is brought on from what stands on it. The chip's private keys lie sealed in the
store from before the first octet is written until the card is verified, and nowhere after.

The card is PERSONALISED only when a border reader's checks hold; one that was begun and cannot be finished, or does not
verify, is SPOILED, and its dossier's card is still to be made.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial

from enrollment.core.chip.card_profile import CardProfile
from enrollment.core.chip.passive_authentication import Outcome
from enrollment.core.chip.personalisation_plan import CardPlan
from enrollment.core.chip.verification_report import VerificationReport
from enrollment.core.dossier.card_lifecycle import CardState, CardTransitionRefused
from enrollment.core.errors import CardBelongsElsewhere, CardSpoiled, TrustFailure
from enrollment.service.capture.studio import LeaseReference
from enrollment.service.cards.authority import CardIssuer
from enrollment.service.cards.card_writing import CardWriting, require_verifiable
from enrollment.service.cards.contents import CardMaterial, gather, make_card
from enrollment.service.cards.desk import CardDesk, RunOnEncoder, from_thread
from enrollment.service.cards.errors import CardProfileUnknown
from enrollment.service.cards.events import Emit
from enrollment.service.cards.kept_plan import decode_plan, encode_plan
from enrollment.service.store.card_orders import CardOrder, OrderState
from enrollment.service.store.card_rows import LedgerCard
from enrollment.service.store.errors import CardUnknown


@dataclass(frozen=True, slots=True)
class CardRequest:
    """Which card is written. profile_id: "" for the one that the dossier's procedure names."""

    dossier_id: str
    lease: LeaseReference
    profile_id: str
    request_id: str
    operator_id: str


class _AnotherCard(Exception):
    """A blank lies in the encoder, and not the card that was begun; a new request may begin it."""

    def __init__(self, order: CardOrder) -> None:
        super().__init__(order.order_id)
        self.order = order


class EncodingSession:
    """Carries out one request."""

    def __init__(self, desk: CardDesk, request: CardRequest, emit: Emit) -> None:
        self._desk, self._request, self._emit = desk, request, emit
        self._adopted = False

    async def run(self) -> None:
        """Emit progress, the checks, and the card as the ledger has it, last.

        Raises the errors of leases, devices, the ledger and the chip; CardSpoiled where the card is lost. Anything else
        leaves the card as it is, to be gone on with by the same request.
        """
        desk, request, studio = self._desk, self._request, self._desk.studio
        async with desk.encoder(request.lease, request.operator_id) as on_encoder, desk.writing(request.dossier_id):
            order = await studio.stored(self._earlier)
            if order is not None and order.state is OrderState.WRITTEN:
                self._emit(await studio.stored(desk.ledger.get, order.card_id))
                return
            issuer = await studio.stored(desk.authority.issuer, studio.clock.now())
            try:
                order, card_id = await self._write(on_encoder, order, issuer)
            except _AnotherCard as left:
                await studio.stored(self._give_up, left.order, "left unfinished for another card")
                order, card_id = await self._write(on_encoder, None, issuer)
            try:
                self._emit(await studio.stored(self._done, order, card_id))
            except CardTransitionRefused as refused:
                other = CardSpoiled("another card came to this dossier while this one was written", **refused.facts)
                raise await self._spoil(card_id, order, other) from None

    def _meet(self, order: CardOrder, card_id: str, begun: bool) -> None:
        """Allow or refuse a card before anything is written to it; bind it to the order. On the encoder's thread.

        Raises CardBelongsElsewhere.
        """
        if order.card_id != card_id:
            if begun:
                raise CardBelongsElsewhere("the card was made, or begun, for something else", card_id=card_id)
            if order.card_id and self._adopted:
                raise _AnotherCard(order)
        known = self._known(card_id)
        if known is not None and (known.dossier_id != order.dossier_id or known.state is CardState.SPOILED):
            raise CardBelongsElsewhere(
                f"the ledger has this card as {known.state.value}", card_id=card_id, state=known.state.value
            )
        self._desk.orders.bind(order, card_id, self._request.request_id)

    # -------------------------------------------------------------------------------------------- on the store's thread

    def _earlier(self) -> CardOrder | None:
        """What this request began, or another and did not end. Raises CardSpoiled where it came to nothing."""
        desk, request = self._desk, self._request
        profile_id = self._profile_id()
        order = desk.orders.find(request.request_id, request.dossier_id, profile_id)
        if order is None:
            order = desk.orders.open_of(request.dossier_id)
            self._adopted = order is not None
        if order is None:
            desk.ledger.require_due(request.dossier_id)
            return None
        if order.state is OrderState.OPEN:
            order = self._settled(order)
        if order.state is OrderState.GIVEN_UP:
            raise CardSpoiled("this request's card is spoiled: ask for another one", card_id=order.card_id)
        return order

    def _settled(self, order: CardOrder) -> CardOrder:
        """An open order, or ended where the ledger says that its card is; a crash may have come between the two.

        Raises CardTransitionRefused where the dossier has got another card: this one is given up.
        """
        known = self._known(order.card_id)
        if known is None:
            try:
                self._desk.ledger.require_due(order.dossier_id)
            except CardTransitionRefused:
                self._give_up(order, "the dossier has got another card")
                raise
            return order
        ended = OrderState.GIVEN_UP if known.state is CardState.SPOILED else OrderState.WRITTEN
        self._desk.orders.finish(order, ended)
        return replace(order, state=ended)

    def _profile_id(self) -> str:
        """Raises CardProfileUnknown, CardUnknown, DossierUnknown."""
        request = self._request
        planned = self._desk.studio.dossiers.get(request.dossier_id).plan.card_profile
        if not planned:
            raise CardUnknown("the dossier's procedure issues no card", dossier_id=request.dossier_id)
        if request.profile_id not in ("", planned):
            raise CardProfileUnknown(
                "the dossier's procedure issues another card", profile=request.profile_id, planned=planned
            )
        return self._desk.authority.profile(planned).profile_id

    def _known(self, card_id: str) -> LedgerCard | None:
        try:
            return self._desk.ledger.get(card_id)
        except CardUnknown:
            return None

    def _material(self) -> tuple[CardProfile, CardMaterial]:
        dossiers, dossier_id = self._desk.studio.dossiers, self._request.dossier_id
        dossier = dossiers.get(dossier_id)
        profile = self._desk.authority.profile(dossier.plan.card_profile)
        return profile, gather(dossier, lambda name: dossiers.read_part(dossier_id, name))

    def _plan(self, order: CardOrder) -> CardPlan:
        return decode_plan(self._desk.orders.content(order), self._desk.authority.profile(order.profile_id))

    def _done(self, order: CardOrder, card_id: str) -> LedgerCard:
        card = self._desk.ledger.personalised(order.dossier_id, card_id, operator_id=self._request.operator_id)
        self._desk.orders.finish(order, OrderState.WRITTEN)
        return card

    def _give_up(self, order: CardOrder, reason: str) -> None:
        if order.card_id:
            self._desk.ledger.spoiled(
                order.dossier_id, order.card_id, operator_id=self._request.operator_id, reason=reason
            )
        self._desk.orders.finish(order, OrderState.GIVEN_UP)

    # ------------------------------------------------------------------------------------------------------------------

    async def _write(
        self, on_encoder: RunOnEncoder, order: CardOrder | None, issuer: CardIssuer
    ) -> tuple[CardOrder, str]:
        """Write and verify the order's card, a new order's where there is none; the order and the card's number."""
        order, plan = await self._ready(order, issuer)
        writing = CardWriting(
            plan,
            issuer,
            begun=order.card_id,
            meet=partial(self._meet, order),
            patience=self._desk.patience,
            now=self._desk.studio.clock.now,
            tell=from_thread(self._emit),
        )
        try:
            report = await on_encoder(writing.work)
        except CardSpoiled as spoiled:
            raise await self._spoil(writing.card_id, order, spoiled) from None
        if not report.is_verified:
            raise await self._spoil(writing.card_id, order, _unverified(report))
        return order, writing.card_id

    async def _ready(self, order: CardOrder | None, issuer: CardIssuer) -> tuple[CardOrder, CardPlan]:
        """The order and a plan that would verify now, made anew where it would not.

        Raises CardSpoiled where the card of this very request was begun with one that does no longer: its signer was
        revoked, or is trusted no more, while the station's own is.
        """
        studio = self._desk.studio
        if order is not None:
            plan = await studio.stored(self._plan, order)
            try:
                await studio.numeric(require_verifiable, plan, issuer, studio.clock.now())
            except TrustFailure as error:
                if order.card_id and not self._adopted:
                    spoiled = CardSpoiled("what was begun would not verify any more", problem=error.reason)
                    raise await self._spoil(order.card_id, order, spoiled) from error
                if order.card_id:
                    await studio.stored(self._give_up, order, f"begun with a signer of the past: {error.reason}")
                else:
                    await studio.stored(self._desk.orders.discard, order)
            else:
                return order, plan
        order = await self._begin(issuer)
        plan = await studio.stored(self._plan, order)
        await studio.numeric(require_verifiable, plan, issuer, studio.clock.now())
        return order, plan

    async def _begin(self, issuer: CardIssuer) -> CardOrder:
        studio, request = self._desk.studio, self._request
        profile, material = await studio.stored(self._material)
        plan = await studio.numeric(
            make_card,
            profile,
            material,
            issuer.signer,
            key_version=issuer.key_version,
            now=studio.clock.now(),
            chance=os.urandom,
        )
        return await studio.stored(
            self._desk.orders.begin,
            request.request_id,
            request.dossier_id,
            profile.profile_id,
            encode_plan(plan),
            operator_id=request.operator_id,
        )

    async def _spoil(self, card_id: str, order: CardOrder, spoiled: CardSpoiled) -> CardSpoiled:
        """Into the ledger, and what the caller is told."""
        reason = ", ".join(f"{name} {value}" for name, value in spoiled.facts.items()) or str(spoiled)
        bound = replace(order, card_id=card_id or order.card_id)
        await self._desk.studio.stored(self._give_up, bound, reason)
        return CardSpoiled(str(spoiled), **{**spoiled.facts, "card_id": bound.card_id})


def _unverified(report: VerificationReport) -> CardSpoiled:
    """Of the first check that failed, or could not be made."""
    checks = report.failed or tuple(check for check in report.checks if check.outcome is not Outcome.PASSED)
    first = checks[0]
    return CardSpoiled(
        "the card was written and does not verify", check=first.number, name=first.name, problem=first.reason
    )
