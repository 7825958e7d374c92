"""Every fault of every scanner's model, at every step and place of the table in scanner_matrix.py.

Whatever happens: the outcome is the one in the table, the fault has really struck, the next capture works, and after
`close` no thread, no file and no claim on the device is left.
"""

from __future__ import annotations

import json
import threading
import urllib.error
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pytest

from tests.faults.scanner_bench import Bench, handles, left_open, running_models, try_cell
from tests.faults.scanner_matrix import SCANNERS, Cell, Scanner, cells

if TYPE_CHECKING:
    from tests.contract.device_stubs import ScannerStub

pytest_plugins = ("tests.contract.device_stubs",)

VARIANTS = {"clear_image", "every_block_kind", "pale_image"}  # of a U.are.U's images, and no faults


@pytest.fixture(scope="module")
def stubs() -> Iterator[Mapping[str, ScannerStub]]:
    with running_models() as running:
        yield running


@pytest.mark.parametrize("cell", [cell for scanner in SCANNERS for cell in cells(scanner)], ids=str)
def test_fault_ends_as_the_table_says_and_the_next_capture_works(cell: Cell, stubs: Mapping[str, ScannerStub]) -> None:
    for tried in try_cell(cell, stubs[cell.scanner.model]):
        assert not tried.failure, f"after {tried.after} chances: {tried.failure}"


@pytest.mark.parametrize("scanner", SCANNERS, ids=lambda scanner: scanner.driver)
def test_close_of_an_unplugged_scanner_is_quiet_and_leaves_nothing(
    scanner: Scanner, stubs: Mapping[str, ScannerStub]
) -> None:
    threads, files = set(threading.enumerate()), handles()
    with Bench(scanner, stubs[scanner.model], {}) as bench:
        bench.stub.unplug()
    assert not left_open(threads, files)


@pytest.mark.parametrize("scanner", SCANNERS, ids=lambda scanner: scanner.driver)
def test_table_has_a_row_for_each_fault_of_the_model(scanner: Scanner, stubs: Mapping[str, ScannerStub]) -> None:
    """A fault that no row names would never be tried. The model tells its faults when it refuses one."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        stubs[scanner.model].fail("no_such_fault")
    known = set(json.loads(refused.value.read())["message"].removeprefix("kinds: ").split(", "))
    assert known - VARIANTS == {row.kind for row in scanner.rows}
