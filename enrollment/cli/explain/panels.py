"""Each stage as a picture. All pictures of a page show the same frame at the same zoom.

A stage that an extractor does not show has no picture: the page says so in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from enrollment.cli.explain.field_lines import seeds, trace
from enrollment.core.fingerprint import FingerprintImage, FingerprintTemplate, MinutiaKind

Picture = NDArray[np.uint8]  # (H, W, 3) RGB
Stages = Mapping[str, NDArray[Any]]

GROUND: Final = (236, 236, 240)
ENDING: Final = (214, 40, 40)
BIFURCATION: Final = (20, 90, 200)
OTHER: Final = (120, 60, 160)
CANDIDATE: Final = (235, 120, 0)
FIELD_SPACING_PX: Final = 13
FIELD_LENGTH_PX: Final = 17.0
PERIODS_PX: Final = (5.0, 13.0)  # ends of the scale, pixels at 500 ppi: what the bank of filters covers
_STROKE_PX: Final = 17.0


@dataclass(frozen=True, slots=True)
class Legend:
    """A strip of colours under a picture, (N, 3) uint8, with what its ends mean."""

    colours: Picture
    low: str
    high: str


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The area that all stages cover, in a picture of width x height. zoom: picture px a pixel at 500 ppi."""

    image: FingerprintImage
    template: FingerprintTemplate
    stages: Stages
    width: int
    height: int
    zoom: float

    @classmethod
    def fitting(
        cls, image: FingerprintImage, template: FingerprintTemplate, stages: Stages, box: tuple[int, int]
    ) -> Frame:
        """Fit into a box of width x height. The tiles may reach a little beyond the image: they are what is shown."""
        width, height = map(float, template.size)
        if template.mask is not None:
            height, width = (side * template.mask_cell_px for side in template.mask.shape)
        zoom = min(box[0] / width, box[1] / height)
        return cls(image, template, stages, max(1, round(width * zoom)), max(1, round(height * zoom)), zoom)

    def resized(self, values: NDArray[Any], *, nearest: bool = False) -> NDArray[Any]:
        """Bring a stage of pixels or tiles, (h, w[, C]), to the picture's size."""
        shrinks = values.shape[0] > self.height
        way = cv2.INTER_NEAREST if nearest else cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(values, (self.width, self.height), interpolation=way))

    def grey(self, faded: float = 0.0) -> Picture:
        """The input, faded towards white by a share."""
        scale = self.zoom * 500.0 / self.image.resolution_ppi
        height, width = self.image.pixels.shape
        size = (min(self.width, max(1, round(width * scale))), min(self.height, max(1, round(height * scale))))
        way = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_CUBIC
        laid = np.full((self.height, self.width), 255, np.uint8)
        laid[: size[1], : size[0]] = cv2.resize(self.image.pixels, size, interpolation=way)
        pale = np.rint(255.0 * faded + (1.0 - faded) * laid).astype(np.uint8)
        return np.repeat(pale[:, :, None], 3, axis=2)

    def points(self, positions: NDArray[Any]) -> NDArray[np.float64]:
        """Pixels at 500 ppi to picture px."""
        return (positions.astype(np.float64) + 0.5) * self.zoom - 0.5


def draw_input(frame: Frame) -> Picture:
    return frame.grey()


def draw_normalised(frame: Frame) -> Picture:
    ridges = frame.resized(frame.stages["ridges"])
    return _grey_scale(ridges, -2.0, 2.0)


def draw_orientation(frame: Frame) -> Picture:
    """Field lines along the ridges, coloured by their angle, pale where the flow is not sure."""
    picture = frame.grey(faded=0.6)
    orientation = frame.stages["orientation"]
    size = (frame.width, frame.height)
    starts = seeds(size, FIELD_SPACING_PX)
    sure = _at(frame.stages.get("coherence", np.ones_like(orientation)), starts, size)
    shown = sure > 0.15
    if "active" in frame.stages:
        shown &= _at(frame.stages["active"], starts, size) > 0
    starts, sure = starts[shown], np.clip(sure[shown], 0.0, 1.0)
    lines = trace(orientation, size, starts, FIELD_LENGTH_PX)
    hues = np.mod(_at(orientation, starts, size) / np.pi, 1.0)
    colours = _hue(hues).astype(np.float64)
    colours = 255.0 - (255.0 - colours) * np.clip(sure, 0.25, 1.0)[:, None]
    for line, colour in zip(np.rint(8.0 * lines).astype(np.int32), colours, strict=True):
        cv2.polylines(picture, [line], False, tuple(map(float, colour)), 2, cv2.LINE_AA, 3)
    return picture


