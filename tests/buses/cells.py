"""Which of the scanners' faults are also tried across the real libusb: those that a bus has a part in."""

from __future__ import annotations

from dataclasses import replace

from tests.faults.scanner_matrix import SCANNERS, Cell, Step

KINDS = frozenset(("stall", "halt", "short_packet", "short_image", "refused", "slow_wire", "unplug", "unplug_in_image"))
AT_EACH_PLACE = frozenset(("unplug",))


def _cell(cell: Cell) -> Cell:
    places = cell.row.places[cell.step]
    chosen = places if cell.row.kind in AT_EACH_PLACE else places[:1]
    return replace(cell, row=replace(cell.row, places={cell.step: chosen}))


CELLS = [
    _cell(Cell(scanner, row, Step.CAPTURE, lasting=False))
    for scanner in SCANNERS
    for row in scanner.rows
    if row.kind in KINDS and row.once is not None and Step.CAPTURE in row.places
]
