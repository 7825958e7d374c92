"""The page that explains an extraction: the command without a daemon, what it refuses, what it draws."""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from enrollment.cli.explain import captions
from enrollment.cli.explain.examining import explain, figures, read_grey
from enrollment.cli.explain.field_lines import seeds, trace
from enrollment.cli.explain.lettering import Pen, best_font, plain_letters
from enrollment.cli.explain.page import Explanation, draw_page
from enrollment.cli.explain.panels import DRAWN, Frame, draw, draw_minutiae, traffic_light
from enrollment.cli.explain.stages import REST, StageRecorder
from enrollment.cli.failure import EXIT_REFUSED
from enrollment.cli.main import main
from enrollment.core.errors import InvalidImage
from enrollment.core.fingerprint import FingerprintImage, FingerprintTemplate, MinutiaKind, QualityHint, examine
from firmware_stubs.fingers import finger_image

Explain = Callable[..., Result]


@pytest.fixture(scope="module")
def finger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("finger") / "finger.png"
    Image.fromarray(finger_image(5, 0)).save(path)
    return path


@pytest.fixture(scope="module")
def found(finger: Path) -> Explanation:
    return explain(finger, 512.0)


@pytest.fixture
def run(tmp_path: Path) -> Explain:
    """Run enrollctl without any daemon; the page goes to page.png."""

    def call(image: Path, *options: str, language: str = "en") -> Result:
        words = ["--json", "--lang", language, "explain", str(image), "--out", str(tmp_path / "page.png"), *options]
        return CliRunner().invoke(main, words)

    return call


def refusal(result: Result) -> str:
    assert result.exit_code == EXIT_REFUSED, result.output
    reason: str = json.loads(result.stdout)["error"]["reason"]
    return reason


def png_header(width: int, height: int) -> bytes:
    """A PNG of any size that holds no pixels."""
    content = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + content + struct.pack(">I", zlib.crc32(content))
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\x00\x00\x00\x00IDAT\x35\xaf\x06\x1e"


def test_a_print_gives_its_figures_and_a_page_without_any_daemon(run: Explain, finger: Path, tmp_path: Path) -> None:
    result = run(finger, "--ppi", "512")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    examination = examine(FingerprintImage(finger_image(5, 0), 512.0))
    assert told["minutiae"] == len(examination.template) == told["endings"] + told["bifurcations"]
    assert told["quality"]["score"] == examination.quality.score
    assert told["quality"]["measures"] == pytest.approx(dict(examination.quality.measures))
    assert told["resolution_ppi"] == 512.0
    assert told["total_ms"] == pytest.approx(sum(told["stage_ms"].values()))
    with Image.open(tmp_path / "page.png") as page:
        assert page.mode == "RGB"
        assert page.size[0] > 1800
        assert page.size[1] > 1000
    assert f"quality {examination.quality.score}" in result.stderr


def test_the_page_is_written_in_the_language_that_is_asked_for(found: Explanation) -> None:
    english, vietnamese = draw_page(found, "en"), draw_page(found, "vi")
    assert english.shape == vietnamese.shape
    assert (english != vietnamese).any(axis=2).mean() > 0.003


def test_a_file_that_is_no_image_is_refused_with_its_reason(run: Explain, tmp_path: Path) -> None:
    path = tmp_path / "letter.png"
    path.write_text("no image at all")
    result = run(path, language="vi")
    assert refusal(result) == "INVALID_IMAGE"
    assert "không thể phân tích" in result.stderr
    assert not (tmp_path / "page.png").exists()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_an_image_that_is_cut_off_is_refused(run: Explain, finger: Path, tmp_path: Path, share: float) -> None:
    content = finger.read_bytes()
    path = tmp_path / "cut.png"
    path.write_bytes(content[: int(share * len(content))])
    assert refusal(run(path)) == "INVALID_IMAGE"