def draw_period(frame: Frame) -> Picture:
    low, high = PERIODS_PX
    scaled = (frame.resized(frame.stages["period"]) - low) / (high - low)
    return _on_active(frame, _mapped(scaled, cv2.COLORMAP_TURBO))


def draw_phase(frame: Frame) -> Picture:
    response = frame.stages["response"]
    real, imaginary = frame.resized(response.real.copy()), frame.resized(response.imag.copy())
    colours = _hue(np.mod(np.arctan2(imaginary, real) / (2.0 * np.pi), 1.0))
    seen = np.clip(np.hypot(real, imaginary) / 0.5, 0.0, 1.0)[:, :, None]  # colour fades where there is no wave
    return _mixed(colours, GROUND, seen)


def draw_amplitude(frame: Frame) -> Picture:
    amplitude = frame.resized(np.abs(frame.stages["response"]))
    return _mapped(amplitude / 1.4, cv2.COLORMAP_VIRIDIS)  # 1.4: a wave that is all there is, of unit deviation


def draw_residues(frame: Frame) -> Picture:
    picture = frame.grey(faded=0.5)
    for x, y in np.rint(8.0 * frame.points(frame.stages["residues"])).astype(np.int32).tolist():
        cv2.circle(picture, (x, y), round(8 * 2.6), CANDIDATE, -1, cv2.LINE_AA, 3)
    return picture


def draw_mask(frame: Frame) -> Picture:
    mask = frame.resized(_mask(frame).astype(np.uint8), nearest=True)
    picture = _mixed(frame.grey(), GROUND, np.where(mask > 0, 1.0, 0.22)[:, :, None])
    outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, outlines, -1, (30, 140, 60), 2, cv2.LINE_AA)
    return picture


def draw_quality(frame: Frame) -> Picture:
    mask = _mask(frame)
    colours = traffic_light(frame.resized(frame.stages["local quality"], nearest=True))
    inside = frame.resized(mask.astype(np.uint8), nearest=True)[:, :, None] > 0
    pale = frame.grey(faded=0.75)
    return np.where(inside, _mixed(colours, (0, 0, 0), 0.35 + 0.65 * frame.grey() / 255.0), pale).astype(np.uint8)


def draw_minutiae(frame: Frame) -> Picture:
    """Endings as circles, bifurcations as squares, a stroke in the direction; the surer, the stronger the colour."""
    picture = frame.grey(faded=0.45)
    template = frame.template
    points = frame.points(template.positions)
    strokes = _STROKE_PX * np.stack([np.cos(template.directions), np.sin(template.directions)], axis=1)
    for number in range(len(template) - 1, -1, -1):  # the surest last, on top
        kind = MinutiaKind(int(template.kinds[number]))
        colour = {MinutiaKind.ENDING: ENDING, MinutiaKind.BIFURCATION: BIFURCATION}.get(kind, OTHER)
        sure = 0.35 + 0.65 * float(np.clip(template.reliabilities[number], 0.0, 1.0))
        paint = tuple(round(255.0 - (255.0 - part) * sure) for part in colour)
        at, tip = points[number], points[number] + strokes[number]
        centre, end = (tuple(np.rint(8.0 * place).astype(int).tolist()) for place in (at, tip))
        cv2.line(picture, centre, end, paint, 2, cv2.LINE_AA, 3)
        if kind is MinutiaKind.BIFURCATION:
            corners = np.rint(8.0 * (at + 4.5 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]))).astype(np.int32)
            cv2.polylines(picture, [corners], True, paint, 2, cv2.LINE_AA, 3)
        else:
            cv2.circle(picture, centre, 8 * 5, paint, 2, cv2.LINE_AA, 3)
    return picture


