"""Where there are ridges: pads are, bare glass, noise, hairs and old grease are not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from enrollment.core.errors import ImageTooLarge, ImageTooSmall, InvalidImage
from enrollment.core.fingerprint.image import FingerprintImage
from enrollment.core.fingerprint.ridge_map import RidgeMap, map_ridges
from enrollment.core.fingerprint.slap_parameters import SLAP
from tests.unit.slap.conftest import Drawn

PAD = (40.0, 20.0, 15.0, 25.0, 0.0)


def mapped(image: FingerprintImage) -> RidgeMap:
    return map_ridges(image, SLAP.grid, SLAP.foreground)


@pytest.mark.parametrize("ppi", [250.0, 500.0, 1000.0])
def test_pad_is_skin_of_its_size_at_any_resolution(drawn: Drawn, ppi: float) -> None:
    ridges = mapped(drawn([PAD], ppi=ppi))
    rows, cols = np.nonzero(ridges.skin)
    assert (cols.mean() + 0.5) * ridges.cell_mm == pytest.approx(40.0, abs=0.7)
    assert (rows.mean() + 0.5) * ridges.cell_mm == pytest.approx(32.5, abs=0.7)
    assert np.ptp(cols) * ridges.cell_mm == pytest.approx(15.0, abs=1.5)
    assert np.ptp(rows) * ridges.cell_mm == pytest.approx(25.0, abs=1.5)


@pytest.mark.parametrize("noise", [0.0, 4.0, 12.0])
def test_bare_glass_has_no_skin_whatever_its_noise(drawn: Drawn, noise: float) -> None:
    assert not mapped(drawn([], noise=noise)).skin.any()


def test_noise_about_a_pad_is_no_skin(drawn: Drawn) -> None:
    quiet, noisy = (mapped(drawn([PAD], noise=noise)).skin for noise in (1.0, 12.0))
    assert np.count_nonzero(quiet != noisy) < 0.08 * np.count_nonzero(quiet)


def test_hairs_and_specks_are_no_skin(drawn: Drawn) -> None:
    pixels = drawn([PAD]).pixels.copy()
    clean = mapped(FingerprintImage(pixels)).skin
    cv2.line(pixels, (100, 100), (400, 900), 40, 3)
    cv2.line(pixels, (1100, 200), (1500, 260), 40, 2)
    cv2.circle(pixels, (1300, 1100), 14, 30, -1)
    assert np.array_equal(mapped(FingerprintImage(pixels)).skin > 0, clean > 0)


def test_faint_copy_of_a_pad_is_no_skin(drawn: Drawn) -> None:
    both = drawn([PAD, (15.0, 30.0, 15.0, 25.0, 10.0)], noise=1.0).pixels
    faint = both.astype(np.float32)
    faint[:, : both.shape[1] * 3 // 10] = 240.0 + 0.12 * (faint[:, : both.shape[1] * 3 // 10] - 240.0)
    ridges = mapped(FingerprintImage(faint.astype(np.uint8)))
    assert not ridges.skin[:, : ridges.skin.shape[1] // 4].any()
    assert ridges.skin.any()


def test_soaked_middle_of_a_pad_is_skin(drawn: Drawn) -> None:
    pixels = drawn([PAD]).pixels.copy()
    cv2.ellipse(pixels, (787, 640), (90, 110), 0, 0, 360, 60, -1)
    dry = mapped(drawn([PAD])).skin
    assert np.count_nonzero(mapped(FingerprintImage(pixels)).skin) > 0.95 * np.count_nonzero(dry)


def test_sizes_and_resolutions_that_are_no_slap_are_refused() -> None:
    with pytest.raises(InvalidImage, match="no ridges"):
        mapped(FingerprintImage(np.zeros((600, 640), np.uint8), 150.0))
    with pytest.raises(ImageTooSmall):
        mapped(FingerprintImage(np.zeros((250, 1600), np.uint8)))
    with pytest.raises(ImageTooLarge):
        mapped(FingerprintImage(np.zeros((400, 5000), np.uint8)))
