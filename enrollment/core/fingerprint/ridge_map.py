"""Where on a large glass there are ridges: strength on a coarse grid, from gradients that agree.

Noise has gradients too, but in all directions: the sum of their squares as complex numbers, over a few ridges, keeps
what is parallel and loses what is not (Kass and Witkin 1987).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from enrollment.core.errors import ImageTooLarge, ImageTooSmall, InvalidImage
from enrollment.core.fingerprint.image import FingerprintImage
from enrollment.core.fingerprint.slap_parameters import ForegroundParameters, GridParameters
from enrollment.core.fingerprint.tiles import FloatArray, disc, smooth, tile_means

_MM_IN_AN_INCH = 25.4
_LEAST_INK = 1.0  # grey level
_PAPER_STEP = 4  # cells: bare glass varies slowly


@dataclass(frozen=True, slots=True, eq=False)
class RidgeMap:
    """Ridges on the grid.

    strength: (rows, cols) float32, 1 where they are as strong as on a good pad of this image, at most 1.25.
    ink: (rows, cols) float32, darkness, 1 where it is that of pads, at most 1.
    skin: (rows, cols) uint8, 1 on skin. reference: grey levels a work px that strength 1 stands for; 0 on bare glass.
    cell_px: side of a cell in pixels of the image. cell_mm: the same on the glass.
    """

    strength: FloatArray
    ink: FloatArray
    skin: NDArray[np.uint8]
    reference: float
    cell_px: float
    cell_mm: float


def map_ridges(image: FingerprintImage, grid: GridParameters, foreground: ForegroundParameters) -> RidgeMap:
    """Map the ridges of a large image.

    Raises InvalidImage below `grid.least_ppi`, ImageTooSmall and ImageTooLarge by the size of the glass.
    """
    _check(image, grid)
    height, width = image.pixels.shape
    ratio = grid.work_ppi / image.resolution_ppi
    cell = grid.cell_work_px
    size = (round(width * ratio), round(height * ratio))
    interpolation = cv2.INTER_AREA if ratio < 1.0 else cv2.INTER_LINEAR
    # To the nearest px, not to whole cells: means over whole blocks take a thirtieth of the time of those over parts.
    work = np.asarray(cv2.resize(image.pixels, size, interpolation=interpolation), np.uint8)
    work = work[: size[1] // cell * cell, : size[0] // cell * cell]
    strength = _parallel_gradients(work, grid)
    # A hair or a scratch is one or two cells wide: the median leaves nothing of it, but closes seams as well.
    broad = np.asarray(cv2.medianBlur(strength, grid.median_cells), np.float32)
    reference = _reference(broad, grid, foreground)
    if reference < foreground.least_reference:
        nothing = np.zeros(strength.shape, np.float32)
        return RidgeMap(nothing, nothing, nothing.astype(np.uint8), 0.0, cell / ratio, grid.cell_mm)
    relative = np.minimum(strength * np.float32(1.0 / reference), np.float32(foreground.cap))
    broad = smooth(broad * np.float32(1.0 / reference), grid.smoothing_cells)
    grey = _cell_means(work, cell)
    ink = _ink(grey, broad, foreground)
    skin = _skin(broad, ink, foreground)
    return RidgeMap(relative, np.minimum(ink, np.float32(1.0)), skin, reference, cell / ratio, grid.cell_mm)


def _check(image: FingerprintImage, grid: GridParameters) -> None:
    height, width = image.pixels.shape
    ppi = float(image.resolution_ppi)
    if ppi < grid.least_ppi:
        raise InvalidImage(
            f"a slap at {ppi:.0f} ppi holds no ridges: scan it at {grid.least_ppi:.0f} ppi or more", resolution_ppi=ppi
        )
    least, most = (1.0 / _MM_IN_AN_INCH * ppi * side for side in (grid.least_side_mm, grid.most_side_mm))
    if min(height, width) < least:
        raise ImageTooSmall(
            f"a slap of {width} x {height} pixels at {ppi:.0f} ppi is less than {grid.least_side_mm:.0f} mm a side",
            width=width,
            height=height,
            resolution_ppi=ppi,
        )
    if max(height, width) > most:
        raise ImageTooLarge(
            f"a slap of {width} x {height} pixels at {ppi:.0f} ppi is more than {grid.most_side_mm:.0f} mm a side",
            width=width,
            height=height,
            resolution_ppi=ppi,
        )


def _parallel_gradients(work: NDArray[np.uint8], grid: GridParameters) -> FloatArray:
    """Root of the coherent gradient energy of each cell, grey levels a work px."""
    from enrollment.core.fingerprint.compiled.platen import squared_gradients

    cell = grid.cell_work_px
    squares = np.empty((2, work.shape[0] // cell, work.shape[1] // cell), np.float32)
    # Their angle is twice the gradient's: opposite flanks of a ridge agree.
    squared_gradients(np.ascontiguousarray(work), cell, squares[0], squares[1])
    real, imaginary = (smooth(part, grid.agreement_cells) for part in squares)
    energy = np.asarray(cv2.magnitude(real, imaginary), np.float32)
    root: FloatArray = np.sqrt(energy) * np.float32(0.125)  # a Sobel kernel weighs a step of one grey level by 8
    return root


def _cell_means(values: NDArray[Any], cell: int) -> FloatArray:
    """`tile_means` by halves, which take half the time of a quarter at once. values: uint8 or float32."""
    while cell % 2 == 0:
        rows, cols = values.shape[0] // 2, values.shape[1] // 2
        values = np.asarray(cv2.resize(values, (cols, rows), interpolation=cv2.INTER_AREA))
        cell //= 2
    return tile_means(values.astype(np.float32, copy=False), cell)


def _reference(strength: FloatArray, grid: GridParameters, foreground: ForegroundParameters) -> float:
    """Strength that the strongest cells of one small pad's area reach; 0 where it is less than the least."""
    rank = int(foreground.reference_area_mm2 / grid.cell_mm**2)
    strong = strength[strength >= foreground.least_reference]
    return float(-np.partition(-strong, rank)[rank]) if rank < len(strong) else 0.0


