"""Every fault between an encoder and its card, at every exchange: the table in tests/faults/encoder_matrix.py.

Whatever happens: the outcome is the one in the table, the next card works, and no thread, process or handle is left.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from drivers.errors import DeviceError
from firmware_stubs.card.faults import Fault
from tests.faults.encoder_bench import Rig, children, handles, running_rig, try_all
from tests.faults.encoder_matrix import ROWS, Answer, Row, cells
from tests.pcsc.conftest import why_not


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    if why_not():
        pytest.skip(why_not())
    with running_rig() as rig:
        yield rig


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_fault_ends_as_the_table_says_and_the_next_card_works(row: Row, rig: Rig) -> None:
    threads, files = set(threading.enumerate()), handles()
    tries = try_all(rig, cells((row,)))
    assert not [f"{tried.cell}: {tried.failure}" for tried in tries if tried.failure]
    assert len(tries) in (3, 10)
    assert set(threading.enumerate()) <= threads
    assert handles() <= files
    assert not children()


def test_table_has_a_row_for_each_fault_of_the_model() -> None:
    assert {row.fault["kind"] for row in ROWS if row.fault} == {fault.value for fault in Fault}


def test_every_outcome_is_one_that_callers_are_told_of() -> None:
    assert all(isinstance(row.outcome, Answer) or issubclass(row.outcome, DeviceError) for row in ROWS)
