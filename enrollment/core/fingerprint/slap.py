"""Slaps: find the fingers of one large image, say which they are, and cut each out upright.

    ridges on a coarse grid -> direction of the hand -> pads -> which hand and fingers -> findings -> crops

What is wrong with a slap is a finding, not an error: the operator's next act follows from it. Only an image that is no
slap by its type, resolution or size is refused.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from enrollment.core.errors import InvalidInput
from enrollment.core.fingerprint.hand import FINGERS_OF, Reading, SlapKind, read_hand
from enrollment.core.fingerprint.image import FingerprintImage
from enrollment.core.fingerprint.pads import Edge, Pad, find_pads
from enrollment.core.fingerprint.ridge_map import RidgeMap, map_ridges
from enrollment.core.fingerprint.skin_pieces import hand_direction
from enrollment.core.fingerprint.slap_parameters import SLAP, SlapParameters

_MM_IN_AN_INCH: Final = 25.4
_SAMPLE_STEP: Final = 8  # of the pixels that tell how bright bare glass is
_COARSE_PX: Final = 8  # neighbours are blanked in squares of so many pixels
_FINGER_POSITIONS: Final = range(1, 11)


class SlapFindingKind(Enum):
    """What is not as it should be; the values are stable."""

    NOTHING_THERE = "NOTHING_THERE"  # no finger on the glass
    WRONG_HAND = "WRONG_HAND"  # another hand, or thumbs for fingers: `SlapSegmentation.hand` says which
    HAND_UNCERTAIN = "HAND_UNCERTAIN"  # it may be another hand
    FINGERS_UNCERTAIN = "FINGERS_UNCERTAIN"  # which fingers these are is not sure
    MISSING_FINGER = "MISSING_FINGER"  # expected, and not there
    UNEXPECTED_FINGER = "UNEXPECTED_FINGER"  # told missing, and there
    TOO_MANY_FINGERS = "TOO_MANY_FINGERS"  # more than the hand has
    TOUCHING_FINGERS = "TOUCHING_FINGERS"  # ran together, and were parted
    OUTSIDE_PLATEN = "OUTSIDE_PLATEN"  # a pad runs over an edge of the glass


@dataclass(frozen=True, slots=True)
class SlapFinding:
    """One finding.

    positions: ISO/IEC 19794 positions that it is about, from left to right; empty when about all.
    edges: that the pad runs over. confidence: 0..1, that it is so.
    """

    kind: SlapFindingKind
    positions: tuple[int, ...] = ()
    edges: tuple[Edge, ...] = ()
    confidence: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class SlapFinger:
    """One finger: its pad, from the tip to the crease of the last joint.

    position: ISO/IEC 19794, 1..10. centre: x and y of the box, pixels of the image. size: breadth and length, pixels.
    rotation_deg: of the box, clockwise in the image. edges: of the glass, that cut it.
    touching: it ran together with a neighbour, and was parted. strength: of the ridges, grey levels a px at 250 ppi.
    filled: share of the box with ridges, 0..1; a whole pad has about 0.85.
    """

    position: int
    centre: tuple[float, float]
    size: tuple[float, float]
    rotation_deg: float
    edges: tuple[Edge, ...]
    touching: bool
    strength: float
    filled: float


@dataclass(frozen=True, slots=True, eq=False)
class SlapSegmentation:
    """What a slap shows.

    kind: what was asked for. hand: what is there, None when nothing is. hand_confidence: 0..1.
    rotation_deg: of the hand, clockwise. fingers: from left to right.
    images: of each finger, upright at the image's resolution, its box and a margin, without its neighbours; empty in a
    `SlapLook`. findings: most pressing first.
    """

    kind: SlapKind
    hand: SlapKind | None
    hand_confidence: float
    rotation_deg: float
    fingers: tuple[SlapFinger, ...]
    images: tuple[FingerprintImage, ...]
    findings: tuple[SlapFinding, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SlapLook:
    """What one look at an image found: all of the segmentation but the images, and a pad for each of its fingers."""

    found: SlapSegmentation
    pads: tuple[Pad, ...]


def segment_slap(
    image: FingerprintImage, kind: SlapKind, missing: Collection[int] = (), *, parameters: SlapParameters = SLAP
) -> SlapSegmentation:
    """Find the fingers of a slap and cut each out.

    image: 200..1000 ppi, glass of 15..220 mm a side. kind: what was asked for.
    missing: ISO/IEC 19794 positions of fingers that the person does not have; of any hand.
    Raises InvalidInput for another kind or position, InvalidImage for a lower resolution, ImageTooSmall and
    ImageTooLarge by the size of the glass.
    """
    return cut_slap(image, look(image, kind, missing, parameters), parameters=parameters)


def cut_slap(image: FingerprintImage, seen: SlapLook, *, parameters: SlapParameters = SLAP) -> SlapSegmentation:
    """Cut out the fingers of a slap that was looked at already, as its preview does. seen: in this very image."""
    paper = _paper(image.pixels)
    return replace(seen.found, images=tuple(_cut(image, pad, seen.pads, paper, parameters) for pad in seen.pads))


def look(image: FingerprintImage, kind: SlapKind, missing: Collection[int], p: SlapParameters) -> SlapLook:
    """Do all of `segment_slap` but the images. Arguments and errors as there."""
    kind, missing = _checked(kind, missing)
    ridges = map_ridges(image, p.grid, p.foreground)
    direction = hand_direction(ridges, p.pad)
    pads = find_pads(ridges, direction, p.pad.thumb_mm if kind is SlapKind.TWO_THUMBS else p.pad.finger_mm, p.pad)
    reading = read_hand(pads, kind, missing, p.hand)
    if reading is None:
        nothing = (SlapFinding(SlapFindingKind.NOTHING_THERE),)
        return SlapLook(SlapSegmentation(kind, None, 0.0, 0.0, (), (), nothing), ())
    known = [(pad, position) for pad, position in zip(pads, reading.fingers, strict=True) if position]
    fingers = tuple(_finger(pad, position, ridges, image.resolution_ppi) for pad, position in known)
    segmentation = SlapSegmentation(
        kind=kind,
        hand=reading.kind,
        hand_confidence=reading.hand_confidence,
        rotation_deg=sum(finger.rotation_deg for finger in fingers) / len(fingers),
        fingers=fingers,
        images=(),
        findings=tuple(_findings(fingers, reading, len(pads), kind, missing, p)),
    )
    return SlapLook(segmentation, tuple(pad for pad, _ in known))


def _checked(kind: SlapKind, missing: Collection[int]) -> tuple[SlapKind, frozenset[int]]:
    try:
        asked = SlapKind(kind)
    except ValueError:
        raise InvalidInput(f"{kind} is no kind of slap: 13 right four, 14 left four, 15 two thumbs") from None
    wrong = [position for position in missing if position not in _FINGER_POSITIONS]
    if wrong:
        raise InvalidInput(f"{wrong[0]} is no finger position: 1 right thumb .. 10 left little finger")
    return asked, frozenset(missing)


def _finger(pad: Pad, position: int, ridges: RidgeMap, ppi: float) -> SlapFinger:
    scale = ppi / _MM_IN_AN_INCH
    return SlapFinger(
        position=position,
        centre=(pad.centre[0] * scale - 0.5, pad.centre[1] * scale - 0.5),
        size=(pad.breadth * scale, pad.length * scale),
        rotation_deg=math.degrees(pad.rotation),
        edges=pad.edges,
        touching=pad.parted,
        strength=pad.strength * ridges.reference,
        filled=pad.filled,
    )


def _findings(
    fingers: tuple[SlapFinger, ...],
    reading: Reading,
    pads: int,
    kind: SlapKind,
    missing: frozenset[int],
    p: SlapParameters,
) -> list[SlapFinding]:
    """Say what is not as it should be, most pressing first."""
    hand, sure = reading.hand_confidence, p.hand.sure
    there = [finger.position for finger in fingers]
    absent = tuple(one for one in FINGERS_OF[reading.kind] if one not in there and one not in missing)
    unexpected = tuple(one for one in there if one in missing)
    findings = []
    if reading.kind is not kind and hand >= sure:
        findings.append(SlapFinding(SlapFindingKind.WRONG_HAND, confidence=hand))
    elif hand < sure:
        other = hand if reading.kind is not kind else 1.0 - hand
        findings.append(SlapFinding(SlapFindingKind.HAND_UNCERTAIN, confidence=other))
    if pads > len(FINGERS_OF[reading.kind]):
        findings.append(SlapFinding(SlapFindingKind.TOO_MANY_FINGERS))
    if absent:
        findings.append(SlapFinding(SlapFindingKind.MISSING_FINGER, absent, confidence=reading.fingers_confidence))
    if unexpected:
        confidence = reading.fingers_confidence
        findings.append(SlapFinding(SlapFindingKind.UNEXPECTED_FINGER, unexpected, confidence=confidence))
    findings += [
        SlapFinding(SlapFindingKind.OUTSIDE_PLATEN, (finger.position,), finger.edges)
        for finger in fingers
        if finger.edges
    ]
    touching = tuple(finger.position for finger in fingers if finger.touching)
    if touching:
        findings.append(SlapFinding(SlapFindingKind.TOUCHING_FINGERS, touching))
    if reading.fingers_confidence < sure * hand:
        confidence = 1.0 - reading.fingers_confidence
        findings.append(SlapFinding(SlapFindingKind.FINGERS_UNCERTAIN, tuple(there), confidence=confidence))
    return findings


def _paper(pixels: NDArray[np.uint8]) -> int:
    """Grey of the bare glass: the brighter half's middle."""
    counts = np.bincount(pixels[_SAMPLE_STEP // 2 :: _SAMPLE_STEP, _SAMPLE_STEP // 2 :: _SAMPLE_STEP].ravel())
    below = np.cumsum(counts)
    return int(np.searchsorted(below, (3 * below[-1]) // 4, side="right"))


def _cut(image: FingerprintImage, pad: Pad, pads: Sequence[Pad], paper: int, p: SlapParameters) -> FingerprintImage:
    """Cut a pad out, upright, in one resampling; what lies beyond the glass or on a neighbour is bare."""
    scale = image.resolution_ppi / _MM_IN_AN_INCH
    margin = p.pad.margin_mm
    width, height = (math.ceil((side + 2.0 * margin) * scale) for side in (pad.breadth, pad.length))
    cosine, sine = math.cos(pad.rotation), math.sin(pad.rotation)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    middle = np.array(pad.centre) * scale - 0.5
    offset = middle - turn @ (np.array([width - 1, height - 1]) / 2)
    cut = cv2.warpAffine(
        image.pixels,
        np.column_stack([turn, offset]),
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderValue=paper,
    )
    pixels = np.asarray(cut, np.uint8)
    foreign = _foreign(pad, pads, (width, height), scale)
    if foreign is not None:
        pixels[foreign] = paper
    pixels.flags.writeable = False
    return FingerprintImage(pixels, image.resolution_ppi)


def _foreign(pad: Pad, pads: Sequence[Pad], size: tuple[int, int], scale: float) -> NDArray[np.bool_] | None:
    """Pixels of a pad's crop that are nearer to the axis of another; None when there are none."""
    width, height = size
    reach = 0.5 * math.hypot(width, height) / scale
    near = [
        other
        for other in pads
        if other is not pad
        and math.dist(other.centre, pad.centre) < reach + 0.5 * math.hypot(other.breadth, other.length)
    ]
    if not near:
        return None
    rows, cols = -(-height // _COARSE_PX), -(-width // _COARSE_PX)
    y, x = np.indices((rows, cols), dtype=np.float32)
    across = ((x + 0.5) * _COARSE_PX - width / 2) / np.float32(scale)
    down = ((y + 0.5) * _COARSE_PX - height / 2) / np.float32(scale)
    own = np.maximum(np.abs(across) / pad.breadth, np.abs(down) / pad.length)
    foreign = np.zeros((rows, cols), np.bool_)
    for other in near:
        turn = other.rotation - pad.rotation
        x0, y0 = other.centre[0] - pad.centre[0], other.centre[1] - pad.centre[1]
        cosine, sine = math.cos(pad.rotation), math.sin(pad.rotation)
        right, below = across - (cosine * x0 + sine * y0), down - (cosine * y0 - sine * x0)
        cosine, sine = math.cos(turn), math.sin(turn)
        beside = np.abs(cosine * right + sine * below) / other.breadth
        along = np.abs(cosine * below - sine * right) / other.length
        foreign |= np.maximum(beside, along) < np.minimum(own, 0.6)
    if not foreign.any():
        return None
    enlarged = cv2.resize(
        foreign.astype(np.uint8), (cols * _COARSE_PX, rows * _COARSE_PX), interpolation=cv2.INTER_NEAREST
    )
    return np.asarray(enlarged[:height, :width]) > 0
