"""Hands one card over to the citizen whose finger is the dossier's.

    card and dossier -> finger named -> image -> examine -> compare one to one -> matches: sign, store
                                                              -> does not: written down, lift, next try

Comparisons that fail are counted in the ledger, over calls and restarts: the rate of false matches is of one
comparison, and nobody gets many. The lease is checked before every touch of the device and before the write.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from drivers.spi import DeviceKind, Sound
from enrollment.core.dossier.card_lifecycle import CardState, CardTransitionRefused
from enrollment.core.dossier.model import QualityRecord
from enrollment.core.dossier.plan import PlannedFingerprint
from enrollment.core.fingerprint import FingerprintTemplate
from enrollment.core.fingerprint.false_match import ALGORITHM, VERSION
from enrollment.core.sealing.hand_over_receipt import MAX_SCORE, PARTS, FingerVerified
from enrollment.service.capture.errors import FingerNotMatched, PrintsNotThere
from enrollment.service.capture.events import LiftFinger, PlatenEvent
from enrollment.service.capture.fingerprint_order import PrintTask
from enrollment.service.capture.fingerprint_try import examine_print
from enrollment.service.capture.hand_over import HandOverDesk
from enrollment.service.capture.held_fingers import Comparison, HeldFingers
from enrollment.service.capture.platen import Platen
from enrollment.service.capture.studio import LeaseReference, Studio
from enrollment.service.devices.leases import Lease
from enrollment.service.store.card_rows import LedgerCard

FINGER_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class HandOverOrder:
    """position: None for the dossier's best finger. dossier_id: of the person at the counter, or "".

    finger_timeout_s: None for FINGER_TIMEOUT_S.
    """

    card_id: str
    dossier_id: str
    lease: LeaseReference
    position: int | None
    finger_timeout_s: float | None
    request_id: str
    operator_id: str


@dataclass(frozen=True, slots=True)
class FingerAsked:
    """Which finger is to be laid down. held: those that the dossier has, the best first."""

    position: int
    held: tuple[int, ...]
    tries_left: int


@dataclass(frozen=True, slots=True)
class Compared:
    """One try. quality: None where no finger was seen. hint: by its stable name. same_as: another held finger."""

    attempt: int
    quality: QualityRecord | None
    matches: bool
    hint: str | None = None
    same_as: int | None = None


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Done, and on disk."""

    card: LedgerCard


HandOverEvent = PlatenEvent | FingerAsked | Compared | HandedOver


class HandOverSession:
    """Carries out one order."""

    def __init__(
        self, studio: Studio, desk: HandOverDesk, order: HandOverOrder, emit: Callable[[HandOverEvent], None]
    ) -> None:
        self._studio, self._desk, self._order, self._emit = studio, desk, order, emit

    async def run(self) -> None:
        """Emit what happens, the card that was handed over last.

        Raises the errors of leases and devices, CardUnknown, CardBelongsElsewhere, CardTransitionRefused,
        PrintsNotThere, FingerNotMatched, TriesUsedUp; the card is where it was then.
        """
        studio, order, desk = self._studio, self._order, self._desk
        earlier = await studio.stored(self._earlier)
        if earlier is not None:
            self._emit(HandedOver(earlier))
            return
        lease, device = studio.leased(order.lease, DeviceKind.FINGERPRINT_SCANNER, order.operator_id)
        async with studio.inventory.in_use(device):
            card = await studio.stored(self._presented)
            if card.state is CardState.HANDED_OVER:
                self._emit(HandedOver(card))
                return
            left = desk.require_tries(card)
            held = await self._held_fingers(card)
            asked = order.position
            position = asked if asked is not None and asked in held.templates else held.positions[0]
            self._emit(FingerAsked(position, held.positions, left))
            timeout_s = order.finger_timeout_s or FINGER_TIMEOUT_S
            platen = Platen(studio, lease, device, self._emit, card.dossier_id, timeout_s)
            async with platen.order():
                how = await self._tries(platen, card, held, position, left)
                handed_over = await studio.stored(self._store, lease, card, how)
            self._emit(HandedOver(handed_over))
            platen.watch(Sound.GOOD)

    def _earlier(self) -> LedgerCard | None:
        """The card where this request handed it over before."""
        return self._desk.ledger.changed_by(self._order.request_id, self._order.card_id, CardState.HANDED_OVER)

    def _presented(self) -> LedgerCard:
        """The card; handed over only where this request did it meanwhile, in a call that was cut off."""
        try:
            return self._desk.presented(self._order.card_id, self._order.dossier_id)
        except CardTransitionRefused:
            earlier = self._earlier()
            if earlier is None:
                raise
            return earlier

    async def _held_fingers(self, card: LedgerCard) -> HeldFingers:
        studio = self._studio
        dossier = await studio.stored(studio.dossiers.get, card.dossier_id)
        stored = await studio.stored(studio.dossiers.stored_prints, card.dossier_id)
        held = await studio.numeric(HeldFingers.read, stored, dossier)
        if not held.positions:
            raise PrintsNotThere(
                "the dossier holds no print to compare with: two officers can hand the card over",
                dossier_state=dossier.state.value,
                **card.facts,
            )
        return held

    async def _tries(
        self, platen: Platen, card: LedgerCard, held: HeldFingers, position: int, left: int
    ) -> FingerVerified:
        """Try until a finger matches."""
        studio, order, config = self._studio, self._order, self._desk.config
        tries = min(config.tries, left)
        task = PrintTask(PlannedFingerprint(position, max_attempts=tries), (position,), ())
        attempt = 0
        while True:
            attempt += 1
            scan = await platen.scan(task, attempt, frozenset({position}))
            seen = await studio.numeric(examine_print, scan.taken, task)
            if seen is None:
                self._emit(Compared(attempt, None, False, "PLACE_FINGER"))
            else:
                template, quality = seen
                compared = await studio.numeric(self._compare, held, template, position)
                if compared.matches:
                    self._emit(Compared(attempt, quality, True))
                    return self._verified(position, compared)
                ledger = self._desk.ledger
                failed = await studio.stored(
                    ledger.comparison_failed, order.card_id, position, operator_id=order.operator_id
                )
                self._emit(Compared(attempt, quality, False, _hint(quality, compared), compared.same_as))
                left = config.tries_in_all - failed
            if attempt >= tries or left <= 0:
                raise FingerNotMatched(
                    "the finger is not the dossier's: try another finger, or let two officers hand the card over",
                    position=position,
                    tries_left=max(left, 0),
                    **card.facts,
                )
            self._emit(LiftFinger(attempt))
            await platen.lift(task, frozenset({position}))

    def _compare(self, held: HeldFingers, template: FingerprintTemplate, position: int) -> Comparison:
        return held.compare(template, position, self._desk.config.false_match_rate)

    def _verified(self, position: int, compared: Comparison) -> FingerVerified:
        return FingerVerified(
            position=position,
            score=min(int(1000 * compared.score), MAX_SCORE),
            threshold=int(1000 * compared.threshold),
            algorithm=ALGORITHM,
            version=VERSION,
            false_match_rate=round(PARTS * self._desk.config.false_match_rate),
        )

    def _store(self, lease: Lease, card: LedgerCard, how: FingerVerified) -> LedgerCard:
        lease.require_live()
        return self._desk.finger_matched(
            card, how, operator_id=self._order.operator_id, request_id=self._order.request_id
        )


def _hint(quality: QualityRecord, compared: Comparison) -> str:
    """What to ask for: the right finger, or a better print of it."""
    if compared.same_as is not None or not quality.hints:
        return "OTHER_FINGER"
    return quality.hints[0]
