"""The stub's own pieces against the vectors of the recordings."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_stubs.uru4000.image_block import encode_image, stored_lines
from firmware_stubs.uru4000.key_register import key_bytes, register_after
from firmware_stubs.uru4000.models import EVERY_KIND, HEIGHT, MODELS, WIDTH, Block
from firmware_stubs.uru4000.power import answer_to

RECORDED_KEY = 0x544409D6


def test_key_bytes_are_those_of_the_recording() -> None:
    assert key_bytes(RECORDED_KEY, 16).tobytes() == bytes.fromhex("17a04103d9a0402598605284b8608b14")


@pytest.mark.parametrize(("steps", "register"), [(0, RECORDED_KEY), (16, 0x6B265444), (384, 0x0D6B6C3D)])
def test_register_after_steps_is_that_of_the_recording(steps: int, register: int) -> None:
    assert register_after(RECORDED_KEY, steps) == register


@pytest.mark.parametrize("steps", [1, 31, 32, 63, 64, 65, 1000])
def test_register_runs_on_from_where_it_stopped(steps: int) -> None:
    halfway = register_after(RECORDED_KEY, steps)
    assert register_after(halfway, steps) == register_after(RECORDED_KEY, 2 * steps)


def test_response_is_that_of_the_recording() -> None:
    challenge = bytes.fromhex("4dae5a0b1247a86c9fbf29fdcc178a74")
    assert answer_to(challenge) == bytes.fromhex("329351371e4adfb1f35f09f329c6ab46")


@pytest.mark.parametrize("blocks", [EVERY_KIND, *(model.blocks for model in MODELS.values())])
def test_block_lists_cover_the_whole_picture(blocks: tuple[Block, ...]) -> None:
    assert sum(block.rows for block in blocks) == HEIGHT
    assert len(blocks) <= 15


def test_header_of_the_seen_list_is_that_of_the_recording() -> None:
    model = MODELS["msv2"]
    assert stored_lines(model.blocks) == 289
    wire = encode_image(np.zeros((HEIGHT, WIDTH), np.uint8), model.blocks, 5, [1], np.random.default_rng(1))
    assert wire[:7].hex() == "10408001210105"
    assert wire[16:34].hex() == "024300010231010100010231000102790000"
    assert len(wire) == 111_040
