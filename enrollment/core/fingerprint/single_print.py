"""One finger on a large glass, flat or rolled: where its print is, the verdict on each live frame, and whether it was
rolled at all.

The finger stands upright by habit, so its print is the box of its skin; what lies below it is the next phalanx.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.image import FingerprintImage
from enrollment.core.fingerprint.pads import Edge
from enrollment.core.fingerprint.ridge_map import RidgeMap, map_ridges
from enrollment.core.fingerprint.slap_parameters import SLAP, SlapParameters
from enrollment.core.fingerprint.slap_preview import AWAY_FROM, SlapHint, rough_quality
from enrollment.core.fingerprint.template import FingerprintTemplate

_MM_IN_AN_INCH: Final = 25.4


@dataclass(frozen=True, slots=True)
class PrintPreview:
    """The verdict on one frame.

    box: left, top, width and height of the print, pixels of the frame; None when nothing is there.
    quality: 0..100, as of `SlapPreview`. edges: of the glass, that cut it; the lower one cuts no finger.
    laid: one finger lies there. whole: and it lies well. ready: and its quality is high enough.
    """

    box: tuple[int, int, int, int] | None
    quality: int
    edges: tuple[Edge, ...]
    laid: bool
    whole: bool
    ready: bool
    hints: tuple[SlapHint, ...]


BARE: Final = PrintPreview(None, 0, (), False, False, False, (SlapHint.PLACE_FINGER,))
"""The verdict on bare glass, for whoever knows without looking."""


def preview_print(image: FingerprintImage, *, parameters: SlapParameters = SLAP) -> PrintPreview:
    """Judge one frame. Raises as `segment_slap` does for what is no large glass."""
    found = _find(image, parameters)
    if found is None:
        return BARE
    weak = found.quality < parameters.preview.ready_quality
    hints = [SlapHint.FEWER_FINGERS] * found.others + [AWAY_FROM[edge] for edge in found.edges]
    hints += [SlapHint.PRESS_HARDER] * weak
    whole = not found.others and not found.edges
    laid = not found.others
    return PrintPreview(found.box, found.quality, found.edges, laid, whole, whole and not weak, tuple(hints))


def cut_print(
    image: FingerprintImage, seen: PrintPreview, *, parameters: SlapParameters = SLAP
) -> FingerprintImage | None:
    """Cut the print out of a large glass, by the verdict on the same frame; None when nothing is there."""
    if seen.box is None:
        return None
    left, top, width, height = seen.box
    margin = round(parameters.single.margin_mm * image.resolution_ppi / _MM_IN_AN_INCH)
    rows = slice(max(0, top - margin), top + height + margin)
    cols = slice(max(0, left - margin), left + width + margin)
    pixels = image.pixels[rows, cols].copy()
    pixels.flags.writeable = False
    return FingerprintImage(pixels, image.resolution_ppi)


def breadth_px(template: FingerprintTemplate) -> float:
    """How broad the part with ridges is, pixels at 500 ppi; 0 where the template does not tell."""
    if template.waves is not None:
        known, pitch = template.waves.cells[..., 3] > 0, template.waves.pitch[0]
    elif template.mask is not None:
        known, pitch = template.mask, template.mask_cell_px
    else:
        return 0.0
    across = np.flatnonzero(known.any(axis=0))
    return float(across[-1] - across[0] + 1) * pitch if len(across) else 0.0


def is_rolled(rolled: FingerprintTemplate, flat: FingerprintTemplate, *, parameters: SlapParameters = SLAP) -> bool:
    """Whether a print is so much broader than a flat one of the same finger that it was rolled."""
    return breadth_px(rolled) >= parameters.single.least_roll_share * breadth_px(flat)


@dataclass(frozen=True, slots=True)
class _Found:
    box: tuple[int, int, int, int]
    quality: int
    edges: tuple[Edge, ...]
    others: bool


def _find(image: FingerprintImage, p: SlapParameters) -> _Found | None:
    ridges = map_ridges(image, p.grid, p.foreground)
    _, labels, found, _ = cv2.connectedComponentsWithStats(ridges.skin, connectivity=4)
    stats = np.asarray(found, np.int32)
    areas = stats[1:, cv2.CC_STAT_AREA] * ridges.cell_mm**2
    pieces = np.flatnonzero(areas >= p.pad.least_area_mm2)
    if not len(pieces):
        return None
    large = pieces[areas[pieces] >= p.single.pad_share * areas[pieces].max()]
    pad = int(large[stats[1 + large, cv2.CC_STAT_TOP].argmin()])
    left, _, width, _ = _box(stats, pad)
    centres = stats[1 + pieces, cv2.CC_STAT_LEFT] + stats[1 + pieces, cv2.CC_STAT_WIDTH] / 2
    others = bool((np.abs(centres - (left + width / 2)) > width / 2).any())
    cells = labels == pad + 1
    scale = ridges.cell_px
    x, y, across, down = (side * scale for side in _box(stats, pad))
    return _Found(
        (math.floor(x), math.floor(y), math.ceil(across), math.ceil(down)),
        _quality(ridges, cells, stats[1 + pad], p),
        _edges(cells, p),
        others,
    )


def _box(stats: NDArray[np.int32], piece: int) -> tuple[int, int, int, int]:
    left, top, width, height, _ = (int(value) for value in stats[1 + piece])
    return left, top, width, height


def _quality(ridges: RidgeMap, cells: NDArray[np.bool_], stats: NDArray[np.int32], p: SlapParameters) -> int:
    strength = float(ridges.strength[cells].mean()) * ridges.reference
    filled = float(stats[cv2.CC_STAT_AREA]) / float(stats[cv2.CC_STAT_WIDTH] * stats[cv2.CC_STAT_HEIGHT])
    return rough_quality(strength, filled, p.preview)


def _edges(cells: NDArray[np.bool_], p: SlapParameters) -> tuple[Edge, ...]:
    sides = {Edge.LEFT: cells[:, 0], Edge.TOP: cells[0], Edge.RIGHT: cells[:, -1]}
    return tuple(edge for edge, side in sides.items() if np.count_nonzero(side) >= p.pad.edge_cells)
