"""The page: all pictures with their captions, the score, the measures, what to do, and the time of each stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from enrollment.cli.explain import captions
from enrollment.cli.explain.captions import FACTS, MEASURES, PANELS, STAGES, named, pick
from enrollment.cli.explain.lettering import Colour, Pen
from enrollment.cli.explain.panels import DRAWN, GROUND, Frame, Picture, draw, legend, traffic_light
from enrollment.cli.explain.stages import StageRecorder
from enrollment.core.fingerprint import Examination, FingerprintImage, MinutiaKind

CELL_WIDTH_PX: Final = 380  # of the box of one picture; its height follows the image
CELL_HEIGHTS_PX: Final = (300, 570)
CAPTION_PX: Final = 84
GAP_PX: Final = 22
HEADER_PX: Final = 96
COLUMNS: Final = 5
PAPER: Final = (250, 250, 252)
INK: Final = (25, 25, 30)
GREY: Final = (105, 105, 115)
_LEGEND_PX: Final = (90, 10)
_PLACES: Final = {  # column and row of each cell; the minutiae take the four to the left
    "input": (2, 0),
    "normalised": (3, 0),
    "orientation": (4, 0),
    "period": (2, 1),
    "phase": (3, 1),
    "amplitude": (4, 1),
    "residues": (0, 2),
    "mask": (1, 2),
    "quality": (2, 2),
}
_FACTS_PLACE: Final = (3, 2)
_FACTS_HEIGHT_PX: Final = 470
_LEAST_SHARE: Final = 0.004  # of the time: a stage below it has no bar of its own


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """What one page shows. recorder: arrays of one pass. ms: of each stage, medians over passes."""

    name: str
    image: FingerprintImage
    examination: Examination
    recorder: StageRecorder
    ms: dict[str, float]


def draw_page(found: Explanation, language: str) -> Picture:
    """Draw the page in a language: (H, W, 3) uint8 RGB."""
    whole = Frame.fitting(found.image, found.examination.template, {}, (CELL_WIDTH_PX, 10 * CELL_HEIGHTS_PX[1]))
    cell = (CELL_WIDTH_PX, min(max(whole.height, CELL_HEIGHTS_PX[0]), CELL_HEIGHTS_PX[1]))
    across, down = cell[0] + GAP_PX, cell[1] + CAPTION_PX
    width = GAP_PX + COLUMNS * across
    height = HEADER_PX + 2 * down + max(down, _FACTS_HEIGHT_PX)
    sheet = Image.new("RGB", (width, height), PAPER)
    drawn = ImageDraw.Draw(sheet)
    pen = Pen(drawn)
    _header(drawn, pen, found, language, width)
    large = (2 * cell[0] + GAP_PX, 2 * cell[1] + CAPTION_PX)
    for name in DRAWN:
        column, row = _PLACES.get(name, (0, 0))
        box = cell if name in _PLACES else large
        corner = (GAP_PX + column * across, HEADER_PX + row * down)
        _panel(sheet, drawn, pen, found, name, corner, box, language)
    column, row = _FACTS_PLACE
    _facts(drawn, pen, found, language, (GAP_PX + column * across, HEADER_PX + row * down))
    return np.asarray(sheet, dtype=np.uint8)


def _header(drawn: ImageDraw.ImageDraw, pen: Pen, found: Explanation, language: str, width: int) -> None:
    image, template = found.image, found.examination.template
    score = found.examination.quality.score
    kinds = template.kinds
    counts = (
        f"{len(template)} {named(FACTS, 'minutiae', language)} ("
        f"{np.count_nonzero(kinds == MinutiaKind.ENDING)} {named(FACTS, 'endings', language)},"
        f" {np.count_nonzero(kinds == MinutiaKind.BIFURCATION)} {named(FACTS, 'bifurcations', language)})"
    )
    pen.write((GAP_PX, 16), found.name, 26, INK, bold=True)
    line = (
        f"{image.pixels.shape[1]} x {image.pixels.shape[0]} {named(FACTS, 'pixels', language)},"
        f" {image.resolution_ppi:g} ppi      {counts}      {sum(found.ms.values()):.1f} ms"
    )
    pen.write((GAP_PX, 54), line, 18, GREY)
    right, bar = width - GAP_PX, 340
    colour = _tuple(traffic_light(np.array(score / 100.0)))
    pen.write((right, 14), f"{named(FACTS, 'quality', language)}  {score}", 28, INK, bold=True, right=True)
    drawn.rectangle((right - bar, 58, right, 72), fill=GROUND)
    if score:
        drawn.rectangle((right - bar, 58, right - bar + round(bar * score / 100.0), 72), fill=colour)


def _panel(
    sheet: Image.Image,
    drawn: ImageDraw.ImageDraw,
    pen: Pen,
    found: Explanation,
    name: str,
    corner: tuple[int, int],
    box: tuple[int, int],
    language: str,
) -> None:
    left, top = corner
    frame = Frame.fitting(found.image, found.examination.template, found.recorder.arrays, box)
    picture = draw(name, frame)
    drawn.rectangle((left, top, left + box[0] - 1, top + box[1] - 1), fill=GROUND)
    if picture is None:
        pen.write((left + 14, top + 14), pick(captions.ABSENT, language), 16, GREY)
    else:
        place = (left + (box[0] - frame.width) // 2, top + (box[1] - frame.height) // 2)
        sheet.paste(Image.fromarray(picture), place)
    title, text = PANELS[name]
    below = top + box[1] + 5
    pen.write((left, below), pick(title, language), 18, INK, bold=True)
    for number, line in enumerate(pen.wrapped(pick(text, language), 15, box[0])[:2]):
        pen.write((left, below + 25 + 19 * number), line, 15, GREY)
    scale = legend(name, named(FACTS, "low", language), named(FACTS, "high", language))
    if scale is not None and picture is not None:
        right = left + box[0] - 1
        pen.write((right, below + 2), scale.high, 14, GREY, right=True)
        strip = right - round(pen.width(scale.high, 14)) - 8 - _LEGEND_PX[0]
        sheet.paste(Image.fromarray(scale.colours[None]).resize(_LEGEND_PX), (strip, below + 6))
        pen.write((strip - 8, below + 2), scale.low, 14, GREY, right=True)


def _facts(drawn: ImageDraw.ImageDraw, pen: Pen, found: Explanation, language: str, corner: tuple[int, int]) -> None:
    """Measures to the left; to the right the stages' times as bars, and what to do."""
    quality = found.examination.quality
    left, top = corner
    pen.write((left, top), named(FACTS, "measures", language), 18, INK, bold=True)
    at = top + 30
    for name, value in quality.measures.items():
        pen.write((left, at), named(MEASURES, name, language), 15, GREY)
        pen.write(
            (left + CELL_WIDTH_PX - 6, at),
            f"{value:.0f}" if value == round(value) else f"{value:.2f}",
            15,
            INK,
            right=True,
        )
        at += 24
    pen.write((left, at + 6), f"{quality.algorithm} {quality.version}", 13, GREY)

    left += CELL_WIDTH_PX + GAP_PX
    total = sum(found.ms.values())
    pen.write((left, top), named(FACTS, "time", language), 18, INK, bold=True)
    longest = max(found.ms.values(), default=1.0) or 1.0
    at = top + 30
    for stage, ms in found.ms.items():
        if ms < _LEAST_SHARE * total:
            continue
        pen.write((left, at), named(STAGES, stage, language), 15, GREY)
        bar = left + 205
        drawn.rectangle((bar, at + 3, bar + round(90 * ms / longest), at + 15), fill=(90, 130, 190))
        pen.write((left + CELL_WIDTH_PX - 6, at), f"{ms:.2f} ms", 15, INK, right=True)
        at += 24
    pen.write((left, at + 4), named(FACTS, "together", language), 15, INK, bold=True)
    pen.write((left + CELL_WIDTH_PX - 6, at + 4), f"{total:.2f} ms", 15, INK, bold=True, right=True)
    at += 44
    pen.write((left, at), named(FACTS, "hints", language), 18, INK, bold=True)
    asked = [captions.hint(hint, language) for hint in quality.hints] or [named(FACTS, "good", language)]
    for line in (part for text in asked for part in pen.wrapped(f"- {text}", 15, CELL_WIDTH_PX)):
        at += 26
        pen.write((left, at), line, 15, INK)


def _tuple(colour: Picture) -> Colour:
    red, green, blue = colour.tolist()
    return red, green, blue
