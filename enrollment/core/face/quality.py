"""Portrait quality from the image alone: exposure, dynamic range and sharpness. No face is looked for.

Everything but the size is measured in one central window, where the framing puts head and shoulders; what needs a face
(pose, eyes, expression, head size, background) is named in `not_assessed` and never given a number. The score is this
module's own, under its own name; ISO/IEC 29794-5 defines its components over a face, so only their raw formulas
(luminance, shares, entropy) are used, on the window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from enrollment.core.errors import InvalidImage
from enrollment.core.face import parameters as p

ALGORITHM: Final = "portrait-window"
VERSION: Final = "1"
NOT_ASSESSED: Final = ("face", "pose", "eyes", "expression", "head_size", "background")
MIN_SIDE_PX: Final = 64
MAX_PIXELS: Final = 64_000_000


@dataclass(frozen=True, slots=True)
class PortraitQuality:
    """A score 0..100, the named measures behind it, and what to ask of the operator.

    measures: width_px, height_px, luminance_mean (0..1), under_exposed_share, over_exposed_share (0..1),
        dynamic_range_bits (0..8), sharpness (0..1), and face_not_assessed, a flag that is always 1 here.
    hints: TOO_DARK, TOO_BRIGHT, BLURRED, most pressing first; empty when the frame is good.
    not_assessed: what only a face model could judge.
    """

    score: int
    algorithm: str
    version: str
    measures: Mapping[str, float]
    hints: tuple[str, ...]
    not_assessed: tuple[str, ...] = NOT_ASSESSED


def assess_portrait(bgr: NDArray[np.uint8]) -> PortraitQuality:
    """Judge one camera frame.

    bgr: (H, W, 3) uint8, 64 pixels a side .. 64 million pixels; not written to.
    Raises InvalidImage for any other type, shape or size.
    """
    window = _central_window(_checked(bgr))
    luminance = _luminance(window)
    histogram = np.bincount(luminance.ravel(), minlength=256) / luminance.size
    mean = float(histogram @ np.arange(256)) / 255
    under = float(histogram[: p.UNDER_EXPOSED_BELOW].sum())
    over = float(histogram[p.OVER_EXPOSED_ABOVE + 1 :].sum())
    occupied = histogram[histogram > 0]
    entropy = abs(float(-(occupied * np.log2(occupied)).sum()))
    sharpness = _sharpness(window)

    bright_enough = max(
        _rising(mean, p.LUMINANCE_MIDDLE, p.LUMINANCE_WIDTH),
        1 - _rising(under, p.UNDER_EXPOSED_MIDDLE, p.UNDER_EXPOSED_WIDTH),
    )
    parts = {  # light first: without it nothing is sharp
        "TOO_DARK": bright_enough,
        "TOO_BRIGHT": 1 - _rising(over, p.OVER_EXPOSED_MIDDLE, p.OVER_EXPOSED_WIDTH),
        "BLURRED": _rising(sharpness, p.SHARPNESS_MIDDLE, p.SHARPNESS_WIDTH),
    }
    weakest = min(*parts.values(), p.SCORE_PER_BIT * entropy / 100)
    return PortraitQuality(
        score=round(100 * weakest),
        algorithm=ALGORITHM,
        version=VERSION,
        measures={
            "width_px": float(bgr.shape[1]),
            "height_px": float(bgr.shape[0]),
            "luminance_mean": mean,
            "under_exposed_share": under,
            "over_exposed_share": over,
            "dynamic_range_bits": entropy,
            "sharpness": sharpness,
            "face_not_assessed": 1.0,
        },
        hints=tuple(hint for hint, part in parts.items() if 100 * part < p.HINT_BELOW),
    )


def _checked(bgr: object) -> NDArray[np.uint8]:
    if not isinstance(bgr, np.ndarray) or bgr.dtype != np.uint8 or bgr.ndim != 3 or bgr.shape[2] != 3:
        described = f"{bgr.dtype} {bgr.shape}" if isinstance(bgr, np.ndarray) else type(bgr).__name__
        raise InvalidImage(f"a portrait must be a (H, W, 3) array of uint8, not {described}", found=described)
    height, width = bgr.shape[:2]
    if min(height, width) < MIN_SIDE_PX or height * width > MAX_PIXELS:
        raise InvalidImage(
            f"a portrait of {width} x {height} pixels is outside {MIN_SIDE_PX} a side .. {MAX_PIXELS}",
            width=int(width),
            height=int(height),
        )
    return bgr


def _central_window(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = bgr.shape[:2]
    window_width = int(min(width * p.WINDOW_WIDTH_OF_FRAME, height * p.WINDOW_WIDTH_OF_HEIGHT))
    left = (width - window_width) // 2
    return bgr[int(height * p.WINDOW_TOP) : int(height * p.WINDOW_BOTTOM), left : left + window_width]


def _luminance(window: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Linear-light luminance, 0..255, of the reduced window (ISO/IEC 29794-5: sRGB decoded, Rec. 709 weights)."""
    factor = max(1, window.shape[0] // p.EXPOSURE_ROWS)
    size = (max(1, window.shape[1] // factor), max(1, window.shape[0] // factor))
    linear = cv2.LUT(cv2.resize(window, size, interpolation=cv2.INTER_AREA), _SRGB_TO_LINEAR)
    luminance: NDArray[np.uint8] = np.rint(linear @ _BGR_WEIGHTS * 255).astype(np.uint8)
    return luminance


def _sharpness(window: NDArray[np.uint8]) -> float:
    """Share of the steps at edges that a further blur takes away, along the worse of the two axes, 0..1."""
    grey = cv2.cvtColor(window, cv2.COLOR_BGR2GRAY)
    if grey.shape[0] > p.SHARPNESS_MAX_ROWS:
        scale = p.SHARPNESS_MAX_ROWS / grey.shape[0]
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    grey = cv2.GaussianBlur(grey, (0, 0), p.PRE_BLUR_SIGMA_PX)
    return min(_lost_to_blur(grey), _lost_to_blur(np.ascontiguousarray(grey.T)))


def _lost_to_blur(grey: NDArray[Any]) -> float:
    """Along rows."""
    steps = _horizontal_steps(grey)
    edges = cv2.threshold(steps, p.EDGE_LEAST_STEP - 1, 255, cv2.THRESH_BINARY)[1]
    if cv2.countNonZero(edges) < p.EDGE_LEAST_SHARE * steps.size:
        return 0.0
    lost = cv2.subtract(steps, _horizontal_steps(cv2.blur(grey, (p.REBLUR_PX, 1))))
    return float(cv2.mean(lost, edges)[0] / cv2.mean(steps, edges)[0])


def _horizontal_steps(grey: NDArray[Any]) -> NDArray[Any]:
    return cv2.absdiff(grey[:, 1:], grey[:, :-1])


def _rising(value: float, middle: float, width: float) -> float:
    """Sigmoid: 0 far below the middle, 1 far above it."""
    return float(1 / (1 + np.exp(np.clip((middle - value) / width, -60, 60))))


def _srgb_to_linear() -> NDArray[np.float32]:
    """IEC 61966-2-1, for each 8-bit code."""
    code = np.arange(256) / 255
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4).astype(np.float32)


_SRGB_TO_LINEAR: Final = _srgb_to_linear()
_BGR_WEIGHTS: Final = np.array([0.0722, 0.7152, 0.2126], np.float32)
