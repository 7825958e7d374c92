"""The words of the page, English and Vietnamese."""

from __future__ import annotations

from typing import Final

from enrollment.cli import words
from enrollment.core.fingerprint import QualityHint
from enrollment.v1 import types_pb2

PANELS: Final[dict[str, tuple[tuple[str, str], tuple[str, str]]]] = {
    "input": (
        ("1  Input", "1  Ảnh vào"),
        ("as it was captured, ridges dark", "như đã thu nhận, đường vân tối"),
    ),
    "normalised": (
        ("2  Normalised", "2  Chuẩn hóa"),
        ("local brightness taken off, contrast made even", "bỏ độ sáng nền, cân bằng tương phản"),
    ),
    "orientation": (
        ("3  Ridge flow", "3  Hướng vân"),
        (
            "lines run along the ridges; pale: neighbours disagree",
            "các nét chạy dọc vân; nhạt: lân cận không thống nhất",
        ),
    ),
    "period": (
        ("4  Ridge period", "4  Chu kỳ vân"),
        ("from ridge to ridge, pixels at 500 ppi", "từ vân này đến vân kế, điểm ảnh ở 500 ppi"),
    ),
    "phase": (
        ("5  Phase", "5  Pha"),
        (
            "one round of colours a ridge, all meet at a minutia; at seams the filter turns over",
            "mỗi vân một vòng màu, gặp nhau tại điểm đặc trưng; ở đường nối bộ lọc đảo chiều",
        ),
    ),
    "amplitude": (
        ("6  Amplitude", "6  Biên độ"),
        ("how clearly the steered filter sees ridges", "bộ lọc theo hướng thấy vân rõ đến đâu"),
    ),
    "residues": (
        ("7  Phase residues", "7  Điểm dư pha"),
        ("all candidates; most outside clear ridges are noise", "mọi ứng viên; ngoài vùng vân rõ phần lớn là nhiễu"),
    ),
    "mask": (
        ("8  Finger", "8  Vùng ngón tay"),
        ("what counts as finger is lit, the rest is left out", "phần sáng được tính là ngón tay, còn lại bị bỏ"),
    ),
    "quality": (
        ("9  Local quality", "9  Chất lượng cục bộ"),
        ("steep, unbroken ridges that follow the flow, by tile", "vân rõ, liền nét, theo đúng hướng, theo ô"),
    ),
    "minutiae": (
        ("10  Minutiae", "10  Điểm đặc trưng"),
        (
            "circle: ridge ending; square: bifurcation; the stroke shows the direction; strong colour: reliable",
            "tròn: điểm kết thúc; vuông: điểm rẽ nhánh; nét chỉ hướng; màu đậm: đáng tin cậy",
        ),
    ),
}

ABSENT: Final = ("not shown by this version", "phiên bản này không có")
NOTHING_FOUND: Final = ("no ridges found", "không tìm thấy đường vân")
FACTS: Final[dict[str, tuple[str, str]]] = {
    "image": ("image", "ảnh"),
    "pixels": ("pixels", "điểm ảnh"),
    "minutiae": ("minutiae", "điểm đặc trưng"),
    "endings": ("endings", "kết thúc"),
    "bifurcations": ("bifurcations", "rẽ nhánh"),
    "quality": ("quality", "chất lượng"),
    "measures": ("Measures of quality", "Số đo chất lượng"),
    "hints": ("What to do", "Cần làm gì"),
    "good": ("nothing: the impression is good enough", "không cần gì: ảnh đủ tốt"),
    "time": ("Time by stage", "Thời gian từng bước"),
    "together": ("together", "tổng cộng"),
    "low": ("low", "thấp"),
    "high": ("high", "cao"),
}
MEASURES: Final[dict[str, tuple[str, str]]] = {
    "shared_minutiae": ("minutiae another touch shares", "điểm mà lần đặt khác cũng có"),
    "shared_ridges_mm2": ("ridges another touch shares, mm²", "vân lần đặt khác cũng có, mm²"),
    "purity": ("purity: minutiae among candidates", "độ thuần: điểm thật trong ứng viên"),
    "area_mm2": ("area of the ridges, mm²", "diện tích vân, mm²"),
    "contrast": ("contrast, grey levels", "tương phản, mức xám"),
    "minutiae": ("minutiae", "điểm đặc trưng"),
    "match_log_odds": ("log odds of a match: the score", "log tỉ lệ khớp: điểm chất lượng"),
    "core_x_px": ("core, across, px at 500 ppi", "tâm vân, ngang, px ở 500 ppi"),
    "core_y_px": ("core, down, px at 500 ppi", "tâm vân, dọc, px ở 500 ppi"),
    "bright_share": ("bright share: low wet, high dry", "phần sáng: thấp là ướt, cao là khô"),
    "gradient_coherence": ("coherence: low when ridges break", "độ liền nét: thấp khi vân đứt"),
    "sharpness": ("sharpness: low when blurred", "độ nét: thấp khi nhòe"),
    "local_quality": ("local quality, mean", "chất lượng cục bộ, trung bình"),
    "background": ("ground: below 0 when inverted", "nền: dưới 0 khi âm bản"),
}
STAGES: Final[dict[str, tuple[str, str]]] = {
    "grey": ("resampling", "lấy mẫu lại"),
    "ridges": ("normalising", "chuẩn hóa"),
    "active": ("active tiles", "ô có vân"),
    "gradient orientation": ("gradients", "gradient"),
    "period": ("first response, period", "bộ lọc đầu, chu kỳ"),
    "orientation": ("flow", "hướng vân"),
    "coherence": ("coherence", "độ thống nhất"),
    "response": ("steered response", "bộ lọc theo hướng"),
    "mask": ("finger area", "vùng ngón tay"),
    "residues": ("residues", "điểm dư pha"),
    "strengths": ("rating", "đánh giá điểm"),
    "local quality": ("selection, waves, quality", "chọn điểm, sóng vân, chất lượng"),
    "template, quality": ("hints", "gợi ý"),
}
_HINTS: Final[dict[QualityHint, int]] = {
    QualityHint.OFF_CENTRE: types_pb2.CAPTURE_HINT_CENTRE,
    QualityHint.BLURRED: types_pb2.CAPTURE_HINT_HOLD_STILL,
    QualityHint.CLEAN_SENSOR: types_pb2.CAPTURE_HINT_CLEAN_PLATEN,
}


def pick(pair: tuple[str, str], language: str) -> str:
    """The English or the Vietnamese one."""
    return pair[language == "vi"]


def named(table: dict[str, tuple[str, str]], name: str, language: str) -> str:
    """A name in words; as it is where the table has none."""
    return pick(table.get(name, (name, name)), language)


def hint(found: QualityHint, language: str) -> str:
    """What to ask of the person, in the words of the capture; its own name where the API has none for it."""
    number = _HINTS.get(found) or dict(types_pb2.CaptureHint.items()).get(f"CAPTURE_HINT_{found.value}")
    return found.value.replace("_", " ").lower() if number is None else words.hint(number, language)