def traffic_light(values: NDArray[Any]) -> Picture:
    """Red at 0, yellow at a half, green at 1: (...) to (..., 3) uint8."""
    stops = np.array([[190, 40, 45], [240, 200, 60], [40, 150, 70]], np.float64)
    at = np.clip(values, 0.0, 1.0)
    parts = [np.interp(at, [0.0, 0.5, 1.0], stops[:, channel]) for channel in range(3)]
    return np.asarray(np.rint(np.stack(parts, axis=-1)), np.uint8)


# What is drawn, in the order of the page, and the stages that it needs.
DRAWN: Final[dict[str, tuple[Callable[[Frame], Picture], tuple[str, ...]]]] = {
    "input": (draw_input, ()),
    "normalised": (draw_normalised, ("ridges",)),
    "orientation": (draw_orientation, ("orientation",)),
    "period": (draw_period, ("period",)),
    "phase": (draw_phase, ("response",)),
    "amplitude": (draw_amplitude, ("response",)),
    "residues": (draw_residues, ("residues",)),
    "mask": (draw_mask, ()),
    "quality": (draw_quality, ("local quality",)),
    "minutiae": (draw_minutiae, ()),
}


def draw(name: str, frame: Frame) -> Picture | None:
    """Draw one panel; None where a stage that it needs was not shown."""
    painter, needed = DRAWN[name]
    return painter(frame) if all(stage in frame.stages for stage in needed) else None


def legend(name: str, low: str, high: str) -> Legend | None:
    """The scale of a panel; low and high are the words for the ends of one without a unit."""
    ramp = np.linspace(0.0, 1.0, 64)
    if name == "period":
        return Legend(_mapped(ramp[None], cv2.COLORMAP_TURBO)[0], *(f"{end:g}" for end in PERIODS_PX))
    if name == "amplitude":
        return Legend(_mapped(ramp[None], cv2.COLORMAP_VIRIDIS)[0], low, high)
    if name == "quality":
        return Legend(traffic_light(ramp), low, high)
    if name == "phase":
        return Legend(_hue(ramp), "0", "360\N{DEGREE SIGN}")
    return None


def _mask(frame: Frame) -> NDArray[np.bool_]:
    mask = frame.template.mask
    return np.ones((1, 1), np.bool_) if mask is None else mask


def _at(field: NDArray[Any], points: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Values of a field of tiles at picture points."""
    rows, cols = field.shape
    tiles = np.floor(points * [cols / size[0], rows / size[1]]).astype(np.intp)
    return np.asarray(field[np.clip(tiles[:, 1], 0, rows - 1), np.clip(tiles[:, 0], 0, cols - 1)], np.float64)


def _on_active(frame: Frame, picture: Picture) -> Picture:
    """Keep a map where ridges were looked for."""
    if "active" not in frame.stages:
        return picture
    active = frame.resized(frame.stages["active"].astype(np.uint8), nearest=True)[:, :, None] > 0
    return np.where(active, picture, np.array(GROUND, np.uint8))


def _grey_scale(values: NDArray[Any], low: float, high: float) -> Picture:
    levels = np.clip(255.0 * (values - low) / (high - low), 0.0, 255.0).astype(np.uint8)
    return np.repeat(levels[:, :, None], 3, axis=2)


def _mapped(values: NDArray[Any], colour_map: int) -> Picture:
    levels = np.clip(255.0 * values, 0.0, 255.0).astype(np.uint8)
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(levels, colour_map), cv2.COLOR_BGR2RGB), np.uint8)


def _hue(values: NDArray[Any]) -> Picture:
    """Colours of one lightness round the circle, for angles: (...) in 0..1 to (..., 3) uint8."""
    turns = 2.0 * np.pi * (values[..., None] + np.array([0.0, 2.0 / 3.0, 1.0 / 3.0]))
    return np.asarray(np.rint(128.0 + 92.0 * np.cos(turns)), np.uint8)


def _mixed(picture: NDArray[Any], ground: tuple[int, int, int], share: NDArray[Any]) -> Picture:
    """A share of the picture over a plain ground."""
    base = np.array(ground, np.float64)
    return np.asarray(np.rint(base + (picture - base) * share), np.uint8)
