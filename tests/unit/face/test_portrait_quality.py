"""Portrait measures on analytic frames, where each has a known value, and on real portraits where they are present."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.errors import InvalidImage
from enrollment.core.face import assess_portrait

Image = NDArray[np.uint8]

PORTRAITS = Path(__file__).parents[4] / "shared" / "data" / "portraits"
needs_portraits = [
    pytest.mark.needs_shared,
    pytest.mark.skipif(not PORTRAITS.is_dir(), reason="no portraits beside the repository"),
]
ACCEPT = 50


def uniform(level: int) -> Image:
    return np.full((1080, 1920, 3), level, np.uint8)


def textured(low: int = 60, high: int = 210, seed: int = 0) -> Image:
    """A frame full of sharp edges: random blocks of 24 pixels."""
    blocks = np.random.default_rng(seed).integers(low, high, (45, 80, 1), np.uint8)
    return np.repeat(np.repeat(np.repeat(blocks, 24, 0), 24, 1), 3, 2)


def on_camera(portrait: Image) -> Image:
    """The portrait at full height in a 1080p frame, coded once as a camera does."""
    scale = 1080 / portrait.shape[0]
    scaled = cv2.resize(
        portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    frame = np.full((1080, 1920, 3), 128, np.uint8)
    left = (1920 - scaled.shape[1]) // 2
    frame[:, left : left + scaled.shape[1]] = scaled[:1080]
    decoded = cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 85])[1], cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded.astype(np.uint8)


def read(name: str) -> Image:
    image = cv2.imread(str(PORTRAITS / name))
    assert image is not None
    return image.astype(np.uint8)


def test_a_sharp_well_lit_frame_is_good_and_names_what_it_did_not_assess() -> None:
    quality = assess_portrait(textured())
    assert quality.score >= ACCEPT
    assert quality.hints == ()
    assert (quality.algorithm, quality.version) == ("portrait-window", "1")
    assert "face" in quality.not_assessed
    assert quality.measures["face_not_assessed"] == 1
    assert not {"face", "pose", "eyes", "head_size"} & set(quality.measures)


@pytest.mark.parametrize(
    ("spoil", "hint"),
    [
        (lambda frame: (frame * 0.2).astype(np.uint8), "TOO_DARK"),
        (lambda frame: np.clip(frame * 3.0, 0, 255).astype(np.uint8), "TOO_BRIGHT"),
        (lambda frame: cv2.GaussianBlur(frame, (0, 0), 6), "BLURRED"),
        (lambda frame: cv2.blur(frame, (31, 1)), "BLURRED"),
        (lambda frame: cv2.blur(frame, (1, 31)), "BLURRED"),
    ],
    ids=["dark", "over-exposed", "out of focus", "moved sideways", "moved up"],
)
def test_a_spoilt_frame_scores_low_and_says_why(spoil: Callable[[Image], Image], hint: str) -> None:
    quality = assess_portrait(spoil(textured()))
    assert quality.score < ACCEPT
    assert quality.hints[0] == hint


def test_sensor_noise_does_not_make_a_blurred_frame_sharp() -> None:
    blurred = cv2.GaussianBlur(textured(), (0, 0), 6)
    noise = np.random.default_rng(1).normal(0, 5, blurred.shape)
    quality = assess_portrait(np.clip(blurred + noise, 0, 255).astype(np.uint8))
    assert quality.hints == ("BLURRED",)


@pytest.mark.parametrize(("level", "first_hint"), [(0, "TOO_DARK"), (128, "BLURRED"), (255, "TOO_BRIGHT")])
def test_an_empty_frame_is_worth_nothing(level: int, first_hint: str) -> None:
    quality = assess_portrait(uniform(level))
    assert quality.score == 0
    assert first_hint in quality.hints
    assert quality.measures["dynamic_range_bits"] == 0
    assert quality.measures["sharpness"] == 0


@pytest.mark.parametrize(("srgb", "linear"), [(0, 0.0), (55, 0.0382), (128, 0.2159), (188, 0.5029), (255, 1.0)])
def test_luminance_is_linear_light(srgb: int, linear: float) -> None:
    assert assess_portrait(uniform(srgb)).measures["luminance_mean"] == pytest.approx(linear, abs=1 / 255)


def test_exposure_shares_and_entropy_of_four_equal_bands_are_exact() -> None:
    frame = np.zeros((400, 400, 3), np.uint8)
    for band, level in enumerate((0, 128, 188, 255)):
        frame[:, 100 + 50 * band : 150 + 50 * band] = level  # the window is columns 100..299
    measures = assess_portrait(frame).measures
    assert measures["under_exposed_share"] == pytest.approx(0.25, abs=0.01)
    assert measures["over_exposed_share"] == pytest.approx(0.25, abs=0.01)
    assert measures["dynamic_range_bits"] == pytest.approx(2, abs=0.15)


def test_what_lies_outside_the_window_changes_nothing_but_the_size() -> None:
    frame = textured()
    surrounded = frame.copy()
    surrounded[:, :600] = 255
    surrounded[:, -600:] = 0
    assert assess_portrait(surrounded) == assess_portrait(frame)


def test_the_frame_is_not_written_to() -> None:
    frame = textured()
    frame.flags.writeable = False
    assess_portrait(frame)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((63, 640, 3), np.uint8),
        np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (10_000, 10_000, 3)),
        np.zeros((480, 640), np.uint8),
        np.zeros((480, 640, 4), np.uint8),
        np.zeros((480, 640, 3), np.float32),
        None,
        b"jpeg",
    ],
    ids=["0 px", "1 px", "thin", "100 Mpx", "grey", "BGRA", "float", "None", "bytes"],
)
def test_what_is_no_frame_is_refused_with_a_reason(image: Image) -> None:
    with pytest.raises(InvalidImage) as refused:
        assess_portrait(image)
    assert refused.value.reason == "INVALID_IMAGE"


@pytest.mark.parametrize("size", [(64, 64), (64, 4000), (4000, 64), (2160, 3840)])
def test_every_allowed_size_is_judged(size: tuple[int, int]) -> None:
    quality = assess_portrait(np.random.default_rng(2).integers(0, 255, (*size, 3), np.uint8))
    assert [quality.measures["height_px"], quality.measures["width_px"]] == list(size)
    assert 0 <= quality.score <= 100


class TestRealPortraits:
    pytestmark = needs_portraits

    @pytest.mark.parametrize("name", ["astronaut.png", "grace_hopper.jpg", "defects/001_ok.jpg", "defects/006_ok.jpg"])
    def test_a_good_portrait_before_the_camera_is_accepted(self, name: str) -> None:
        assert assess_portrait(on_camera(read(name))).score >= ACCEPT

    @pytest.mark.parametrize("person", ["001", "006"])
    @pytest.mark.parametrize(
        ("defect", "hint"),
        [
            ("dark", "TOO_DARK"),
            ("over", "TOO_BRIGHT"),
            ("blur3", "BLURRED"),
            ("blur6", "BLURRED"),
            ("motion15", "BLURRED"),
        ],
    )
    def test_a_spoilt_portrait_before_the_camera_is_refused(self, person: str, defect: str, hint: str) -> None:
        quality = assess_portrait(on_camera(read(f"defects/{person}_{defect}.jpg")))
        assert quality.score < ACCEPT
        assert quality.hints == (hint,)

    def test_no_studio_portrait_is_refused_whatever_the_skin_tone(self) -> None:
        names = sorted(path.relative_to(PORTRAITS) for path in (PORTRAITS / "neutral").glob("*.jpg"))
        refused = [str(name) for name in names if assess_portrait(on_camera(read(str(name)))).score < ACCEPT]
        assert names
        assert refused == []
