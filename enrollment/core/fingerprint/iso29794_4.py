"""Quality measures of ISO/IEC 29794-4:2017 (finger image), by the names they have there and in NFIQ 2.

They are for reports that other systems read: none of them enters the score of `quality`. Local ones are taken over
blocks of 32 x 32 pixels at 500 ppi, the ridge profile of a block over a window of 32 x 16 that is laid along its wave.
Definitions follow the NFIQ 2 reference implementation where the standard leaves a choice. Orientation is half the angle
of (a - b, 2 c) and its differences repeat after half a turn, OFL is 1 where the flow is even, and every RVU ratio is
ridge over valley: that implementation does these four otherwise, so its OFL and RVU are on other scales.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.image import CANON_PPI, FingerprintImage
from enrollment.core.fingerprint.template import FingerprintTemplate
from enrollment.core.fingerprint.tiles import FloatArray

BLOCK_PX: Final = 32
WHITE: Final = 250.0  # mean grey above which a row or a column at the border holds nothing
PROFILE_PX: Final = 32  # along the wave
PROFILE_ROWS: Final = 16  # along the ridge
FOREGROUND_DEVIATION: Final = 0.1  # of a block, in deviations of the image
RIDGE_WIDTHS_PX: Final = (3.0, 10.0)  # least and most that a clear block has on average
VALLEY_WIDTHS_PX: Final = (2.0, 10.0)
SIDE_LOBES: Final = 0.3  # weight of a peak's neighbours in the spectrum
EVEN_FLOW_DEG: Final = 4.0  # a change of orientation that costs nothing
CENTRE_PX: Final = 200  # side of the square about the minutiae's centre of mass
CERTAIN: Final = 0.8  # orientation certainty that makes a minutia good
DARKER: Final = 0.5  # deviations: a minutia on ground up to so much darker than the image is good
ROI_EROSION_PX: Final = 5
ROI_COARSENING: Final = 4  # the region is sought in an image so much smaller
ROI_SIGMAS_PX: Final = (6.5, 14.0)  # of the blurs before the two thresholds
_LEAST: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class _Blocks:
    """Whole blocks of an image: (rows, cols, 32, 32) float32 pixels, and their mean products of the gradient."""

    pixels: FloatArray
    xx: FloatArray
    yy: FloatArray
    xy: FloatArray

    @property
    def certainty(self) -> FloatArray:
        """Orientation certainty: 1 less the ratio of the tensor's eigenvalues; NaN in a block without gradient."""
        total = self.xx + self.yy
        apart = np.sqrt(np.square(self.xx - self.yy) + 4.0 * np.square(self.xy))
        with np.errstate(invalid="ignore"):  # an even block has none
            certainty: FloatArray = np.where(total > _LEAST, 2.0 * apart / (total + apart), np.float32(np.nan))
        return certainty

    @property
    def orientation(self) -> FloatArray:
        """Of the wave, (rows, cols) radians in (-pi/2, pi/2]."""
        half: FloatArray = np.arctan2(np.float32(2.0) * self.xy, self.xx - self.yy) * np.float32(0.5)
        return half


def measures_29794_4(image: FingerprintImage, template: FingerprintTemplate) -> dict[str, float]:
    """Measure an impression. template: its minutiae.

    FDA, LCS, OCL, RVU with `_mean` and `_deviation` over the blocks: frequency domain analysis, local clarity,
        orientation certainty, ridge valley uniformity (ridge over valley width, 1 when even); 0..1 but for RVU.
    OFL_mean, _deviation: orientation flow, 1 less the change of orientation to the neighbours; 0..1.
    MU, MMB: mean grey of the image, and of its blocks. ROI_mean, ROI_area_mm2: of the print's region.
    ROI_coherence_mean, ROI_coherence_sum: of the gradients in its blocks.
    minutiae, minutiae_centre: their count, and that about their centre of mass.
    minutiae_grey, minutiae_certainty: share of them on slightly darker ground, and where orientation is certain.
    Where nothing can be measured a measure is 0.
    """
    grey, corner = _trimmed(_at_canon(image))
    measures = _of_profiles(grey)
    blocks = _blocks(grey, 0)
    certainty = blocks.certainty
    measures |= _moments("OCL", certainty[np.isfinite(certainty)])
    measures["MU"] = float(grey.mean())
    measures["MMB"] = _mean_of_blocks(grey)
    measures |= _of_region(grey, blocks)
    return measures | _of_minutiae(grey, template.positions - corner)


