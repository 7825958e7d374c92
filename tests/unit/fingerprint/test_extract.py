"""The whole extraction, on prints whose minutiae are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from enrollment.core.fingerprint import FingerprintImage, FingerprintTemplate, MinutiaKind, examine, extract

Print = Callable[..., tuple[FingerprintImage, FingerprintTemplate]]


def partners(of: FingerprintTemplate, among: FingerprintTemplate, reach_px: float = 6.0) -> NDArray[np.intp]:
    """Index of the nearest minutia of `among` that is near in place and direction, -1 where there is none."""
    apart = np.hypot(*(of.positions[:, None] - among.positions).transpose(2, 0, 1))
    agree = np.cos(of.directions[:, None] - among.directions) > math.cos(math.radians(20.0))
    apart = np.where(agree, apart, np.inf)
    return np.where(apart.min(axis=1) < reach_px, apart.argmin(axis=1), -1)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("period", [7.0, 9.0, 11.0])
def test_minutiae_are_the_known_dislocations(synthetic_print: Print, seed: int, period: float) -> None:
    image, truth = synthetic_print(seed=seed, period=period)
    template = extract(image)
    here = partners(truth, template)
    assert np.count_nonzero(here < 0) <= 1
    strong = template.reliabilities > 0.3
    assert np.mean(partners(template, truth)[strong] >= 0) > 0.9
    sure = (here >= 0) & (truth.kinds != MinutiaKind.OTHER)
    assert np.mean(template.kinds[here[sure]] == truth.kinds[sure]) > 0.8


@pytest.mark.parametrize("ppi", [250.0, 375.0, 512.0, 569.0, 1000.0])
def test_the_resolution_does_not_move_a_minutia(synthetic_print: Print, ppi: float) -> None:
    image, truth = synthetic_print()
    side = (round(truth.size[0] * ppi / 500.0), round(truth.size[1] * ppi / 500.0))
    interpolation = cv2.INTER_AREA if ppi < 500.0 else cv2.INTER_CUBIC
    scaled = np.asarray(cv2.resize(image.pixels, side, interpolation=interpolation), np.uint8)
    template = extract(FingerprintImage(scaled, ppi))
    assert np.count_nonzero(partners(truth, template, 4.0) >= 0) >= len(truth) - 2
    assert np.abs(np.subtract(template.size, truth.size)).max() <= 2


def test_threads_at_once_find_what_one_finds(synthetic_print: Print) -> None:
    images = [synthetic_print(seed=seed)[0] for seed in range(4)]
    alone = [extract(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(extract, images * 3))
    for index, template in enumerate(together):
        assert np.array_equal(template.positions, alone[index % 4].positions)
        assert np.array_equal(template.reliabilities, alone[index % 4].reliabilities)


def test_pixels_that_may_not_be_written_are_enough(synthetic_print: Print) -> None:
    image, _ = synthetic_print()
    locked = image.pixels.copy()
    locked.flags.writeable = False
    assert np.array_equal(extract(FingerprintImage(locked)).positions, extract(image).positions)


def test_stages_are_shown_in_order(synthetic_print: Print) -> None:
    names: list[str] = []
    examine(synthetic_print()[0], observe=lambda name, array: names.append(name))
    assert names == [
        "grey",
        "ridges",
        "active",
        "gradient orientation",
        "period",
        "orientation",
        "coherence",
        "response",
        "mask",
        "residues",
        "strengths",
        "local quality",
    ]


def test_the_mask_covers_the_image_and_every_minutia(synthetic_print: Print) -> None:
    template = extract(synthetic_print()[0])
    assert template.mask is not None
    height, width = template.mask.shape
    assert width * template.mask_cell_px == pytest.approx(template.size[0], abs=template.mask_cell_px)
    assert height * template.mask_cell_px == pytest.approx(template.size[1], abs=template.mask_cell_px)
    cols, rows = ((template.positions + 0.5) // template.mask_cell_px).astype(int).T
    assert template.mask[rows, cols].all()


def test_more_residues_than_one_block_are_handled() -> None:
    """Blobs of the size of ridges: thousands of residues, all over a large image."""
    rng = np.random.default_rng(7)
    blobs = cv2.GaussianBlur(rng.standard_normal((1200, 1200)).astype(np.float32), (0, 0), 2.0)
    pixels = np.clip(128.0 + 400.0 * np.asarray(blobs, np.float32), 0, 255).astype(np.uint8)
    counts: dict[str, int] = {}
    template = extract(FingerprintImage(pixels), observe=lambda name, array: counts.update({name: len(array)}))
    assert counts["residues"] > 1024
    assert len(template) == 60


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(64, 260),
    width=st.integers(64, 260),
    ppi=st.sampled_from([100.0, 250.0, 375.0, 400.0, 500.0]),
    seed=st.integers(0, 2**32 - 1),
    contrast=st.floats(0.0, 400.0),
    blur=st.sampled_from([0.0, 1.0, 2.0, 6.0]),
)
def test_any_texture_of_any_size_gives_a_sound_template(
    height: int, width: int, ppi: float, seed: int, contrast: float, blur: float
) -> None:
    noise = np.random.default_rng(seed).standard_normal((height, width)).astype(np.float32)
    texture = np.asarray(cv2.GaussianBlur(noise, (0, 0), blur), np.float32) if blur else noise
    pixels = np.clip(128.0 + contrast * texture, 0, 255).astype(np.uint8)
    both = examine(FingerprintImage(pixels, ppi))
    template = both.template
    assert np.isfinite(template.positions).all()
    assert (template.positions > -1.0).all()
    assert (template.positions < np.array(template.size)).all()
    assert ((template.directions >= 0.0) & (template.directions < np.float32(2.0 * np.pi))).all()
    assert ((template.reliabilities >= 0.0) & (template.reliabilities <= 1.0)).all()
    assert set(template.kinds.tolist()) <= {MinutiaKind.ENDING, MinutiaKind.BIFURCATION}
    assert 0 <= both.quality.score <= 100
    assert np.isfinite(list(both.quality.measures.values())).all()


@pytest.mark.needs_shared
def test_real_prints_of_every_sensor_have_minutiae_in_a_finger_sized_mask(shared_prints: Path) -> None:
    for folder, ppi in (
        ("FVC2002_DB1_B", 500.0),
        ("FVC2002_DB4_B", 500.0),
        ("FVC2004_DB2_B", 500.0),
        ("FVC2004_DB3_B", 512.0),
    ):
        for finger in (101, 106):
            pixels = cv2.imread(str(shared_prints / folder / f"{finger}_2.tif"), cv2.IMREAD_GRAYSCALE)
            both = examine(FingerprintImage(np.asarray(pixels, np.uint8), ppi))
            assert 12 <= len(both.template) <= 60
            assert 80.0 < both.quality.measures["area_mm2"] < 400.0
            assert both.quality.score > 10
