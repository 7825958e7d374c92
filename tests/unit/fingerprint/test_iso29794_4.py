"""Measures of ISO/IEC 29794-4 on images whose answer is known, and beside NFIQ 2's own."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from enrollment.core.fingerprint import FingerprintImage, extract
from enrollment.core.fingerprint.iso29794_4 import measures_29794_4
from firmware_stubs.fingers import Severity, make_impression, make_master

Pixels = NDArray[np.uint8]
SIZE = 36 + 32 * 8


def wave(angle: float, period: float = 8.0, size: int = SIZE) -> Pixels:
    y, x = np.mgrid[:size, :size]
    along = 2.0 * math.pi / period * (x * math.cos(angle) + y * math.sin(angle))
    grey: Pixels = np.rint(128.0 + 90.0 * np.cos(along)).astype(np.uint8)
    return grey


def measured(pixels: Pixels, ppi: float = 500.0) -> dict[str, float]:
    image = FingerprintImage(pixels, ppi)
    return measures_29794_4(image, extract(image))


@pytest.mark.parametrize("angle_deg", [0, 30, 45, 90, 120, 165])
def test_an_even_wave_is_clear_certain_and_flows(angle_deg: int) -> None:
    found = measured(wave(math.radians(angle_deg)))
    assert found["OCL_mean"] > 0.95
    assert found["OFL_mean"] > 0.98
    assert found["LCS_mean"] > 0.8
    assert found["FDA_mean"] > 0.4
    assert found["ROI_coherence_mean"] > 0.9


def test_noise_is_neither_clear_nor_certain() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
    found, clear = measured(noise), measured(wave(0.4))
    assert found["OCL_mean"] < 0.3
    for name in ("LCS_mean", "FDA_mean", "OFL_mean", "OCL_mean", "ROI_coherence_mean"):
        assert found[name] < clear[name]


@pytest.mark.parametrize(("ridge_px", "valley_px"), [(3, 5), (4, 4), (5, 3)])
def test_uniformity_is_ridge_width_over_valley_width(ridge_px: int, valley_px: int) -> None:
    row = np.where(np.arange(SIZE) % (ridge_px + valley_px) < ridge_px, 40, 210).astype(np.uint8)
    assert measured(np.tile(row, (SIZE, 1)))["RVU_mean"] == pytest.approx(ridge_px / valley_px, rel=0.05)


def test_a_frequency_peak_among_few_others_is_larger() -> None:
    rng = np.random.default_rng(2)
    clean = wave(0.6)
    dirty = np.clip(clean + rng.normal(0.0, 90.0, clean.shape), 0, 255).astype(np.uint8)
    assert measured(dirty)["FDA_mean"] < measured(clean)["FDA_mean"]


def test_means_of_grey_are_the_means_of_what_is_left_without_the_white_frame() -> None:
    inner = wave(0.0, 8.0, size=256)
    framed = np.pad(inner, 40, constant_values=255)
    for pixels in (inner, framed):
        found = measured(pixels)
        assert found["MU"] == pytest.approx(inner.mean())
        assert found["MMB"] == pytest.approx(inner.mean(), abs=0.5)


def test_region_is_the_dark_disc_and_its_holes_are_filled() -> None:
    y, x = np.mgrid[:320, :320] - 159.5
    radius = np.hypot(x, y)
    pixels = np.where((radius < 110) & (radius > 12), 60, 235).astype(np.uint8)
    found = measured(pixels)
    assert found["ROI_area_mm2"] == pytest.approx(math.pi * 110**2 * (25.4 / 500) ** 2, rel=0.12)
    assert found["ROI_mean"] < 90.0


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_even_image_has_finite_measures(level: int) -> None:
    found = measured(np.full((200, 200), level, np.uint8))
    assert all(math.isfinite(value) for value in found.values())
    assert found["minutiae"] == found["OCL_mean"] == found["LCS_mean"] == 0.0
    assert found["MU"] == level


@pytest.mark.parametrize(
    ("height", "width", "ppi"), [(64, 64, 500.0), (64, 300, 500.0), (70, 64, 197.0), (999, 700, 1000.0)]
)
def test_any_size_and_resolution_gives_every_measure(height: int, width: int, ppi: float) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (height, width), dtype=np.uint8)
    found = measured(pixels, ppi)
    assert found.keys() == measured(wave(0.0)).keys()
    assert all(math.isfinite(value) for value in found.values())


def ranks(values: list[float]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle: NDArray[np.float64] = np.cumsum(counts) - (counts - 1) / 2
    return middle[inverse]


def test_measures_order_prints_as_nfiq_2_does() -> None:
    nbis = pytest.importorskip("nbis", reason="the bench extra is absent")
    settings = nbis.NbisExtractorSettings(
        min_quality=0.0, get_center=False, check_fingerprint=False, compute_nfiq2=True, ppi=500.0
    )
    extractor = nbis.new_nbis_extractor(settings)
    ours, theirs = [], []
    for seed in range(24):  # of all qualities: among prints that are alike rank is chance
        pixels = make_impression(make_master(seed), seed, severity=Severity.HARD).pixels
        png = io.BytesIO()
        Image.fromarray(pixels).save(png, "PNG")
        features = extractor.extract_minutiae(png.getvalue()).quality().features
        theirs.append({feature.name: feature.value for feature in features})
        ours.append(measured(pixels))
    for name, their_name, least in (
        ("MU", "Mu", 0.99),
        ("MMB", "MMB", 0.99),
        ("OCL_mean", "OCL_Bin10_Mean", 0.99),
        ("ROI_mean", "ImgProcROIArea_Mean", 0.99),
        ("ROI_coherence_mean", "OrientationMap_ROIFilter_CoherenceRel", 0.97),
        ("minutiae_certainty", "FJFXPos_OCL_MinutiaeQuality_80", 0.9),
        ("FDA_mean", "FDA_Bin10_Mean", 0.7),
        ("LCS_mean", "LCS_Bin10_Mean", 0.93),
    ):
        a, b = ranks([one[name] for one in ours]), ranks([one[their_name] for one in theirs])
        assert np.corrcoef(a, b)[0, 1] > least, name
