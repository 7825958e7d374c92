"""The imaging self-test on frames of nothing: an empty platen, or an even light surface before a lens.

    frames -> is anything there? -> temporal noise, dead pixels, dead lines, levels

What is returned holds no picture: the maps are means over cells that cannot resolve a ridge, and `dead` says only which
pixels are defective. Cells that show something are not judged pixel by pixel, so that no outline can enter `dead`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from enrollment.core.diagnostics import parameters as p
from enrollment.core.errors import ImageTooSmall, InvalidImage

Floats = NDArray[np.float32]
CANON_PPI = 500.0
MM_PER_INCH = 25.4
WHITE = 255
_MAD_TO_SIGMA = 1.4826  # of a normal distribution


@dataclass(frozen=True, slots=True, eq=False)
class ImagingTest:
    """What the frames tell.

    cell_px: side of a cell of the maps, pixels.
    structure_share: share of the cells that show something, 0..1.
    surface_grey: how far the cells' levels are from a surface of the second order, grey levels.
    level_grey: median grey. level_spread: (99th - 1st percentile of the cells' levels) / median.
    noise_grey: median over the pixels of the standard deviation over the frames.
    levels, noise: (h, w) float32, means over cells; dead lines are left out of the levels.
    dead: (H, W) bool. dead_pixels: their number outside of dead lines.
    """

    frames: int
    cell_px: int
    structure_share: float
    surface_grey: float
    level_grey: float
    level_spread: float
    noise_grey: float
    dead_pixels: int
    dead_rows: tuple[int, ...]
    dead_columns: tuple[int, ...]
    levels: Floats
    noise: Floats
    dead: NDArray[np.bool_]

    def is_empty(self, *, scene: bool) -> bool:
        """Whether nothing was there. scene: before a lens, where a person out of focus must not pass for a wall."""
        return _is_empty(self.structure_share, self.surface_grey, scene=scene)


def examine_nothing(frames: NDArray[np.uint8], resolution_ppi: float = CANON_PPI) -> ImagingTest:
    """Judge frames of the same nothing.

    frames: (N, H, W) uint8, N >= 4, sides of 64 pixels or more.
    resolution_ppi: of a scanner, pixels an inch; without meaning before a lens.
    Raises InvalidImage, ImageTooSmall.
    """
    cell = _cell_px(frames, resolution_ppi)
    count, height, width = frames.shape
    mean, deviation = _mean_and_deviation(frames)
    rows, columns = _odd_lines(_line_levels(mean, 1)), _odd_lines(_line_levels(mean, 0))
    bridged = _without_lines(mean, rows, columns)
    structured = _structured(bridged, cell)
    noise_grey = float(np.median(deviation))
    dead = _odd_pixels(mean)
    if count >= p.STUCK_FRAMES and noise_grey >= p.STUCK_NOISE_GREY:
        dead |= (deviation == 0) & (mean > 0) & (mean < WHITE)  # light beyond the scale is no defect of a pixel
    dead &= ~_spread_out(_with_neighbours(structured), cell, mean.shape)
    dead[rows] = True
    dead[:, columns] = True
    in_lines = len(rows) * width + len(columns) * height - len(rows) * len(columns)
    levels = _cells(bridged, cell)
    level = float(np.median(mean))
    low, high = np.percentile(levels, (1, 99))
    return ImagingTest(
        frames=count,
        cell_px=cell,
        structure_share=float(structured.mean()),
        surface_grey=_surface_residual(levels),
        level_grey=level,
        level_spread=float((high - low) / max(level, 1.0)),
        noise_grey=noise_grey,
        dead_pixels=int(np.count_nonzero(dead)) - in_lines,
        dead_rows=tuple(rows.tolist()),
        dead_columns=tuple(columns.tolist()),
        levels=levels,
        noise=_cells(deviation, cell),
        dead=dead,
    )


def is_nothing(frames: NDArray[np.uint8], resolution_ppi: float = CANON_PPI, *, scene: bool) -> bool:
    """Whether nothing was there, as ImagingTest.is_empty tells it, without the rest of the test.

    frames, resolution_ppi, errors: as examine_nothing.
    """
    cell = _cell_px(frames, resolution_ppi)
    mean = np.asarray(frames.mean(axis=0, dtype=np.float32))
    rows, columns = _odd_lines(_line_levels(mean, 1)), _odd_lines(_line_levels(mean, 0))
    structured = _structured(_without_lines(mean, rows, columns), cell)
    return _is_empty(float(structured.mean()), _surface_residual(_cells(mean, cell)), scene=scene)


def _is_empty(structure_share: float, surface_grey: float, *, scene: bool) -> bool:
    return structure_share <= p.STRUCTURE_SHARE and (not scene or surface_grey <= p.SURFACE_GREY)


def _cell_px(frames: NDArray[np.uint8], resolution_ppi: float) -> int:
    """Side of the maps' cells. Raises InvalidImage, ImageTooSmall for what is no stack of frames."""
    if frames.ndim != 3 or frames.dtype != np.uint8 or frames.shape[0] < p.LEAST_FRAMES:
        raise InvalidImage("the self-test needs (N, H, W) uint8 with 4 frames or more", dimensions=frames.ndim)
    height, width = int(frames.shape[1]), int(frames.shape[2])
    if min(height, width) < p.MIN_SIDE_PX:
        raise ImageTooSmall("too small for the self-test", height=height, width=width)
    return max(math.ceil(p.CELL_MM * resolution_ppi / MM_PER_INCH), -(-max(height, width) // p.MOST_CELLS))


def _mean_and_deviation(frames: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """Over the frames; exact sums, and no copy of all frames as floats."""
    total = np.zeros(frames.shape[1:], np.uint32)
    squares = np.zeros(frames.shape[1:], np.uint32)
    for frame in frames:
        wide = frame.astype(np.uint16)  # 255 squared fits
        total += wide
        squares += wide * wide
    count = len(frames)
    sums = total.astype(np.float64)
    variance = (squares * float(count) - sums * sums) / (count * (count - 1))
    return (sums / count).astype(np.float32), np.sqrt(variance).astype(np.float32)


def _odd_pixels(mean: Floats) -> NDArray[np.bool_]:
    """Pixels that depart from the median of their neighbours."""
    departure = mean - np.asarray(cv2.medianBlur(mean, p.SPECK_WINDOW_PX), np.float32)
    return np.abs(departure) > max(p.DEAD_GREY, p.DEAD_SIGMAS * _robust_sigma(departure))


def _line_levels(mean: Floats, along: int) -> Floats:
    """Mean of each line along an axis; its extremes are drawn in, so that single dead pixels make no odd line."""
    percent = 100 * p.LINE_EXTREMES
    low, high = np.percentile(mean, (percent, 100 - percent), axis=along, keepdims=True)
    return np.asarray(np.clip(mean, low, high).mean(axis=along), np.float32)


def _odd_lines(means: Floats) -> NDArray[np.intp]:
    """Indexes of lines whose mean departs from that of the lines around. means: (N,), one for each line."""
    around = np.pad(means, p.LINE_WINDOW // 2, mode="reflect")
    departure = means - np.median(sliding_window_view(around, p.LINE_WINDOW), axis=1)
    return np.flatnonzero(np.abs(departure) > max(p.LINE_GREY, p.LINE_SIGMAS * _robust_sigma(departure)))


def _without_lines(mean: Floats, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Floats:
    """Bridge odd lines from their sound neighbours; left as they are where there are too many for a defect."""
    if len(rows) + len(columns) > p.MOST_LINES:
        return mean
    for odd, axis in ((rows, 0), (columns, 1)):
        if len(odd):
            lines = np.arange(mean.shape[axis])
            sound = np.setdiff1d(lines, odd)
            nearest = sound[np.abs(lines[:, None] - sound[None]).argmin(axis=1)]
            mean = mean.take(nearest, axis=axis)
    return mean


def _structured(mean: Floats, cell: int) -> NDArray[np.bool_]:
    """(h, w) bool: cells with more in them than light that changes slowly."""
    plain = np.asarray(cv2.medianBlur(mean, p.SPECK_WINDOW_PX), np.float32)
    window = (p.SMOOTH_WINDOW_PX, p.SMOOTH_WINDOW_PX)
    # Mirrored once more about the edge's value, a slope has no edge there.
    rest = plain - np.asarray(cv2.blur(plain, window, borderType=cv2.BORDER_REFLECT_101), np.float32)
    means = _cells(rest, cell)
    return np.asarray(_cells(rest * rest, cell) - means * means > p.STRUCTURE_GREY**2)


def _surface_residual(levels: Floats) -> float:
    """Standard deviation of what a surface of the second order leaves of the levels."""
    y, x = (grid.ravel() for grid in np.mgrid[-1 : 1 : levels.shape[0] * 1j, -1 : 1 : levels.shape[1] * 1j])
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    values = levels.ravel().astype(np.float64)
    solution = np.linalg.lstsq(terms, values, rcond=None)[0]
    return float(np.std(values - terms @ solution))


def _cells(values: Floats, cell: int) -> Floats:
    """Means over cells; a rest of less than a cell at the right and lower edges is left out."""
    height, width = (side // cell for side in values.shape)
    whole = values[: height * cell, : width * cell]
    return np.asarray(whole.reshape(height, cell, width, cell).mean(axis=(1, 3)), np.float32)


def _with_neighbours(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The outline of a finger runs on in cells that hold too little of it to be told."""
    return np.asarray(cv2.dilate(cells.astype(np.uint8), np.ones((3, 3), np.uint8)), bool)


def _spread_out(cells: NDArray[np.bool_], cell: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Cells as pixels; the rest at the edges takes the last cell's value."""
    whole = cells.repeat(cell, axis=0).repeat(cell, axis=1)
    return np.pad(whole, [(0, side - have) for side, have in zip(shape, whole.shape, strict=True)], mode="edge")


def _robust_sigma(values: NDArray[np.floating]) -> float:
    return float(_MAD_TO_SIGMA * np.median(np.abs(values - np.median(values))))
