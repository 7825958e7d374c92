"""The verdict on one frame of a slap scanner's preview: which fingers are there, and what to tell the person.

It is the segmentation without the crops: the grid that fingers are found on is coarse enough for every frame.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from enrollment.core.fingerprint.hand import SlapKind
from enrollment.core.fingerprint.image import FingerprintImage
from enrollment.core.fingerprint.pads import Edge
from enrollment.core.fingerprint.slap import SlapFinding, SlapFindingKind, SlapFinger, SlapLook, look
from enrollment.core.fingerprint.slap_parameters import SLAP, PreviewParameters, SlapParameters


class SlapHint(Enum):
    """What a person can do on a large glass; the values are stable."""

    PLACE_FINGER = "PLACE_FINGER"  # nothing is on the glass, and one finger is asked for
    PLACE_FINGERS = "PLACE_FINGERS"  # nothing is on the glass
    OTHER_HAND = "OTHER_HAND"  # this is not the hand that was asked for
    MORE_FINGERS = "MORE_FINGERS"  # one is not on the glass
    FEWER_FINGERS = "FEWER_FINGERS"  # more is on the glass than was asked for
    MOVE_LEFT = "MOVE_LEFT"  # a pad runs over the right edge of the image
    MOVE_RIGHT = "MOVE_RIGHT"
    MOVE_DOWN = "MOVE_DOWN"  # a pad runs over the upper edge
    MOVE_UP = "MOVE_UP"
    SPREAD_FINGERS = "SPREAD_FINGERS"  # fingers touch
    TURN_CLOCKWISE = "TURN_CLOCKWISE"  # the hand is turned too far against it
    TURN_COUNTERCLOCKWISE = "TURN_COUNTERCLOCKWISE"
    PRESS_HARDER = "PRESS_HARDER"  # a print is faint or full of gaps


@dataclass(frozen=True, slots=True, eq=False)
class SlapPreview:
    """The verdict on one frame.

    fingers: from left to right, boxes in pixels of the frame. qualities: of each, 0..100, rough: how strong the ridges
    are and how much of the box they fill. It is no forecast of how well the print compares.
    hand, hand_confidence, findings: as in `SlapSegmentation`. rotation_deg: of the hand, clockwise.
    laid: the hand and the fingers that were asked for lie there, and nothing else. whole: and they lie well.
    weak: positions whose quality is too low. ready: worth capturing now, whole and none weak.
    hints: most pressing first, empty when there is nothing to say. seen: for `cut_slap`; None where nobody looked.
    """

    fingers: tuple[SlapFinger, ...]
    qualities: tuple[int, ...]
    hand: SlapKind | None
    hand_confidence: float
    findings: tuple[SlapFinding, ...]
    laid: bool
    whole: bool
    weak: tuple[int, ...]
    ready: bool
    hints: tuple[SlapHint, ...]
    seen: SlapLook | None = None


AWAY_FROM = {
    Edge.LEFT: SlapHint.MOVE_RIGHT,
    Edge.TOP: SlapHint.MOVE_DOWN,
    Edge.RIGHT: SlapHint.MOVE_LEFT,
    Edge.BOTTOM: SlapHint.MOVE_UP,
}
_HINT_FOR = {
    SlapFindingKind.NOTHING_THERE: SlapHint.PLACE_FINGERS,
    SlapFindingKind.WRONG_HAND: SlapHint.OTHER_HAND,
    SlapFindingKind.MISSING_FINGER: SlapHint.MORE_FINGERS,
    SlapFindingKind.UNEXPECTED_FINGER: SlapHint.FEWER_FINGERS,
    SlapFindingKind.TOO_MANY_FINGERS: SlapHint.FEWER_FINGERS,
    SlapFindingKind.TOUCHING_FINGERS: SlapHint.SPREAD_FINGERS,
}
_NOT_LAID = frozenset(_HINT_FOR) - {SlapFindingKind.TOUCHING_FINGERS}
_HARMLESS = frozenset({SlapFindingKind.TOUCHING_FINGERS, SlapFindingKind.FINGERS_UNCERTAIN})  # parted, or told later


BARE: Final = SlapPreview(
    fingers=(),
    qualities=(),
    hand=None,
    hand_confidence=0.0,
    findings=(SlapFinding(SlapFindingKind.NOTHING_THERE),),
    laid=False,
    whole=False,
    weak=(),
    ready=False,
    hints=(SlapHint.PLACE_FINGERS,),
)
"""The verdict on bare glass, for whoever knows without looking."""


def preview_slap(
    image: FingerprintImage, kind: SlapKind, missing: Collection[int] = (), *, parameters: SlapParameters = SLAP
) -> SlapPreview:
    """Judge one frame. Arguments and errors as for `segment_slap`."""
    seen = look(image, kind, missing, parameters)
    found = seen.found
    qualities = tuple(rough_quality(one.strength, one.filled, parameters.preview) for one in found.fingers)
    hints = tuple(dict.fromkeys(_hints(found.findings, found.rotation_deg, qualities, parameters.preview)))
    kinds = {finding.kind for finding in found.findings}
    least = parameters.preview.ready_quality
    weak = tuple(one.position for one, quality in zip(found.fingers, qualities, strict=True) if quality < least)
    whole = kinds <= _HARMLESS
    return SlapPreview(
        fingers=found.fingers,
        qualities=qualities,
        hand=found.hand,
        hand_confidence=found.hand_confidence,
        findings=found.findings,
        laid=kinds.isdisjoint(_NOT_LAID),
        whole=whole,
        weak=weak,
        ready=whole and not weak,
        hints=hints,
        seen=seen,
    )


def rough_quality(strength: float, filled: float, p: PreviewParameters) -> int:
    """How strong the ridges are (grey levels a px at 250 ppi) and how much of the box they fill (0..1): 0..100."""
    return round(100.0 * min(1.0, strength / p.full_strength) * min(1.0, filled / p.full_share))


def _hints(
    findings: Collection[SlapFinding], rotation_deg: float, qualities: Collection[int], p: PreviewParameters
) -> Iterator[SlapHint]:
    for finding in findings:
        yield from (AWAY_FROM[edge] for edge in finding.edges)
        if finding.kind in _HINT_FOR:
            yield _HINT_FOR[finding.kind]
    if abs(rotation_deg) > p.most_rotation_deg:
        yield SlapHint.TURN_COUNTERCLOCKWISE if rotation_deg > 0 else SlapHint.TURN_CLOCKWISE
    if any(quality < p.ready_quality for quality in qualities):
        yield SlapHint.PRESS_HARDER
