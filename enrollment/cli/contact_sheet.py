"""One picture of an enrollment: each print with its minutiae and their directions, its quality, and the portrait.

Drawn from the ISO records that the daemon stored, so what it shows is what the registry gets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from enrollment.cli import words
from enrollment.core.fingerprint import FingerprintImage, FingerprintTemplate
from enrollment.core.fingerprint.template import MinutiaKind
from enrollment.core.records.iso19794_2_2005 import FingerMinutiaeRecord, template_from_record
from enrollment.core.records.iso19794_4_2005 import FingerImageRecord, image_from_record
from enrollment.v1 import dossier_pb2, types_pb2

Picture = NDArray[np.uint8]  # (H, W, 3) RGB

CELL_PX: Final = (384, 300)  # width, height of one print; the portrait stands beside them, as high as two rows
LABEL_PX: Final = 52
GAP_PX: Final = 12
COLUMNS: Final = 5
HEADER_PX: Final = 92
ENDING: Final = (214, 40, 40)
BIFURCATION: Final = (20, 90, 200)
OTHER: Final = (120, 60, 160)
GOOD: Final = (30, 140, 60)
FAIR: Final = (200, 130, 0)
INK: Final = (25, 25, 30)
GREY: Final = (110, 110, 120)


@dataclass(frozen=True, slots=True)
class SheetEntry:
    """One capture on the sheet."""

    title: str
    note: str
    score: int
    accepted: bool
    picture: Picture
    is_portrait: bool = False


def draw_minutiae(image: FingerprintImage, template: FingerprintTemplate, *, zoom: float = 2.0) -> Picture:
    """The print with a mark at each minutia and a line in its direction; endings red, bifurcations blue."""
    scale = zoom * 500.0 / image.resolution_ppi
    enlarged = cv2.resize(image.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    faded = (127 + (enlarged.astype(np.uint16) >> 1)).astype(np.uint8)
    canvas = cv2.cvtColor(faded, cv2.COLOR_GRAY2RGB)
    colours = {MinutiaKind.ENDING: ENDING, MinutiaKind.BIFURCATION: BIFURCATION}
    tips = template.positions + 13 * np.stack([np.cos(template.directions), np.sin(template.directions)], axis=1)
    for at, tip, kind in zip(template.positions, tips, template.kinds, strict=True):
        colour = colours.get(MinutiaKind(int(kind)), OTHER)
        centre = (round(float(at[0]) * zoom), round(float(at[1]) * zoom))
        end = (round(float(tip[0]) * zoom), round(float(tip[1]) * zoom))
        cv2.line(canvas, centre, end, colour, 2, cv2.LINE_AA)
        cv2.circle(canvas, centre, round(2.6 * zoom), colour, 2, cv2.LINE_AA)
    return np.asarray(canvas, dtype=np.uint8)


def entries(dossier: dossier_pb2.Dossier, parts: Mapping[str, bytes]) -> list[SheetEntry]:
    """The dossier's captures by position, portrait last. Raises MalformedRecord where a record does not decode."""
    found = []
    for capture in sorted(dossier.captures, key=lambda capture: capture.position or 99):
        score, tries = capture.quality.score, f"try {capture.attempts}"
        if capture.fingers:
            found += [_slap_finger(finger, parts) for finger in capture.fingers]
        elif capture.position:
            names = [part.name for part in capture.parts]
            rolled = "rolled " if capture.impression == types_pb2.IMPRESSION_ROLLED else ""
            title = f"{capture.position}  {rolled}{words.finger(capture.position, 'en')}"
            found.append(_print(title, names, score, capture.accepted, tries, parts))
        else:
            content = parts[capture.parts[0].name]
            picture = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR_RGB)
            if picture is not None:
                note = f"quality {score}   {picture.shape[1]} x {picture.shape[0]}   {tries}"
                rgb = np.asarray(picture, np.uint8)
                found.append(SheetEntry("portrait", note, score, capture.accepted, rgb, is_portrait=True))
    return found


def _slap_finger(finger: dossier_pb2.CapturedFinger, parts: Mapping[str, bytes]) -> SheetEntry:
    title = f"{finger.position}  {words.finger(finger.position, 'en')}"
    tries = f"try {finger.kept_attempt}"
    return _print(title, finger.part_names, finger.quality.score, finger.accepted, tries, parts)


def _print(
    title: str, names: Iterable[str], score: int, accepted: bool, tries: str, parts: Mapping[str, bytes]
) -> SheetEntry:
    named = {name.rpartition(".")[2]: parts[name] for name in names}
    image = image_from_record(FingerImageRecord.decode(named["fir"]))
    template = template_from_record(FingerMinutiaeRecord.decode(named["fmr"]))
    note = f"quality {score}   {len(template)} minutiae   {tries}"
    return SheetEntry(title, note, score, accepted, draw_minutiae(image, template))


def _fit(picture: Picture, width: int, height: int) -> Picture:
    """Scale into a white box, keeping the aspect."""
    scale = min(width / picture.shape[1], height / picture.shape[0])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    box = np.full((height, width, 3), 255, dtype=np.uint8)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    box[top : top + size[1], left : left + size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return box


def contact_sheet(found: Sequence[SheetEntry], heading: str, lines: Sequence[str]) -> Picture:
    """Lay the entries out under a heading and one or two lines; returns (H, W, 3) uint8 RGB."""
    width, height = CELL_PX
    down = height + LABEL_PX + GAP_PX
    prints = [entry for entry in found if not entry.is_portrait]
    beside = [entry for entry in found if entry.is_portrait]
    rows = max(2 if beside else 1, -(-len(prints) // COLUMNS))
    columns = COLUMNS + len(beside)
    sheet = Image.new("RGB", (GAP_PX + columns * (width + GAP_PX), HEADER_PX + rows * down + GAP_PX), (246, 246, 248))
    pen = ImageDraw.Draw(sheet)
    large, normal = ImageFont.load_default(26), ImageFont.load_default(17)
    pen.text((GAP_PX, 10), heading, fill=INK, font=large)
    for number, line in enumerate(lines[:2]):
        pen.text((GAP_PX, 44 + 21 * number), line, fill=GREY, font=normal)
    placed = [(entry, *divmod(index, COLUMNS), height) for index, entry in enumerate(prints)]
    placed += [(entry, 0, COLUMNS + index, height + down) for index, entry in enumerate(beside)]
    for entry, row, column, tall in placed:
        left, top = GAP_PX + column * (width + GAP_PX), HEADER_PX + row * down
        below = top + tall
        sheet.paste(Image.fromarray(_fit(entry.picture, width, tall)), (left, top))
        colour = GOOD if entry.accepted else FAIR
        pen.rectangle((left, below, left + width - 1, below + 5), fill=(222, 222, 226))
        pen.rectangle((left, below, left + round((width - 1) * min(entry.score, 100) / 100), below + 5), fill=colour)
        pen.text((left, below + 9), entry.title, fill=INK, font=normal)
        pen.text((left, below + 29), entry.note, fill=colour, font=normal)
    return np.asarray(sheet, dtype=np.uint8)
