"""Every fault of every camera's model, at every step of the table in camera_matrix.py.

Whatever happens: the outcome is the one in the table, the next picture works, and after `close` no thread, process or
file is left.
"""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pytest

from tests.faults.camera_bench import running_models, try_cell
from tests.faults.camera_matrix import CAMERAS, Camera, Cell, cells

if TYPE_CHECKING:
    from tests.faults.camera_bench import Stub

pytest_plugins = ("tests.contract.device_stubs",)


@pytest.fixture(scope="module")
def stubs() -> Iterator[Mapping[str, Stub]]:
    with running_models() as running:
        yield running


@pytest.mark.parametrize("cell", [cell for camera in CAMERAS for cell in cells(camera)], ids=str)
def test_fault_ends_as_the_table_says_and_the_next_picture_works(cell: Cell, stubs: Mapping[str, Stub]) -> None:
    for tried in try_cell(cell, stubs[cell.camera.model]):
        assert not tried.failure, f"after {tried.after} transfers: {tried.failure}"


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.driver)
def test_table_has_a_row_for_each_fault_of_the_model(camera: Camera, stubs: Mapping[str, Stub]) -> None:
    """A fault that no row names would never be tried. The model tells its faults when it refuses one."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        stubs[camera.model].fail("no_such_fault")
    said = json.loads(refused.value.read())["detail"].removeprefix("kind is one of ")
    assert set(json.loads(said.replace("'", '"'))) == {row.kind for row in camera.rows}
