"""The drawn portrait: nobody, but exposed and sharp as a portrait should be."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from firmware_stubs.portrait import schematic_portrait


@pytest.mark.parametrize("seed", range(4))
def test_portrait_is_well_exposed_and_sharp_before_a_plain_wall(seed: int) -> None:
    portrait = schematic_portrait(seed)
    assert portrait.shape == (1080, 1920, 3)
    assert portrait.dtype == np.uint8
    grey = cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY)
    face = grey[330:760, 780:1140]
    wall = grey[:, :300]
    assert 50 < face.mean() < 225
    assert wall.mean() > 190
    assert wall.std() < 8
    assert face.std() > 15
    assert np.mean((grey < 2) | (grey > 253)) < 0.01
    assert (
        cv2.Laplacian(face, cv2.CV_64F).var() > 4 * cv2.Laplacian(cv2.GaussianBlur(face, (0, 0), 3), cv2.CV_64F).var()
    )


def test_eyes_are_level_and_darker_than_the_cheeks() -> None:
    grey = cv2.cvtColor(schematic_portrait(3), cv2.COLOR_BGR2GRAY)
    # Heads are drawn about the middle of the width; eyes a twelfth of a head height above its middle.
    left, right = (grey[440:500, 960 + x - 15 : 960 + x + 15].min() for x in (-100, 100))
    assert max(left, right) < grey[600:640, 940:980].mean() - 40


def test_same_seed_draws_the_same_person_and_another_seed_another() -> None:
    small = (640, 360)
    assert np.array_equal(schematic_portrait(5, small), schematic_portrait(5, small))
    assert np.mean(schematic_portrait(5, small) != schematic_portrait(6, small)) > 0.3


@pytest.mark.parametrize("size", [(120, 120), (480, 640), (1280, 720)])
def test_any_size_is_drawn(size: tuple[int, int]) -> None:
    assert schematic_portrait(1, size).shape == (size[1], size[0], 3)


@pytest.mark.parametrize(("seed", "size"), [(-1, (640, 480)), (0, (119, 480)), (0, (640, 4097))])
def test_what_cannot_be_drawn_is_refused(seed: int, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"negative|pixels"):
        schematic_portrait(seed, size)
