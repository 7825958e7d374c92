"""One try at a position: its fingers judged and compared with what the dossier holds, the best made into records.

Blocking. A slap is cut into its fingers first; a single finger is a try of one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from drivers.frame import Frame
from enrollment.core import acceptance
from enrollment.core.acceptance import Decision, Exhausted, Objection, TryAgain
from enrollment.core.dossier.model import CapturedFinger, QualityRecord
from enrollment.core.dossier.plan import FINGER_GROUPS, PlannedFingerprint
from enrollment.core.fingerprint import (
    CANON_PPI,
    FingerprintImage,
    FingerprintQuality,
    FingerprintTemplate,
    QualityHint,
    SlapFinding,
    SlapFindingKind,
    SlapKind,
    cut_print,
    examine,
    segment_slap,
)
from enrollment.core.records import iso19794_2_2005 as minutiae_record
from enrollment.core.records import iso19794_4_2005 as image_record
from enrollment.service.capture.events import StageTimes
from enrollment.service.capture.held_prints import HeldPrints
from enrollment.service.config import Clock

IMAGE_MEDIA_TYPE: Final = "application/x-iso19794-4-2005"
MINUTIAE_MEDIA_TYPE: Final = "application/x-iso19794-2-2005"
IMPRESSION_CODES: Final = {"flat": 0, "rolled": 1, "slap": 0}  # ISO/IEC 19794-2, -4: live-scan plain, rolled, plain
# The API's names for what the core's hints mean on a platen; the others are called alike.
HINT_NAMES: Final = {
    QualityHint.OFF_CENTRE: "CENTRE",
    QualityHint.BLURRED: "HOLD_STILL",
    QualityHint.CLEAN_SENSOR: "CLEAN_PLATEN",
}
_OTHER_HAND: Final = "OTHER_HAND"
_MORE_FINGERS: Final = "MORE_FINGERS"
_PLACE_FINGER: Final = "PLACE_FINGER"

Parts = dict[str, tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class PrintTask:
    """What is to be captured. fingers: asked for. absent: positions that the person does not have."""

    planned: PlannedFingerprint
    fingers: tuple[int, ...]
    absent: Collection[int]

    @property
    def slap(self) -> SlapKind | None:
        return SlapKind(self.planned.position) if self.planned.position in FINGER_GROUPS else None


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """What the scanner gave for one try. device_ms: from the fingers' landing until it was in memory.

    live: it is a large platen's, on which a single finger has to be looked for.
    """

    frame: Frame
    device_ms: float
    live: bool


@dataclass(frozen=True, slots=True, eq=False)
class FingerTry:
    """One finger of one try. same_as: the dossier's other position that it resembles."""

    attempt: int
    position: int
    image: FingerprintImage
    template: FingerprintTemplate
    quality: QualityRecord
    objection: Objection | None
    same_as: int | None

    def decide(self, planned: PlannedFingerprint, attempt: int) -> Decision:
        """On this print of the finger, after so many tries."""
        return acceptance.decide(planned, attempt, self.quality, self.objection)


@dataclass(frozen=True, slots=True, eq=False)
class Try:
    """One judged image. fingers: those that were asked for and are there, from left to right."""

    attempt: int
    image: FingerprintImage
    fingers: tuple[FingerTry, ...]
    findings: tuple[SlapFinding, ...]
    times: StageTimes


def judge(
    clock: Clock,
    scan: Scan,
    task: PrintTask,
    held: HeldPrints,
    earlier: Mapping[int, FingerTry],
    attempt: int,
) -> Try:
    """Judge a scan. earlier: the best of each finger so far. Raises InvalidImage."""
    began_s = clock.monotonic()
    image = FingerprintImage(scan.frame.pixels, scan.frame.resolution_ppi or CANON_PPI)
    images, findings = _cut(image, task, live=scan.live)
    examined = {position: examine(one) for position, one in images.items()}
    judged_s = clock.monotonic()
    likeness = held.judge(
        {position: one.template for position, one in examined.items()},
        task.planned.impression,
        {position: one.template for position, one in earlier.items()} if task.slap else {},
    )
    return Try(
        attempt,
        image,
        tuple(
            FingerTry(
                attempt,
                position,
                images[position],
                one.template,
                _quality_record(one.quality),
                likeness[position].objection,
                likeness[position].same_as,
            )
            for position, one in examined.items()
        ),
        findings,
        StageTimes(
            device_ms=scan.device_ms,
            judge_ms=1000 * (judged_s - began_s),
            compare_ms=1000 * (clock.monotonic() - judged_s),
        ),
    )


def _cut(
    image: FingerprintImage, task: PrintTask, *, live: bool
) -> tuple[dict[int, FingerprintImage], tuple[SlapFinding, ...]]:
    if task.slap is None:
        single = cut_print(image) if live else image
        return {} if single is None else {task.planned.position: single}, ()
    found = segment_slap(image, task.slap, task.absent)
    cut = zip(found.fingers, found.images, strict=True)
    return {finger.position: one for finger, one in cut if finger.position in task.fingers}, found.findings


def _quality_record(quality: FingerprintQuality) -> QualityRecord:
    hints = tuple(HINT_NAMES.get(hint, hint.value) for hint in quality.hints)
    return QualityRecord(quality.score, quality.algorithm, quality.version, dict(quality.measures), hints)


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


_DOUBTS_OF_HAND: Final = frozenset({SlapFindingKind.WRONG_HAND, SlapFindingKind.HAND_UNCERTAIN})


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


def _part_names(stem: str) -> tuple[str, str]:
    return f"{stem}.fir", f"{stem}.fmr"
