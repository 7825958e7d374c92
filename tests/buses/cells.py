"""Which rows of the scanners' table of faults are also tried across the real libusb: those that a bus has a part in."""

from __future__ import annotations

from tests.faults.scanner_matrix import SCANNERS, Row, Scanner, Step

KINDS = frozenset(("stall", "short_packet", "short_image", "refused", "slow_wire", "unplug", "unplug_in_image"))
AT_EACH_PLACE = frozenset(("unplug",))

Cell = tuple[Scanner, Row, int]

CELLS: list[Cell] = [
    (scanner, row, after)
    for scanner in SCANNERS
    for row in scanner.rows
    if row.kind in KINDS and row.once is not None
    for places in [row.places.get(Step.CAPTURE, ())]
    for after in (places if row.kind in AT_EACH_PLACE else places[:1])
]


def name_of(cell: Cell) -> str:
    scanner, row, after = cell
    return f"{scanner.driver}-{row.kind}-after-{after}"
