"""Images that no honest device gives: refused by a typed error that tells the fact, or judged to be worth nothing."""

from __future__ import annotations

import tracemalloc
from decimal import Decimal
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from enrollment.core.errors import ImageTooLarge, ImageTooSmall, InvalidImage
from enrollment.core.fingerprint import FingerprintImage, QualityHint, assess, compare, examine
from firmware_stubs.fingers import GOOD, make_impression, make_master

Pixels = NDArray[np.uint8]
SIZE = 300


class Subclass(np.ndarray):
    """An array of another class, as memory maps and matrices are."""


class Loud:
    """Cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("loud")


def grey(*shape: int) -> Pixels:
    return np.full(shape, 200, np.uint8)


def drawn(seed: int = 1) -> Pixels:
    return make_impression(make_master(seed), 0, condition=GOOD).pixels


NO_IMAGES: dict[str, Any] = {
    "none": None,
    "text": "image",
    "bytes": b"\x00" * 90_000,
    "list": [[0] * SIZE] * SIZE,
    "cannot be shown": Loud(),
    "zero-dimensional": np.array(7, np.uint8),
    "one-dimensional": grey(90_000),
    "empty": grey(0, 0),
    "no columns": grey(SIZE, 0),
    "colour": grey(SIZE, SIZE, 3),
    "one channel": grey(SIZE, SIZE, 1),
    "64-dimensional": grey(*([1] * 64)),
    "float": grey(SIZE, SIZE).astype(np.float32),
    "nan": np.full((SIZE, SIZE), np.nan),
    "sixteen bits": grey(SIZE, SIZE).astype(np.uint16),
    "signed": np.zeros((SIZE, SIZE), np.int8),
    "bool": np.zeros((SIZE, SIZE), np.bool_),
    "complex": np.zeros((SIZE, SIZE), np.complex64),
    "object": np.full((SIZE, SIZE), None, object),
    "object of pixels": grey(SIZE, SIZE).astype(object),
    "text array": np.full((SIZE, SIZE), "0"),
    "dates": np.zeros((SIZE, SIZE), "M8[s]"),
    "structured": np.zeros((SIZE, SIZE), [("a" * 10_000, np.uint8)]),
    "narrow": grey(31, SIZE),
    "one pixel": grey(1, 1),
    "many pixels": np.broadcast_to(np.uint8(0), (100_000, 100_000)),
}


@pytest.mark.parametrize("name", NO_IMAGES)
def test_what_is_no_grey_image_is_refused_in_few_words(name: str) -> None:
    with pytest.raises(InvalidImage) as refused:
        FingerprintImage(NO_IMAGES[name])
    assert refused.value.reason == "INVALID_IMAGE"
    assert len(str(refused.value)) < 400
    assert refused.value.facts


RESOLUTIONS: list[Any] = [
    *(0, 0.0, -0.0, -500, 99.9, 1000.1, 1e9, 10**5000, -(10**5000), True, False),
    *(float("nan"), float("inf"), -float("inf"), np.float32("nan"), np.float64("inf"), np.int64(7)),
    *("500", b"500", "", None, [500], (500.0, 500.0), {"x": 500}, 500 + 0j, Loud()),
    *(Decimal(500), Fraction(500), np.array(500.0), np.array([500.0, 500.0])),
]


@pytest.mark.parametrize("ppi", RESOLUTIONS, ids=lambda ppi: f"{type(ppi).__name__}")
def test_a_resolution_that_is_none_is_refused_in_few_words(ppi: Any) -> None:
    with pytest.raises(InvalidImage) as refused:
        FingerprintImage(grey(SIZE, SIZE), ppi)
    assert "ppi is outside 100..1000" in str(refused.value)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("ppi", [500, np.float32(500.0), np.float64(500.0), np.int16(500), np.uint64(500)])
def test_a_resolution_of_any_number_type_is_the_same(ppi: Any) -> None:
    image = FingerprintImage(grey(SIZE, SIZE), ppi)
    assert type(image.resolution_ppi) is float
    assert image.resolution_ppi == 500.0


@pytest.mark.parametrize(
    ("height", "width", "ppi"), [(1500, 1600, 100.0), (1500, 1600, 250.0), (4000, 4000, 700.0), (32, 2751, 500.0)]
)
def test_an_image_larger_than_any_platen_is_refused_with_its_size(height: int, width: int, ppi: float) -> None:
    with pytest.raises(ImageTooLarge, match="inch") as refused:
        FingerprintImage(np.broadcast_to(np.uint8(0), (height, width)), ppi)
    assert refused.value.facts == {"width": width, "height": height, "resolution_ppi": ppi}


@pytest.mark.parametrize(("height", "width", "ppi"), [(63, 400, 500.0), (127, 400, 1000.0), (32, 32, 251.0)])
def test_an_image_less_than_a_fingerprint_is_refused_with_its_size(height: int, width: int, ppi: float) -> None:
    with pytest.raises(ImageTooSmall) as refused:
        examine(FingerprintImage(grey(height, width), ppi))
    assert refused.value.facts == {"width": width, "height": height, "resolution_ppi": ppi}


@pytest.mark.parametrize(
    ("height", "width", "ppi"),
    [(64, 64, 500.0), (32, 32, 250.0), (1500, 1600, 500.0), (1500, 1600, 1000.0), (550, 550, 100.0), (64, 1600, 500.0)],
)
def test_the_extremes_of_what_is_allowed_are_judged_in_bounded_memory(height: int, width: int, ppi: float) -> None:
    pixels = np.asarray(cv2.resize(drawn(), (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    tracemalloc.start()
    both = examine(FingerprintImage(pixels, ppi))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0 <= both.quality.score <= 100
    assert both.template.size == (round(width * 500 / ppi), round(height * 500 / ppi))
    megapixels = max(height * width * max((500 / ppi) ** 2, 1.0), 2e5) / 1e6
    assert peak < 60e6 * megapixels, "bytes"


def patterns() -> dict[str, Pixels]:
    """Images of the right type that hold no finger."""
    y, x = np.mgrid[:SIZE, :SIZE]
    rng = np.random.default_rng(1)
    return {
        "black": np.zeros((SIZE, SIZE), np.uint8),
        "white": np.full((SIZE, SIZE), 255, np.uint8),
        "one level": grey(SIZE, SIZE),
        "platen": np.clip(rng.normal(230.0, 1.5, (SIZE, SIZE)), 0, 255).astype(np.uint8),
        "slope": (x * 255 // SIZE).astype(np.uint8),
        "half": np.where(x < SIZE // 2, 0, 255).astype(np.uint8),
        "one bright pixel": np.where((x == 150) & (y == 150), 255, 0).astype(np.uint8),
        "checks of one pixel": ((x + y) % 2 * 255).astype(np.uint8),
        "wide bars": ((x // 40) % 2 * 255).astype(np.uint8),
        "salt": np.where(rng.random((SIZE, SIZE)) < 0.002, 255, 0).astype(np.uint8),
    }


@pytest.mark.parametrize("name", patterns())
def test_an_image_without_ridges_is_nothing_there_and_its_template_matches_nothing(name: str) -> None:
    both = examine(FingerprintImage(patterns()[name]))
    assert both.quality.score == 0
    assert both.quality.hints == (QualityHint.NOTHING_THERE,)
    assert len(both.template) == 0
    assert both.template.mask is not None
    assert compare(both.template, examine(FingerprintImage(drawn())).template) == 0.0


@pytest.mark.parametrize("period", [2, 7, 9, 12])
def test_even_stripes_of_a_ridges_period_are_no_good_print(period: int) -> None:
    x = np.mgrid[:SIZE, :SIZE][1]
    both = examine(FingerprintImage(((x // (period / 2)) % 2 * 255).astype(np.uint8)))
    assert both.quality.score == 0
    assert both.quality.hints


def test_noise_is_no_good_print() -> None:
    noise = np.random.default_rng(2).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
    quality = assess(FingerprintImage(noise))
    assert quality.score < 20
    assert quality.hints


def test_a_saturated_print_scores_less_than_it_did() -> None:
    good = drawn()
    dark = np.clip(good.astype(np.int16) * 4 - 900, 0, 255).astype(np.uint8)
    assert assess(FingerprintImage(dark)).score < assess(FingerprintImage(good)).score


def test_a_negative_says_so_and_a_positive_does_not() -> None:
    for seed in range(4):
        pixels = drawn(seed)
        assert QualityHint.INVERTED in assess(FingerprintImage(255 - pixels)).hints
        assert QualityHint.INVERTED not in assess(FingerprintImage(pixels)).hints


def test_a_print_upside_down_is_judged_as_one_upright() -> None:
    pixels = drawn(2)
    upright, turned = assess(FingerprintImage(pixels)), assess(FingerprintImage(np.rot90(pixels, 2)))
    assert abs(upright.score - turned.score) <= 10
    assert upright.hints == turned.hints


def test_memory_layout_and_class_of_an_array_change_nothing() -> None:
    pixels = drawn(3)
    spread = np.zeros((pixels.shape[0] * 2, pixels.shape[1] * 3), np.uint8)
    spread[::2, ::3] = pixels
    unwritable = pixels.copy()
    unwritable.flags.writeable = False
    layouts: list[Any] = [
        np.asfortranarray(pixels),
        spread[::2, ::3],
        np.ascontiguousarray(pixels[::-1, ::-1])[::-1, ::-1],
        unwritable,
        pixels.view(Subclass),
        np.ma.array(pixels, mask=True),
    ]
    expected = examine(FingerprintImage(pixels))
    for layout in layouts:
        image = FingerprintImage(layout)
        assert type(image.pixels) is np.ndarray
        found = examine(image)
        assert found.quality == expected.quality
        assert np.array_equal(found.template.positions, expected.template.positions)


TYPES = ["u1", "i1", "u2", "f2", "f4", "f8", "c8", "?", "O", "S3", "U2", "M8[s]", ">i4"]


@settings(max_examples=200)
@given(
    dtype=st.sampled_from(TYPES),
    shape=st.lists(st.integers(0, 70), max_size=4),
    ppi=st.one_of(st.floats(), st.integers(), st.text(max_size=5), st.none(), st.booleans()),
)
def test_anything_is_an_image_or_a_typed_refusal(dtype: str, shape: list[int], ppi: Any) -> None:
    pixels: Any = np.broadcast_to(np.zeros((), dtype), shape)
    is_image = dtype == "u1" and len(shape) == 2 and min(shape) >= 32
    is_resolution = isinstance(ppi, (int, float)) and 100 <= ppi <= 1000
    if is_image and is_resolution:
        assert FingerprintImage(pixels, ppi).resolution_ppi == ppi
    else:
        with pytest.raises(InvalidImage):
            FingerprintImage(pixels, ppi)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(32, 400),
    width=st.integers(32, 400),
    ppi=st.floats(100.0, 1000.0),
    seed=st.integers(0, 2**31),
    kind=st.sampled_from(["noise", "print", "waves", "blocks"]),
)
def test_any_image_of_any_size_is_judged_or_refused_by_type(
    height: int, width: int, ppi: float, seed: int, kind: str
) -> None:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    if kind == "noise":
        pixels = rng.integers(0, 256, (height, width), dtype=np.uint8)
    elif kind == "print":
        pixels = np.asarray(cv2.resize(drawn(), (width, height)), np.uint8)
    elif kind == "waves":
        wave = np.cos(rng.uniform(0.2, 1.5) * x + rng.uniform(0.0, 1.5) * y + rng.uniform(0.0, 0.01) * x * y)
        pixels = (127.0 + rng.uniform(0.0, 127.0) * wave).astype(np.uint8)
    else:
        blocks = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1), dtype=np.uint8)
        pixels = blocks.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    try:
        both = examine(FingerprintImage(pixels, ppi))
    except (ImageTooSmall, ImageTooLarge):
        return
    mask = both.template.mask
    assert mask is not None
    assert 0 <= both.quality.score <= 100
    assert all(np.isfinite(value) for value in both.quality.measures.values())
    assert set(both.quality.places) == set(both.quality.hints)
    if not mask.any():
        assert len(both.template) == 0
        assert both.quality.hints == (QualityHint.NOTHING_THERE,)
    if QualityHint.NOTHING_THERE in both.quality.hints:
        assert both.quality.score == 0
