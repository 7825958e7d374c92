"""What goes wrong on a scanner's wire, and what must come of it: one table a scanner, one test for all of them.

A scanner joins with one entry in SCANNERS. It needs a model in `firmware_stubs` whose hand's port takes
{"kind", "times", "after"}, and a row for each fault that its wire can have. A fault's chances, which `after` counts,
are the model's own: messages, transfers, imports or pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from drivers.errors import (
    CaptureTimedOut,
    DeviceGone,
    DeviceNotReady,
    DeviceStalled,
    DriverError,
    ProtocolViolation,
)


class Picture(Enum):
    """A fault that ends in a picture."""

    UNNOTICED = "unnoticed"  # as good as without the fault
    SHOWN = "shown"  # the fault is in it, too faint for a hint
    HINTED = "hinted"  # the fault shows, and the quality of the picture tells what to do


Outcome = type[DriverError] | Picture


class Step(Enum):
    """Where a driver is when it happens."""

    OPEN = "open"
    CAPTURE = "capture"  # a finger lies there
    EMPTY = "empty"  # a capture while none lies there
    LIFT = "lift"  # waiting for the finger to go


@dataclass(frozen=True, slots=True)
class Row:
    """One fault. once: what comes of it when it strikes one time, lasting: when it stays; None where that has no sense.

    places: how many chances pass before it strikes, by the step it is armed in. It lasts in the first step only, at the
    first and the last place.
    """

    kind: str
    once: Outcome | None
    lasting: Outcome | None = None
    places: Mapping[Step, tuple[int, ...]] = field(default_factory=lambda: {Step.CAPTURE: (0,)})


@dataclass(frozen=True, slots=True)
class Scanner:
    """driver: name in the catalogue. model: of the firmware stub. options: of the driver, here short time limits."""

    driver: str
    model: str
    rows: tuple[Row, ...]
    options: Mapping[str, float]


# NB-1010-U. Messages of a capture: presence, two acknowledgements, 90 of rows. Transfers: a write and a read for each
# of the first three, then 90 reads; at opening, one read that finds the pipe empty comes first.
_MESSAGES = {Step.CAPTURE: (0, 1, 2, 3, 47, 92), Step.OPEN: (0,), Step.LIFT: (0,)}
_TRANSFERS = {Step.CAPTURE: (0, 1, 2, 3, 4, 5, 6, 50, 95), Step.OPEN: (0, 1, 2), Step.LIFT: (0, 1)}

NB1010 = (
    Row("stall", DeviceStalled, places=_MESSAGES),
    Row("short_packet", Picture.UNNOTICED, ProtocolViolation, _MESSAGES),
    Row("bad_header", Picture.UNNOTICED, ProtocolViolation, _MESSAGES),
    Row("bad_answer", Picture.UNNOTICED, ProtocolViolation, _MESSAGES),
    Row("slow_wire", Picture.UNNOTICED, Picture.UNNOTICED, _MESSAGES),
    Row("lost_rows", Picture.UNNOTICED, DeviceStalled, {Step.CAPTURE: (0, 45)}),
    Row("lost_rows", DeviceStalled, places={Step.CAPTURE: (89,)}),  # nothing follows that could tell
    Row("refused", DeviceStalled, DeviceStalled, _TRANSFERS | {Step.OPEN: (1, 2)}),
    Row("unplug", DeviceGone, places=_TRANSFERS),
    Row("stale_bytes", Picture.UNNOTICED, places={Step.OPEN: (0,)}),
    Row("babble", DeviceStalled, places={Step.OPEN: (0,)}),
    Row("frozen_frame", Picture.UNNOTICED, DeviceStalled),
    Row("black_frame", Picture.UNNOTICED, DeviceNotReady),
    Row("dirty_platen", Picture.HINTED, Picture.HINTED),
    Row("ghost_print", None, DeviceNotReady, {Step.EMPTY: (0,)}),
)

# U.are.U: its model counts images, and knows no places within one.
URU4000 = (
    Row("stall", DeviceStalled),
    Row("short_image", Picture.UNNOTICED, ProtocolViolation),
    Row("zero_image", Picture.UNNOTICED, ProtocolViolation),
    Row("bad_header", Picture.UNNOTICED, ProtocolViolation),
    Row("wrong_key", Picture.UNNOTICED, ProtocolViolation),
    Row("slow_wire", Picture.UNNOTICED, Picture.UNNOTICED),
    Row("unplug_in_image", DeviceGone),
    Row("stray_interrupt", Picture.UNNOTICED),
    Row("no_power_interrupt", Picture.UNNOTICED, DeviceNotReady, {Step.OPEN: (0,)}),
    Row("wedged", Picture.UNNOTICED, places={Step.OPEN: (0,)}),
)

# Scanners that only send pictures: their models count pictures, imports, transfers.
_PICTURES = {Step.CAPTURE: (0, 1)}
_STALL = Row("stall", DeviceStalled, places=_PICTURES)
_SHORT = Row("short_packet", Picture.UNNOTICED, ProtocolViolation, _PICTURES)
_WIRE = (
    Row("slow_wire", Picture.UNNOTICED, Picture.UNNOTICED, _PICTURES),
    Row("stale_bytes", Picture.UNNOTICED, places={Step.OPEN: (0,)}),
    Row("unplug", DeviceGone, places={Step.CAPTURE: (0, 1, 2, 3), Step.OPEN: (0, 1, 2)}),
)
_OPTICAL = (
    Row("frozen_frame", Picture.UNNOTICED, DeviceStalled),
    Row("black_frame", Picture.UNNOTICED, DeviceNotReady),
    Row("dirty_platen", Picture.SHOWN, Picture.SHOWN),
    Row("ghost_print", None, CaptureTimedOut, {Step.EMPTY: (0,)}),
)
FS81 = (_STALL, _SHORT, Row("bad_header", ProtocolViolation, places={Step.OPEN: (0,)}), *_WIRE, *_OPTICAL)
ZK4500 = (_STALL, _SHORT, Row("refused", DeviceStalled, DeviceStalled), *_WIRE, *_OPTICAL)
FDU2000 = (
    _STALL,
    _SHORT,
    Row("bad_header", Picture.UNNOTICED, ProtocolViolation),
    Row("bad_answer", Picture.UNNOTICED, ProtocolViolation),
    *_WIRE,
    *_OPTICAL,
)

SCANNERS = (
    Scanner("fs81", "fs81", FS81, {"picture_timeout_s": 0.4}),
    Scanner("zk4500", "zk4500", ZK4500, {"picture_timeout_s": 0.4}),
    Scanner("fdu2000", "fdu2000", FDU2000, {"picture_timeout_s": 0.4}),
    Scanner("nb1010", "nb1010", NB1010, {"transfer_timeout_s": 0.3}),
    Scanner("uru4000", "4500", URU4000, {"transfer_timeout_s": 0.5}),
)
