"""One try at a position: its fingers judged, and compared with what the dossier holds.

Blocking. A slap is cut into its fingers first; a single finger is a try of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from enrollment.core import acceptance
from enrollment.core.acceptance import Decision, Objection
from enrollment.core.dossier.model import QualityRecord
from enrollment.core.dossier.plan import PlannedFingerprint
from enrollment.core.fingerprint import (
    CANON_PPI,
    FingerprintImage,
    FingerprintQuality,
    FingerprintTemplate,
    PrintPreview,
    QualityHint,
    SlapFinding,
    SlapLook,
    cut_print,
    cut_slap,
    examine,
    segment_slap,
)
from enrollment.service.capture.events import StageTimes
from enrollment.service.capture.fingerprint_order import PrintTask
from enrollment.service.capture.held_prints import HeldPrints
from enrollment.service.capture.live_scan import Taken
from enrollment.service.config import Clock

# The API's names for what the core's hints mean on a platen; the others are called alike.
HINT_NAMES: Final = {
    QualityHint.OFF_CENTRE: "CENTRE",
    QualityHint.BLURRED: "HOLD_STILL",
    QualityHint.CLEAN_SENSOR: "CLEAN_PLATEN",
}


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """What the scanner gave for one try. device_ms: from the fingers' landing until it was in memory."""

    taken: Taken
    device_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class FingerTry:
    """One finger of one try. same_as: the dossier's other position that it resembles."""

    attempt: int
    position: int
    image: FingerprintImage = field(repr=False)
    template: FingerprintTemplate = field(repr=False)
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
    image: FingerprintImage = field(repr=False)
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
    image = _image_of(scan.taken)
    images, findings = _cut(image, task, scan.taken)
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


def examine_print(taken: Taken, task: PrintTask) -> tuple[FingerprintTemplate, QualityRecord] | None:
    """The single finger of a scan; None where none is there. Raises InvalidImage."""
    images, _ = _cut(_image_of(taken), task, taken)
    single = images.get(task.planned.position)
    if single is None:
        return None
    examined = examine(single)
    return examined.template, _quality_record(examined.quality)


def _image_of(taken: Taken) -> FingerprintImage:
    return FingerprintImage(taken.frame.pixels, taken.frame.resolution_ppi or CANON_PPI)


def _cut(
    image: FingerprintImage, task: PrintTask, taken: Taken
) -> tuple[dict[int, FingerprintImage], tuple[SlapFinding, ...]]:
    if task.slap is None:
        single = cut_print(image, taken.seen) if isinstance(taken.seen, PrintPreview) else image
        return {} if single is None else {task.planned.position: single}, ()
    seen = taken.seen
    found = cut_slap(image, seen) if isinstance(seen, SlapLook) else segment_slap(image, task.slap, task.absent)
    cut = zip(found.fingers, found.images, strict=True)
    return {finger.position: one for finger, one in cut if finger.position in task.fingers}, found.findings


def _quality_record(quality: FingerprintQuality) -> QualityRecord:
    hints = tuple(HINT_NAMES.get(hint, hint.value) for hint in quality.hints)
    return QualityRecord(quality.score, quality.algorithm, quality.version, dict(quality.measures), hints)
