"""The page: the device, the verdicts with their remedies, the measures, and the three maps."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from enrollment.cli.doctor.report import Severity
from enrollment.cli.explain.lettering import Colour, Pen
from enrollment.cli.selftest.report import SelfTestReport
from enrollment.v1 import diagnostics_pb2

Picture = NDArray[np.uint8]  # (H, W, 3) RGB

WIDTH_PX: Final = 1560
MARGIN_PX: Final = 30
MAP_PX: Final = (480, 380)  # box of one map
MAP_GAP_PX: Final = 30
PAPER: Final = (250, 250, 252)
INK: Final = (25, 25, 30)
GREY: Final = (105, 105, 115)
GROUND: Final = (232, 232, 236)
DEFECT: Final = (214, 40, 40)
MARKS: Final[dict[Severity, Colour]] = {
    Severity.OK: (40, 140, 70),
    Severity.WARNING: (205, 130, 0),
    Severity.ERROR: (205, 40, 40),
}
RING_PX: Final = 7
MOST_RINGS: Final = 300  # more would hide what they mark

# English, Vietnamese
VERDICTS: Final = {
    Severity.OK: ("in order", "tốt"),
    Severity.WARNING: ("usable, look at the findings", "dùng được, xem các mục"),
    Severity.ERROR: ("not in order", "không đạt"),
}
TITLES: Final = {
    "noise": ("Noise over time", "Nhiễu theo thời gian"),
    "dead": ("Dead pixels and lines", "Điểm chết và dòng chết"),
    "levels": ("Evenness of the light", "Độ đều ánh sáng"),
}
CAPTIONS: Final = {
    "noise": (
        "Standard deviation of a pixel over the frames, mean over cells; grey levels.",
        "Độ lệch chuẩn của điểm ảnh qua các hình, trung bình theo ô; mức xám.",
    ),
    "dead": (
        "Pixels that depart from their neighbours or never move; each is ringed.",
        "Điểm ảnh khác hẳn điểm lân cận hoặc đứng yên; mỗi điểm được khoanh.",
    ),
    "levels": (
        "Mean grey of cells, nothing on the device.",
        "Mức xám trung bình theo ô, khi không có gì trên thiết bị.",
    ),
}
NO_MAP: Final = ("not measured", "chưa đo")
EMPTY: Final = (
    "Taken with nothing on the device; the maps resolve no ridge.",
    "Đo khi không có gì trên thiết bị; các bản đồ không thể hiện đường vân.",
)


def draw_page(report: SelfTestReport, language: str) -> Picture:
    """Draw the page in a language: (H, W, 3) uint8 RGB."""
    sheet = Image.new("RGB", (WIDTH_PX, 3000), PAPER)
    drawn = ImageDraw.Draw(sheet)
    pen = Pen(drawn)
    chosen = int(language == "vi")
    bottom = _header(drawn, pen, report, chosen)
    bottom = _maps(sheet, drawn, pen, report, chosen, bottom + 20)
    findings = _findings(drawn, pen, report, chosen, bottom + 24)
    measures = _measures(pen, report, chosen, bottom + 24)
    page: Picture = np.asarray(sheet, dtype=np.uint8)[: max(findings, measures) + MARGIN_PX]
    return page


def _header(drawn: ImageDraw.ImageDraw, pen: Pen, report: SelfTestReport, chosen: int) -> int:
    device = report.device
    title = (("Self-test", "Tự kiểm tra")[chosen], f"{device.vendor} {device.model}".strip() or device.device_id)
    pen.write((MARGIN_PX, 22), ": ".join(title), 28, INK, bold=True)
    pen.write((MARGIN_PX, 62), f"{device.device_id}   {device.address}", 17, GREY)
    made = f"{report.made_at:%Y-%m-%d %H:%M:%S} UTC   {device.driver} {device.firmware}   {report.software}"
    pen.write((MARGIN_PX, 86), made, 17, GREY)
    verdict, colour = VERDICTS[report.worst][chosen], MARKS[report.worst]
    width = pen.width(verdict, 24, bold=True)
    right = WIDTH_PX - MARGIN_PX
    drawn.rounded_rectangle((right - width - 36, 24, right, 70), radius=8, fill=colour)
    pen.write((right - 18, 33), verdict, 24, (255, 255, 255), bold=True, right=True)
    return 112


def _maps(
    sheet: Image.Image, drawn: ImageDraw.ImageDraw, pen: Pen, report: SelfTestReport, chosen: int, top: int
) -> int:
    for number, name in enumerate(TITLES):
        left = MARGIN_PX + number * (MAP_PX[0] + MAP_GAP_PX)
        pen.write((left, top), TITLES[name][chosen], 19, INK, bold=True)
        box_top = top + 30
        drawn.rectangle((left, box_top, left + MAP_PX[0] - 1, box_top + MAP_PX[1] - 1), fill=GROUND)
        given = report.maps.get(name)
        if given is None:
            pen.write((left + 16, box_top + 14), NO_MAP[chosen], 17, GREY)
            continue
        picture = _picture(given)
        at = (left + (MAP_PX[0] - picture.shape[1]) // 2, box_top + (MAP_PX[1] - picture.shape[0]) // 2)
        sheet.paste(Image.fromarray(picture), at)
        below = box_top + MAP_PX[1] + 6
        if name != "dead":
            _legend(sheet, pen, given, left, below)
            below += 24
        for line in pen.wrapped(CAPTIONS[name][chosen], 15, MAP_PX[0]):
            pen.write((left, below), line, 15, GREY)
            below += 19
    bottom = top + 30 + MAP_PX[1] + 72
    if report.maps:
        pen.write((MARGIN_PX, bottom), EMPTY[chosen], 15, GREY)
    return bottom + 20


def _picture(given: diagnostics_pb2.SensorMap) -> Picture:
    """A map in its box, at its own aspect."""
    codes = np.asarray(cv2.imdecode(np.frombuffer(given.png, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)
    height, width = codes.shape
    zoom = min(MAP_PX[0] / width, MAP_PX[1] / height)
    size = (max(1, round(width * zoom)), max(1, round(height * zoom)))
    if given.name != "dead":
        return np.asarray(cv2.resize(_coloured(codes), size, interpolation=cv2.INTER_NEAREST), np.uint8)
    page: Picture = np.full((size[1], size[0], 3), 255, np.uint8)
    # Where a pixel is smaller than the page's, any of them marks it.
    shown = cv2.dilate(codes, np.ones((max(1, round(1 / zoom)),) * 2, np.uint8)) if zoom < 1 else codes
    page[cv2.resize(shown, size, interpolation=cv2.INTER_NEAREST) > 0] = DEFECT
    lines = (codes > 0).mean(axis=1, keepdims=True) == 1, (codes > 0).mean(axis=0, keepdims=True) == 1
    single = np.argwhere((codes > 0) & ~lines[0] & ~lines[1])
    for row, column in single[:MOST_RINGS]:
        centre = (round((column + 0.5) * zoom), round((row + 0.5) * zoom))
        cv2.circle(page, centre, RING_PX, INK, 1, cv2.LINE_AA)
    return page


def _coloured(codes: Picture) -> Picture:
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(codes, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB), np.uint8)


def _legend(sheet: Image.Image, pen: Pen, given: diagnostics_pb2.SensorMap, left: int, top: int) -> None:
    low, high = f"{given.low:.2f}", f"{given.high:.2f}"
    pen.write((left, top), low, 15, INK)
    strip = _coloured(np.arange(256, dtype=np.uint8)[None].repeat(12, axis=0))
    begin = left + round(pen.width(low, 15)) + 8
    sheet.paste(Image.fromarray(strip).resize((220, 12)), (begin, top + 4))
    pen.write((begin + 228, top), high, 15, INK)


def _findings(drawn: ImageDraw.ImageDraw, pen: Pen, report: SelfTestReport, chosen: int, top: int) -> int:
    left, width = MARGIN_PX, 2 * MAP_PX[0]
    pen.write((left, top), ("Findings", "Kết quả")[chosen], 19, INK, bold=True)
    at = top + 34
    for finding in sorted(report.findings, key=lambda found: -found.severity):
        text, remedy = ((finding.text_en, finding.remedy_en), (finding.text_vi, finding.remedy_vi))[chosen]
        drawn.ellipse((left, at + 3, left + 13, at + 16), fill=MARKS[finding.severity])
        pen.write((left + 24, at), finding.check, 16, GREY)
        for line in pen.wrapped(text, 16, width - 190):
            pen.write((left + 180, at), line, 16, INK)
            at += 23
        for line in pen.wrapped(remedy, 15, width - 190):
            pen.write((left + 180, at), line, 15, GREY)
            at += 21
        at += 5
    return at


def _measures(pen: Pen, report: SelfTestReport, chosen: int, top: int) -> int:
    left = MARGIN_PX + 2 * (MAP_PX[0] + MAP_GAP_PX)
    pen.write((left, top), ("Measures", "Số đo")[chosen], 19, INK, bold=True)
    at = top + 34
    for name, value in report.measures.items():
        pen.write((left, at), name, 16, GREY)
        shown = f"{value:.0f}" if value == round(value) else f"{value:.2f}"
        pen.write((left + MAP_PX[0], at), shown, 16, INK, right=True)
        at += 25
    return at