def _ink(grey: FloatArray, strength: FloatArray, p: ForegroundParameters) -> FloatArray:
    """Darkness beside that of pads, above the brightest glass about: (rows, cols) float32, about 0..1.5."""
    coarse = cv2.resize(grey, None, fx=1 / _PAPER_STEP, fy=1 / _PAPER_STEP, interpolation=cv2.INTER_AREA)
    reach = np.ones((p.paper_reach_cells // _PAPER_STEP,) * 2, np.uint8)
    paper = cv2.resize(cv2.dilate(coarse, reach), grey.shape[::-1], interpolation=cv2.INTER_LINEAR)
    darkness = np.maximum(np.asarray(paper, np.float32) - grey, np.float32(0.0))
    usual = float(np.median(darkness[strength > p.inked_from]))
    return np.asarray(darkness * np.float32(1.0 / max(usual, _LEAST_INK)), np.float32)


def _skin(strength: FloatArray, ink: FloatArray, p: ForegroundParameters) -> NDArray[np.uint8]:
    """Cells of skin: weak ones too where they hang together with strong ones.

    Where sweat fills the valleys there are hardly any ridges, but it is as dark as ridges are.
    """
    weak = ((strength > p.weak_share) | (smooth(ink, 1.0) > p.soaked_share)).astype(np.uint8)
    closed = cv2.morphologyEx(weak, cv2.MORPH_CLOSE, disc(p.closing_cells))
    opened = np.asarray(cv2.morphologyEx(closed, cv2.MORPH_OPEN, disc(p.opening_cells)), np.uint8)
    count, labels = cv2.connectedComponents(opened, connectivity=4)
    strong = np.zeros(count, np.uint8)
    strong[labels[(strength > p.strong_share) & (opened > 0)]] = 1
    strong[0] = 0
    return np.asarray(strong[labels], np.uint8)
