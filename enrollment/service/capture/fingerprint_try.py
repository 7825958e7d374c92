"""One try at a fingerprint: judged, compared with the dossier's other fingers, made into records. Blocking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from drivers.frame import Frame
from enrollment.core.dossier.model import QualityRecord
from enrollment.core.dossier.plan import SINGLE_FINGERS, PlannedFingerprint
from enrollment.core.fingerprint import (
    CANON_PPI,
    SAME_FINGER_SCORE,
    FingerprintImage,
    FingerprintQuality,
    FingerprintTemplate,
    Gallery,
    QualityHint,
    examine,
)
from enrollment.core.records import iso19794_2_2005 as minutiae_record
from enrollment.core.records import iso19794_4_2005 as image_record
from enrollment.service.capture.events import StageTimes
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


@dataclass(frozen=True, slots=True)
class OtherFingers:
    """The dossier's other single fingers, ready to be compared with; positions in the gallery's order."""

    positions: tuple[int, ...]
    gallery: Gallery

    @classmethod
    def none(cls) -> OtherFingers:
        return cls((), Gallery())

    def resembled_by(self, template: FingerprintTemplate) -> int | None:
        """The position of the same finger, if it is among them."""
        if not self.positions:
            return None
        scores = self.gallery.scores(template)
        nearest = int(scores.argmax())
        return self.positions[nearest] if scores[nearest] >= SAME_FINGER_SCORE else None


@dataclass(frozen=True, slots=True)
class Try:
    """One judged image."""

    attempt: int
    image: FingerprintImage
    template: FingerprintTemplate
    quality: QualityRecord
    same_as: int | None
    times: StageTimes


def other_fingers(stored: Mapping[int, bytes]) -> OtherFingers:
    """From minutiae records by position. Raises MalformedRecord."""
    decode = minutiae_record.FingerMinutiaeRecord.decode
    templates = [minutiae_record.template_from_record(decode(record)) for record in stored.values()]
    return OtherFingers(tuple(stored), Gallery(templates))


def judge(clock: Clock, frame: Frame, others: OtherFingers, attempt: int, device_ms: float) -> Try:
    """Judge a frame. device_ms: how long the device took for it. Raises InvalidImage."""
    began_s = clock.monotonic()
    image = FingerprintImage(frame.pixels, frame.resolution_ppi or CANON_PPI)
    examination = examine(image)
    judged_s = clock.monotonic()
    same_as = others.resembled_by(examination.template)
    return Try(
        attempt,
        image,
        examination.template,
        _quality_record(examination.quality),
        same_as,
        StageTimes(
            device_ms=device_ms,
            judge_ms=1000 * (judged_s - began_s),
            compare_ms=1000 * (clock.monotonic() - judged_s),
        ),
    )


def _quality_record(quality: FingerprintQuality) -> QualityRecord:
    hints = tuple(HINT_NAMES.get(hint, hint.value) for hint in quality.hints)
    return QualityRecord(quality.score, quality.algorithm, quality.version, dict(quality.measures), hints)


def records(clock: Clock, kept: Try, planned: PlannedFingerprint) -> tuple[dict[str, tuple[str, bytes]], float]:
    """The kept try as ISO records by part name, and the milliseconds that they took."""
    began_s = clock.monotonic()
    codes = {
        "position": planned.position,
        "impression": IMPRESSION_CODES[planned.impression],
        "quality": kept.quality.score,
    }
    name = f"fingerprint-{planned.position:02d}"
    parts = {f"{name}.fir": (IMAGE_MEDIA_TYPE, image_record.record_from_image(kept.image, **codes).encode())}
    if planned.position in SINGLE_FINGERS:  # a minutiae record knows single fingers only
        minutiae = minutiae_record.record_from_template(kept.template, **codes, with_waves=True).encode()
        parts[f"{name}.fmr"] = (MINUTIAE_MEDIA_TYPE, minutiae)
    return parts, 1000 * (clock.monotonic() - began_s)