@pytest.mark.parametrize("size", [(5_000, 5_000), (10_000, 10_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_an_image_that_claims_to_be_huge_is_refused_before_it_is_read(
    run: Explain, tmp_path: Path, size: tuple[int, int]
) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(png_header(*size))
    result = run(path)
    assert refusal(result) == "INVALID_IMAGE"
    assert "larger than any impression" in " ".join(result.stderr.split())


def test_an_image_that_is_too_small_or_a_resolution_out_of_range_is_refused(
    run: Explain, finger: Path, tmp_path: Path
) -> None:
    small = tmp_path / "small.png"
    Image.fromarray(np.full((40, 40), 200, np.uint8)).save(small)
    assert refusal(run(small)) == "IMAGE_TOO_SMALL"
    assert refusal(run(finger, "--ppi", "5000")) == "INVALID_IMAGE"
    assert refusal(run(finger, "--ppi", "nan")) == "INVALID_IMAGE"


def test_a_page_that_cannot_be_written_is_told(run: Explain, finger: Path, tmp_path: Path) -> None:
    result = run(finger, "--out", str(tmp_path / "nowhere" / "page.png"))
    assert result.exit_code != 0
    assert "page.png" in result.output
    assert not isinstance(result.exception, OSError)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\x00", b"\xff\xd8\xff", b"GIF8"])
)
def test_bytes_of_any_kind_are_an_image_or_refused(tmp_path: Path, content: bytes, start: bytes) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(start + content)
    try:
        pixels = read_grey(path)
    except InvalidImage as error:
        assert error.reason == "INVALID_IMAGE"  # noqa: PT017 - some bytes are an image by chance
    else:
        assert pixels.dtype == np.uint8


def test_a_blank_image_has_a_page_that_says_there_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "blank.png"
    Image.fromarray(np.full((300, 260), 230, np.uint8)).save(path)
    blank = explain(path, 500.0)
    told = figures(blank)
    assert (told["minutiae"], told["quality"]["score"], told["quality"]["hints"]) == (0, 0, ["NOTHING_THERE"])
    assert draw_page(blank, "vi").std() > 1.0


def test_stages_that_an_extractor_does_not_show_leave_their_place_empty(found: Explanation) -> None:
    bare = Explanation(found.name, found.image, found.examination, StageRecorder(), {})
    frame = Frame.fitting(found.image, found.examination.template, {}, (300, 300))
    drawn = {name for name in DRAWN if draw(name, frame) is not None}
    assert drawn == {"input", "mask", "minutiae"}
    assert draw_page(bare, "en").shape == draw_page(found, "en").shape


def test_every_panel_of_this_extractor_is_drawn_at_one_size(found: Explanation) -> None:
    frame = Frame.fitting(found.image, found.examination.template, found.recorder.arrays, (380, 440))
    for name in DRAWN:
        picture = draw(name, frame)
        assert picture is not None, name
        assert picture.shape == (frame.height, frame.width, 3), name
        assert picture.dtype == np.uint8
        assert picture.std() > 5.0, name
    assert frame.width == 380 or frame.height == 440


def test_a_large_image_is_drawn_as_small_as_any(tmp_path: Path) -> None:
    ridges = np.tile(128.0 + 100.0 * np.cos(np.arange(2500) * 2 * np.pi / 9.0), (2000, 1))
    path = tmp_path / "large.png"
    Image.fromarray(ridges.astype(np.uint8)).save(path)
    page = draw_page(explain(path, 500.0), "en")
    assert page.size < 3 * 2100 * 2000


def test_a_minutia_is_painted_where_it_is_with_its_stroke_in_its_direction() -> None:
    image = FingerprintImage(np.full((200, 200), 255, np.uint8))
    template = FingerprintTemplate(
        positions=np.array([[60.0, 100.0], [140.0, 100.0]], np.float32),
        directions=np.array([math.pi / 2.0, 0.0], np.float32),
        kinds=np.array([MinutiaKind.ENDING, MinutiaKind.BIFURCATION], np.uint8),
        reliabilities=np.ones(2, np.float32),
        size=(200, 200),
    )
    picture = draw_minutiae(Frame.fitting(image, template, {}, (400, 400))).astype(int)
    assert tuple(picture[217, 120]) == (214, 40, 40)  # down from the ending: y grows downward
    assert tuple(picture[200, 296]) == (20, 90, 200)  # to the right of the bifurcation
    assert (picture[:150] == 255).all()


def test_field_lines_run_along_the_ridges() -> None:
    orientation = np.full((20, 30), 0.3)  # across the ridges
    lines = trace(orientation, (300, 200), seeds((300, 200), 40), 24.0)
    along = lines[:, -1] - lines[:, 0]
    assert np.hypot(*along.T) == pytest.approx(np.full(len(lines), 24.0))
    across = np.array([math.cos(0.3), math.sin(0.3)])
    assert along @ across == pytest.approx(np.zeros(len(lines)), abs=1e-9)


def test_field_lines_bend_with_the_flow() -> None:
    """Ridges that are circles about a point: a line along them keeps its distance from it."""
    y, x = np.mgrid[:100, :100] + 0.5
    orientation = np.arctan2(y - 50.0, x - 50.0) % math.pi
    line = trace(orientation, (100, 100), np.array([[80.0, 50.0]]), 40.0)[0]
    assert np.hypot(*(line - 50.0).T) == pytest.approx(np.full(len(line), 30.0), abs=1.0)


def test_the_time_of_a_stage_runs_from_the_one_before_and_copying_is_not_counted() -> None:
    ticks = iter([0.0, 0.010, 0.500, 0.530, 0.900, 0.905])  # made; stage 1, copied; stage 2, copied; the end
    recorder = StageRecorder(clock=lambda: next(ticks))
    array = np.zeros(3)
    recorder("first", array)
    array += 1.0
    recorder("second", array)
    recorder.finish()
    assert recorder.ms == pytest.approx({"first": 10.0, "second": 30.0, REST: 5.0})
    assert recorder.total_ms == pytest.approx(45.0)
    assert recorder.arrays["first"].tolist() == [0.0, 0.0, 0.0]


def test_everything_on_the_page_has_words_in_both_languages(found: Explanation) -> None:
    assert set(captions.PANELS) == set(DRAWN)
    assert set(found.ms) <= set(captions.STAGES)
    assert set(found.examination.quality.measures) <= set(captions.MEASURES)
    for titles in captions.PANELS.values():
        for english, vietnamese in titles:
            assert english != vietnamese
    for hint in QualityHint:
        assert captions.hint(hint, "en") != captions.hint(hint, "vi"), hint


def test_vietnamese_can_be_written_without_its_marks() -> None:
    assert plain_letters("Điểm đặc trưng, Ưu, mm²") == "Diem dac trung, Uu, mm2"


def test_a_machine_without_fonts_writes_vietnamese_without_its_marks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path))  # where Pillow looks for fonts
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    best_font.cache_clear()
    pictures = []
    for text in ("Điểm đặc trưng", "Diem dac trung"):
        sheet = Image.new("RGB", (200, 40), (255, 255, 255))
        Pen(ImageDraw.Draw(sheet)).write((5, 5), text, 18, (0, 0, 0), bold=True)
        pictures.append(np.asarray(sheet))
    best_font.cache_clear()
    assert pictures[0].min() < 128
    assert np.array_equal(pictures[0], pictures[1])


def test_quality_runs_from_red_over_yellow_to_green() -> None:
    red, yellow, green = traffic_light(np.array([0.0, 0.5, 1.0])).astype(int)
    assert red[0] > 2 * red[1]
    assert min(yellow[:2]) > 2 * yellow[2]
    assert green[1] > 2 * green[0]
