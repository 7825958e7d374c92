"""The imaging self-test finds what was planted, in its place, and nothing where nothing was."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.diagnostics import parameters
from enrollment.core.diagnostics.imaging import examine_nothing, is_nothing
from enrollment.core.errors import ImageTooSmall, InvalidImage
from firmware_stubs.fingers import finger_image
from firmware_stubs.portrait import schematic_portrait

HEIGHT, WIDTH, FRAMES = 290, 384, 20
Pixels = NDArray[np.uint8]


def frames_of(picture: NDArray[np.floating], noise: float = 2.0, count: int = FRAMES, seed: int = 7) -> Pixels:
    random = np.random.default_rng(seed)
    drawn = picture[None] + random.normal(0.0, noise, (count, *picture.shape))
    return np.clip(np.rint(drawn), 0, 255).astype(np.uint8)


def flat(level: float = 200.0) -> NDArray[np.float64]:
    return np.full((HEIGHT, WIDTH), level)


def test_sound_sensor_has_its_noise_and_no_defect() -> None:
    found = examine_nothing(frames_of(flat(), noise=2.0))
    assert found.is_empty(scene=True)
    assert is_nothing(frames_of(flat()), scene=True)
    assert found.noise_grey == pytest.approx(np.hypot(2.0, 12**-0.5), rel=0.05)  # rounding adds its own
    assert (found.dead_pixels, found.dead_rows, found.dead_columns) == (0, (), ())
    assert not found.dead.any()
    assert found.level_spread < 0.01
    assert found.levels.shape == found.noise.shape == (HEIGHT // 16, WIDTH // 16)


def test_planted_dead_pixels_are_found_in_their_places() -> None:
    frames = frames_of(flat())
    planted = [(0, 0), (10, 20), (10, 22), (144, 383), (289, 100)]
    for number, (row, column) in enumerate(planted):
        frames[:, row, column] = 255 if number % 2 else 20
    found = examine_nothing(frames)
    assert set(map(tuple, np.argwhere(found.dead).tolist())) == set(planted)
    assert found.dead_pixels == len(planted)
    assert found.is_empty(scene=True)


def test_sprinkled_dead_pixels_make_no_dead_line() -> None:
    frames = frames_of(flat())
    sprinkled = np.random.default_rng(3).random((HEIGHT, WIDTH)) < 0.006
    frames[:, sprinkled] = 0
    frames[:, :: HEIGHT // 6, 50] = 0  # six or more in one column
    found = examine_nothing(frames)
    assert (found.dead_rows, found.dead_columns) == ((), ())
    assert found.dead_pixels >= sprinkled.sum()


def test_pixel_stuck_at_the_common_level_is_found_by_its_stillness() -> None:
    frames = frames_of(flat(), noise=3.0)
    frames[:, 77, 88] = 200
    found = examine_nothing(frames)
    assert np.argwhere(found.dead).tolist() == [[77, 88]]


def test_still_pixels_are_not_stuck_where_the_device_removes_all_noise() -> None:
    assert not examine_nothing(frames_of(flat(), noise=0.0)).dead.any()


def test_dead_lines_up_to_four_wide_are_found_even_at_the_edge_and_are_not_taken_for_a_finger() -> None:
    frames = frames_of(flat())
    frames[:, 0] = 0
    frames[:, 100:104] = 255
    frames[:, :, 300] = np.clip(frames[:, :, 300].astype(int) - 9, 0, 255)  # faint
    found = examine_nothing(frames)
    assert found.dead_rows == (0, 100, 101, 102, 103)
    assert found.dead_columns == (300,)
    assert found.dead_pixels == 0
    assert found.is_empty(scene=False)


def test_planted_gradient_is_measured_and_is_no_structure() -> None:
    slope = np.linspace(-40.0, 40.0, WIDTH)[None] + flat(160.0)
    found = examine_nothing(frames_of(slope))
    cells = np.linspace(-40.0, 40.0, WIDTH).reshape(-1, 16).mean(axis=1)
    assert found.level_spread == pytest.approx((cells[-1] - cells[0]) / 160.0, rel=0.03)
    assert found.surface_grey < 0.5
    assert found.is_empty(scene=True)
    assert not found.dead.any()


def test_noisy_corner_stands_in_the_noise_map_alone() -> None:
    frames = frames_of(flat())
    frames[:, :64, :64] = frames_of(flat(), noise=12.0, seed=8)[:, :64, :64]
    found = examine_nothing(frames)
    assert found.noise[:4, :4].min() > 9.0
    assert found.noise[5:, 5:].max() < 3.0


@pytest.mark.parametrize("contrast", [1.0, 0.3, 0.12])
def test_finger_is_not_nothing_however_faint_and_leaves_no_outline_among_the_dead_pixels(contrast: float) -> None:
    finger = finger_image(5, 0).astype(np.float64)
    laid = flat(230.0)
    height, width = min(HEIGHT, finger.shape[0]), min(WIDTH, finger.shape[1])
    laid[:height, :width] -= contrast * (255.0 - finger[:height, :width]) * 0.8
    found = examine_nothing(frames_of(laid))
    assert found.structure_share > 5 * parameters.STRUCTURE_SHARE
    assert not found.is_empty(scene=False)
    assert found.dead_pixels == 0
    assert not is_nothing(frames_of(laid, count=4), scene=False)


def test_person_before_a_lens_is_not_nothing_sharp_or_out_of_focus() -> None:
    portrait = cv2.resize(cv2.cvtColor(schematic_portrait(3), cv2.COLOR_BGR2GRAY), (480, 640))
    assert not is_nothing(frames_of(portrait.astype(np.float64), count=4), scene=True)
    blurred = cv2.GaussianBlur(portrait, (0, 0), 30.0).astype(np.float64)
    assert not is_nothing(frames_of(blurred, count=4), scene=True)


def test_cells_are_as_wide_as_two_ridges_at_any_resolution() -> None:
    assert examine_nothing(frames_of(flat(), count=4), 1000.0).cell_px == 32


def test_maps_of_a_large_picture_have_at_most_48_cells_a_side() -> None:
    found = examine_nothing(np.full((4, 1080, 1920), 128, np.uint8))
    assert (found.cell_px, found.levels.shape) == (40, (27, 48))


@pytest.mark.parametrize(
    ("frames", "error"),
    [
        (np.zeros((0, 100, 100), np.uint8), InvalidImage),
        (np.zeros((3, 100, 100), np.uint8), InvalidImage),
        (np.zeros((100, 100), np.uint8), InvalidImage),
        (np.zeros((4, 100, 100), np.float32), InvalidImage),
        (np.zeros((4, 63, 100), np.uint8), ImageTooSmall),
    ],
)
def test_what_is_not_a_stack_of_frames_is_a_typed_error(frames: NDArray[np.generic], error: type[InvalidImage]) -> None:
    with pytest.raises(error):
        examine_nothing(frames)  # type: ignore[arg-type]
    with pytest.raises(error):
        is_nothing(frames, scene=True)  # type: ignore[arg-type]
