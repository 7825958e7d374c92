"""What is kept of the tries: of each finger its best one. Whether that is enough, what may be stored, and as what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from enrollment.core import acceptance
from enrollment.core.acceptance import Decision, Exhausted, Objection, TryAgain
from enrollment.core.dossier.model import CapturedFinger
from enrollment.core.fingerprint import SlapFindingKind
from enrollment.core.records import iso19794_2_2005 as minutiae_record
from enrollment.core.records import iso19794_4_2005 as image_record
from enrollment.service.capture.errors import FingersNotSeen, OtherPerson, SameFingerTwice
from enrollment.service.capture.events import Judged, JudgedFinger
from enrollment.service.capture.fingerprint_order import PrintTask
from enrollment.service.capture.fingerprint_try import FingerTry, Try
from enrollment.service.capture.held_prints import HeldPrints
from enrollment.service.config import Clock

IMAGE_MEDIA_TYPE: Final = "application/x-iso19794-4-2005"
MINUTIAE_MEDIA_TYPE: Final = "application/x-iso19794-2-2005"
IMPRESSION_CODES: Final = {"flat": 0, "rolled": 1, "slap": 0}  # ISO/IEC 19794-2, -4: live-scan plain, rolled, plain
_OTHER_HAND: Final = "OTHER_HAND"
_MORE_FINGERS: Final = "MORE_FINGERS"
_PLACE_FINGER: Final = "PLACE_FINGER"
_DOUBTS_OF_HAND: Final = frozenset({SlapFindingKind.WRONG_HAND, SlapFindingKind.HAND_UNCERTAIN})
_FORBIDDEN: Final[dict[Objection, tuple[type[SameFingerTwice | OtherPerson], str]]] = {
    Objection.SAME_FINGER: (
        SameFingerTwice,
        "every try showed a finger that the dossier holds under another position",
    ),
    Objection.OTHER_PERSON: (OtherPerson, "every try showed a hand that is not that of the dossier's other prints"),
}

Parts = dict[str, tuple[str, bytes]]


@dataclass(frozen=True, slots=True, eq=False)
class Best:
    """The best so far: of each finger its own try, and of the whole the try whose worst finger is best."""

    task: PrintTask
    fingers: Mapping[int, FingerTry] = field(default_factory=dict)
    whole: Try | None = None

    def with_(self, made: Try) -> Best:
        """After one more try."""
        fingers = dict(self.fingers)
        for one in made.fingers:
            kept = fingers.get(one.position)
            if kept is None or acceptance.better(
                one.quality, kept.quality, candidate_objection=one.objection, kept_objection=kept.objection
            ):
                fingers[one.position] = one
        whole = self.whole if self.whole is not None and _rank(self.whole) >= _rank(made) else made
        return Best(self.task, fingers, whole)

    def weak(self) -> frozenset[int]:
        """The fingers that no try was good of."""
        return frozenset(self.task.fingers) - {one.position for one in self.fingers.values() if self._is_good(one)}

    def _is_good(self, one: FingerTry) -> bool:
        return isinstance(one.decide(self.task.planned, one.attempt), acceptance.Accepted)

    def decide(self, made: Try) -> Decision:
        """After the try that was made last."""
        planned, attempt = self.task.planned, made.attempt
        again = Exhausted if attempt >= planned.max_attempts else TryAgain
        if any(finding.kind in _DOUBTS_OF_HAND for finding in made.findings):
            return again(_OTHER_HAND)
        if not self.fingers.keys() >= set(self.task.fingers):
            return again(_PLACE_FINGER if self.task.slap is None else _MORE_FINGERS)
        return acceptance.decide_on_all(
            [self.fingers[position].decide(planned, attempt) for position in self.task.fingers]
        )

    def captured(self) -> tuple[CapturedFinger, ...]:
        """As the dossier will hold them; none of a single finger."""
        if self.task.slap is None:
            return ()
        return tuple(
            CapturedFinger(
                position,
                one.quality,
                self._is_good(one),
                one.attempt,
                tuple(sorted(_part_names(f"{_name(self.task)}-{position:02d}"))),
            )
            for position, one in sorted(self.fingers.items())
        )

    def least_good(self) -> FingerTry:
        """Of the kept fingers."""
        return least_good(tuple(self.fingers.values()))


def least_good(fingers: Sequence[FingerTry]) -> FingerTry:
    """The finger that another one would be kept before."""
    return min(fingers, key=lambda one: acceptance.rank(one.quality, one.objection))


def _rank(made: Try) -> tuple[int, ...]:
    """Of a whole try: more fingers, then the least good of them."""
    if not made.fingers:
        return (0,)
    worst = least_good(made.fingers)
    return len(made.fingers), *acceptance.rank(worst.quality, worst.objection)


def records(clock: Clock, best: Best) -> tuple[Parts, float]:
    """What is kept as ISO records by part name, and the milliseconds that they took."""
    began_s = clock.monotonic()
    task, impression = best.task, IMPRESSION_CODES[best.task.planned.impression]
    parts: Parts = {}
    name = _name(task)
    if task.slap is not None and best.whole is not None:
        quality = least_good(best.whole.fingers).quality.score
        whole = image_record.record_from_image(
            best.whole.image, position=task.slap, impression=impression, quality=quality
        )
        parts[f"{name}.fir"] = (IMAGE_MEDIA_TYPE, whole.encode())
    for position, one in best.fingers.items():
        codes = {"position": position, "impression": impression, "quality": one.quality.score}
        image = image_record.record_from_image(one.image, **codes).encode()
        minutiae = minutiae_record.record_from_template(one.template, **codes, with_waves=True).encode()
        image_name, minutiae_name = _part_names(name if task.slap is None else f"{name}-{position:02d}")
        parts |= {image_name: (IMAGE_MEDIA_TYPE, image), minutiae_name: (MINUTIAE_MEDIA_TYPE, minutiae)}
    return parts, 1000 * (clock.monotonic() - began_s)


def _name(task: PrintTask) -> str:
    return f"fingerprint-{task.planned.position:02d}"


def compared_anew(best: Best, held: HeldPrints) -> Best:
    """The same prints, compared with what the dossier holds now. Blocking."""
    templates = {position: one.template for position, one in best.fingers.items()}
    found = held.judge(templates, best.task.planned.impression, {})
    fingers = {
        position: replace(one, objection=found[position].objection, same_as=found[position].same_as)
        for position, one in best.fingers.items()
    }
    return replace(best, fingers=fingers)


def _part_names(stem: str) -> tuple[str, str]:
    return f"{stem}.fir", f"{stem}.fmr"


def require_storable(best: Best) -> None:
    """Raises FingersNotSeen, SameFingerTwice, OtherPerson for what no dossier may hold."""
    position = best.task.planned.position
    unseen = [finger for finger in best.task.fingers if finger not in best.fingers]
    if unseen:
        raise FingersNotSeen("no try showed all fingers", position=position, count=len(unseen), finger=unseen[0])
    for one in best.fingers.values():
        if one.objection is not None and one.objection.forbids:
            error, told = _FORBIDDEN[one.objection]
            raise error(told, position=one.position, same_as=one.same_as or 0)


def judged(made: Try, best: Best, decision: acceptance.Decision) -> Judged:
    """A try as the client hears of it. best: with it."""
    shown = least_good(made.fingers) if made.fingers else None
    return Judged(
        attempt=made.attempt,
        quality=None if shown is None else shown.quality,
        acceptable=isinstance(decision, acceptance.Accepted),
        hint=_hint(decision),
        times=made.times,
        minutiae=0 if shown is None else len(shown.template),
        same_as=None if shown is None else shown.same_as,
        fingers=() if best.task.slap is None else tuple(_judged_finger(one, best) for one in made.fingers),
        findings=made.findings,
    )


def _judged_finger(one: FingerTry, best: Best) -> JudgedFinger:
    decision = one.decide(best.task.planned, one.attempt)
    return JudgedFinger(
        position=one.position,
        quality=one.quality,
        acceptable=isinstance(decision, acceptance.Accepted),
        hint=_hint(decision),
        minutiae=len(one.template),
        same_as=one.same_as,
        best_attempt=best.fingers[one.position].attempt,
    )


def _hint(decision: acceptance.Decision) -> str | None:
    return None if isinstance(decision, acceptance.Accepted) else decision.hint