def _at_canon(image: FingerprintImage) -> FloatArray:
    if image.resolution_ppi == CANON_PPI:
        return image.pixels.astype(np.float32)
    height, width = (max(1, round(side * CANON_PPI / image.resolution_ppi)) for side in image.pixels.shape)
    way = cv2.INTER_AREA if image.resolution_ppi > CANON_PPI else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image.pixels.astype(np.float32), (width, height), interpolation=way), np.float32)


def _trimmed(grey: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Take off the white rows and columns around a print, as NFIQ 2 does; returns what is left and its corner, x, y."""
    edges = []
    for axis in (0, 1):
        printed = np.flatnonzero(grey.mean(axis=1 - axis) <= WHITE)
        enough = len(printed) > 0 and printed[-1] + 1 - printed[0] >= 2 * BLOCK_PX
        edges.append((int(printed[0]), int(printed[-1]) + 1) if enough else (0, grey.shape[axis]))
    (top, bottom), (left, right) = edges
    return grey[top:bottom, left:right], np.array([left, top], np.float32)


def _blocks(grey: FloatArray, offset: int) -> _Blocks:
    """Cut whole blocks; those about which a profile's window would leave the image stay out with an offset."""
    rows, cols = ((side - 2 * offset) // BLOCK_PX for side in grey.shape)
    cut = grey[offset : offset + rows * BLOCK_PX, offset : offset + cols * BLOCK_PX]
    pixels = np.ascontiguousarray(cut.reshape(rows, BLOCK_PX, cols, BLOCK_PX).transpose(0, 2, 1, 3))
    gy, gx = np.gradient(pixels, axis=(2, 3))  # central differences that do not look beyond the block
    xx, yy, xy = (np.einsum("rcij,rcij->rc", a, b) / BLOCK_PX**2 for a, b in ((gx, gx), (gy, gy), (gx, gy)))
    return _Blocks(pixels, xx, yy, xy)


def _moments(name: str, values: NDArray[np.floating]) -> dict[str, float]:
    known = len(values) > 0
    return {
        f"{name}_mean": float(values.mean()) if known else 0.0,
        f"{name}_deviation": float(values.std()) if known else 0.0,
    }


def _of_profiles(grey: FloatArray) -> dict[str, float]:
    """Measure what the blocks' ridge profiles show, and how their orientation changes."""
    offset = (int(np.ceil(np.hypot(PROFILE_PX, PROFILE_ROWS))) - BLOCK_PX + 1) // 2
    blocks = _blocks(grey, offset)
    deviation = max(float(grey.std()), _LEAST)
    foreground = blocks.pixels.std(axis=(2, 3)) > FOREGROUND_DEVIATION * deviation
    orientation = blocks.orientation
    windows = _windows(grey, orientation, foreground, offset)
    profiles = windows.mean(axis=1)
    steps = np.arange(PROFILE_PX, dtype=np.float32) - np.float32((PROFILE_PX - 1) / 2)
    slopes = profiles @ steps / np.square(steps).sum()
    trend = profiles.mean(axis=1, keepdims=True) + slopes[:, None] * steps
    ridge = profiles < trend
    return {
        **_moments("FDA", _frequency_peak(profiles)),
        **_moments("LCS", _clarity(windows, trend, ridge)),
        **_moments("RVU", _width_ratios(ridge)),
        **_moments("OFL", _even_flow(orientation, foreground)),
    }


def _windows(grey: FloatArray, orientation: FloatArray, foreground: NDArray[np.bool_], offset: int) -> FloatArray:
    """Lay a window along the wave of each foreground block: (N, 16, 32) float32."""
    rows, cols = np.nonzero(foreground)
    along = np.arange(PROFILE_PX, dtype=np.float32) - PROFILE_PX / 2
    across = np.arange(PROFILE_ROWS, dtype=np.float32)[:, None] - PROFILE_ROWS / 2
    cosine, sine = (turn(orientation[rows, cols])[:, None, None] for turn in (np.cos, np.sin))
    middle = np.float32(offset + BLOCK_PX // 2)
    x = np.rint(cosine * along - sine * across + (cols * BLOCK_PX + middle)[:, None, None]).astype(np.intp)
    y = np.rint(sine * along + cosine * across + (rows * BLOCK_PX + middle)[:, None, None]).astype(np.intp)
    height, width = grey.shape
    windows: FloatArray = grey[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    return windows


def _frequency_peak(profiles: FloatArray) -> NDArray[np.floating]:
    """Share of the spectrum that its peak has, with a part of the neighbours; 1 where the peak is the lowest wave."""
    spectrum = np.abs(np.fft.rfft(profiles, axis=1))[:, 1:]  # without the mean
    peak = spectrum[:, :-1].argmax(axis=1)
    at = np.arange(len(profiles))
    beside = spectrum[at, np.maximum(peak - 1, 0)] + spectrum[at, peak + 1]
    total = spectrum[:, :-1].sum(axis=1)
    share = (spectrum[at, peak] + SIDE_LOBES * beside) / np.maximum(total, _LEAST)
    return np.where((peak == 0) & (total > _LEAST), 1.0, share)


def _clarity(windows: FloatArray, trend: FloatArray, ridge: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Share of pixels on the right side of the trend; 0 where ridges and valleys are not of a finger's width."""
    wrong = np.where(ridge, (windows >= trend[:, None]).sum(axis=1), (windows < trend[:, None]).sum(axis=1))
    change = ridge[:, 1:] != ridge[:, :-1]
    last = PROFILE_PX - 1 - np.argmax(change[:, ::-1], axis=1)  # where the last region begins, which is cut
    whole = np.arange(PROFILE_PX) < last[:, None]
    begins = np.concatenate([np.ones((len(ridge), 1), np.bool_), change], axis=1) & whole
    clear = change.any(axis=1)
    bad = np.zeros(len(ridge))
    for side, (least, most) in ((ridge, RIDGE_WIDTHS_PX), (~ridge, VALLEY_WIDTHS_PX)):
        width = (side & whole).sum(axis=1) / np.maximum((side & begins).sum(axis=1), 1)
        clear &= (width >= least) & (width <= most)
        bad += (wrong * side).sum(axis=1) / np.maximum(side.sum(axis=1) * PROFILE_ROWS, 1)
    return np.where(clear, 1.0 - bad / 2.0, 0.0)


def _width_ratios(ridge: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Width of each ridge over that of each valley beside it, where neither is cut."""
    block, at = np.nonzero(ridge[:, 1:] != ridge[:, :-1])
    same = block[2:] == block[:-2]  # three changes in a row bound two whole regions
    first, second = (at[1:-1] - at[:-2])[same], (at[2:] - at[1:-1])[same]
    begins_with_ridge = ridge[block[:-2], at[:-2] + 1][same]
    ratios: NDArray[np.float64] = np.where(begins_with_ridge, first / second, second / first)
    return ratios


def _even_flow(orientation: FloatArray, foreground: NDArray[np.bool_]) -> NDArray[np.floating]:
    """1 less the mean change of orientation to the eight neighbours, of blocks whose neighbours are all foreground."""
    if min(orientation.shape) < 3:
        return np.zeros(0)
    inner = (slice(1, -1), slice(1, -1))
    views = [
        (slice(1 + down, down - 1 or None), slice(1 + right, right - 1 or None))
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
    ]
    whole = np.logical_and.reduce([foreground[view] for view in views])
    apart = np.stack([np.abs(orientation[view] - orientation[inner]) for view in views])
    change = np.degrees(np.minimum(apart, np.pi - apart).sum(axis=0) / 8.0)
    lost = np.maximum(change - EVEN_FLOW_DEG, 0.0) / (90.0 - EVEN_FLOW_DEG)
    even: NDArray[np.floating] = 1.0 - lost[whole]
    return even


def _mean_of_blocks(grey: FloatArray) -> float:
    """Mean of the block means; the blocks at the right and the bottom may be cut."""
    starts = [np.arange(0, side, BLOCK_PX) for side in grey.shape]
    sums = np.add.reduceat(np.add.reduceat(grey, starts[0], axis=0), starts[1], axis=1)
    heights, widths = (np.diff(np.r_[start, side]) for start, side in zip(starts, grey.shape, strict=True))
    return float((sums / (heights[:, None] * widths)).mean())


def _of_region(grey: FloatArray, blocks: _Blocks) -> dict[str, float]:
    """Find the print's dark region, and measure its grey and the coherence of its gradients."""
    region = _region(grey)
    count = int(np.count_nonzero(region))
    rows, cols = blocks.xx.shape
    cut = region[: rows * BLOCK_PX, : cols * BLOCK_PX].reshape(rows, BLOCK_PX, cols, BLOCK_PX)
    inside = cut.any(axis=(1, 3))
    gy, gx = np.gradient(blocks.pixels[inside], axis=(1, 2))
    along, across = np.square(gx) - np.square(gy), 2.0 * gx * gy
    length = np.hypot(along.sum(axis=(1, 2)), across.sum(axis=(1, 2)))
    coherence = length / np.maximum((np.square(gx) + np.square(gy)).sum(axis=(1, 2)), _LEAST)
    return {
        "ROI_mean": float(grey[region].mean()) if count else 255.0,
        "ROI_area_mm2": count * (25.4 / CANON_PPI) ** 2,
        "ROI_coherence_sum": float(coherence.sum()),
        "ROI_coherence_mean": float(coherence.mean()) if len(coherence) else 0.0,
    }


def _region(grey: FloatArray) -> NDArray[np.bool_]:
    """(H, W) bool: the largest dark region, without holes."""
    height, width = grey.shape
    eroded = cv2.erode(grey, np.ones((ROI_EROSION_PX, ROI_EROSION_PX), np.uint8))
    size = max(1, width // ROI_COARSENING), max(1, height // ROI_COARSENING)
    seen = np.asarray(cv2.resize(eroded, size, interpolation=cv2.INTER_AREA))
    for sigma in ROI_SIGMAS_PX:
        soft = cv2.GaussianBlur(seen, (0, 0), sigma / ROI_COARSENING)
        levels = np.clip(np.rint(soft), 0, 255).astype(np.uint8)
        seen = np.asarray(cv2.threshold(levels, 0, 255, cv2.THRESH_OTSU)[1], np.float32)
    dark = (seen == 0).astype(np.uint8)
    if not dark.any():
        return np.zeros(grey.shape, np.bool_)
    outlines, _ = cv2.findContours(dark, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(outlines, key=lambda outline: cv2.boundingRect(outline)[2] * cv2.boundingRect(outline)[3])
    filled = cv2.drawContours(np.zeros_like(dark), [largest], -1, 1, cv2.FILLED)
    return np.asarray(cv2.resize(filled, (width, height), interpolation=cv2.INTER_NEAREST)) > 0


def _of_minutiae(grey: FloatArray, positions: FloatArray) -> dict[str, float]:
    """Count the minutiae, and those on good ground: of each the block about it, moved into the image."""
    count = len(positions)
    if not count:
        return dict.fromkeys(("minutiae", "minutiae_centre", "minutiae_grey", "minutiae_certainty"), 0.0)
    height, width = grey.shape
    near = np.abs(positions - positions.mean(axis=0)).max(axis=1) <= CENTRE_PX / 2
    left, top = (np.rint(positions[:, axis]).astype(np.intp) - BLOCK_PX // 2 for axis in (0, 1))
    left, top = np.clip(left, 0, width - BLOCK_PX), np.clip(top, 0, height - BLOCK_PX)
    cells = np.arange(BLOCK_PX)
    pixels = grey[top[:, None, None] + cells[:, None], left[:, None, None] + cells]
    gy, gx = np.gradient(pixels, axis=(1, 2))
    xx, yy, xy = ((a * b).mean(axis=(1, 2)) for a, b in ((gx, gx), (gy, gy), (gx, gy)))
    certainty = np.nan_to_num(_Blocks(pixels[:, None], xx, yy, xy).certainty)
    darker = (grey.mean() - pixels.mean(axis=(1, 2))) / max(float(grey.std()), _LEAST)
    return {
        "minutiae": float(count),
        "minutiae_centre": float(np.count_nonzero(near)),
        "minutiae_grey": float(((darker > 0.0) & (darker <= DARKER)).mean()),
        "minutiae_certainty": float((certainty > CERTAIN).mean()),
    }
