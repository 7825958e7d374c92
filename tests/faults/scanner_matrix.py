"""What goes wrong on a scanner's wire, and what must come of it: one table a scanner.

A scanner joins with one entry in SCANNERS. It needs a model in `firmware_stubs` whose hand's port takes
{"kind", "times", "after"}, and a row for each fault that its wire can have. A fault's chances, which `after` counts,
are the model's own: messages, transfers, imports, pictures, frames or commands.

    python -m tests.faults.scanner_matrix [--driver NAME]... [--json]    tries all of it and prints a summary
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from drivers.errors import (
    CaptureTimedOut,
    DeviceGone,
    DeviceNotReady,
    DeviceStalled,
    DriverError,
    ProtocolViolation,
)

PATIENCE_S: Final = 1.0


class Picture(Enum):
    """A fault that ends in a picture."""

    UNNOTICED = "unnoticed"  # as good as without the fault
    SHOWN = "shown"  # the fault is in it, too faint for a hint
    HINTED = "hinted"  # the fault shows, and the quality of the picture tells what to do


Outcome = type[DriverError] | Picture


class Step(Enum):
    """What a driver does when it happens."""

    OPEN = "open"
    CAPTURE = "capture"  # a finger lies there
    EMPTY = "empty"  # a capture while none lies there
    LIFT = "lift"  # waiting for the finger to go
    STREAM = "stream"  # live frames
    PLATEN = "platen"  # pictures of the empty platen, for a self-test
    INDICATE = "indicate"  # lamps and beeper, for a self-test
    CLOSE = "close"


Places = Mapping[Step, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Row:
    """One fault. once: what comes of it when it strikes one time, lasting: when it stays; None where that has no sense.

    places: how many chances pass before it strikes, by the step it is armed in. It lasts in the first step only, at the
    first and the last place.
    """

    kind: str
    once: Outcome | None
    lasting: Outcome | None = None
    places: Places = field(default_factory=lambda: {Step.CAPTURE: (0,)})


@dataclass(frozen=True, slots=True)
class Scanner:
    """driver: name in the catalogue. model: of the firmware stub.

    limits: of the driver, by the names of its options: short, for the cells that wait until one is over. In all others
    a model that the machine puts off must not exceed them.
    resting: the model's state between two captures, where it has to be waited for.
    """

    driver: str
    model: str
    rows: tuple[Row, ...]
    limits: Mapping[str, float]
    resting: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One fault of one scanner in one step."""

    scanner: Scanner
    row: Row
    step: Step
    lasting: bool

    @property
    def driver(self) -> str:
        return self.scanner.driver

    @property
    def expected(self) -> Outcome:
        outcome = self.row.lasting if self.lasting else self.row.once
        assert outcome is not None
        return outcome

    @property
    def driver_options(self) -> Mapping[str, float]:
        return self.scanner.limits if self.expected is DeviceStalled else dict.fromkeys(self.scanner.limits, PATIENCE_S)

    @property
    def places(self) -> tuple[int, ...]:
        """Those to be tried: all, or where it lasts the first and the last."""
        places = self.row.places[self.step]
        return places[:: len(places) - 1 or 1] if self.lasting else places

    def __str__(self) -> str:
        times = "lasting" if self.lasting else "once"
        return f"{self.scanner.driver}-{self.step.value}-{self.row.kind}-{times}-{self.places[0]}"


# NB-1010-U. Messages of a capture: presence, two acknowledgements, 90 of rows. Transfers: a write and a read for each
# of the first three, then 90 reads; at opening, one read that finds the pipe empty comes first. It says nothing when it
# is closed, and has no lamp.
_MESSAGES = {Step.CAPTURE: (0, 1, 2, 3, 47, 92), Step.OPEN: (0,), Step.LIFT: (0,), Step.PLATEN: (0, 2, 91)}
_TRANSFERS = {
    Step.CAPTURE: (0, 1, 2, 3, 4, 5, 6, 50, 95),
    Step.OPEN: (0, 1, 2),
    Step.LIFT: (0, 1),
    Step.PLATEN: (0, 3, 93),
}
_IN_PICTURES = {Step.CAPTURE: (0,), Step.PLATEN: (0,)}

NB1010 = (
    Row("stall", DeviceStalled, places=_MESSAGES),
    Row("short_packet", Picture.UNNOTICED, ProtocolViolation, _MESSAGES),
    Row("bad_header", Picture.UNNOTICED, ProtocolViolation, _MESSAGES),
    Row("bad_answer", Picture.UNNOTICED, ProtocolViolation, _MESSAGES),
    Row("slow_wire", Picture.UNNOTICED, Picture.UNNOTICED, _MESSAGES),
    Row("lost_rows", Picture.UNNOTICED, DeviceStalled, {Step.CAPTURE: (0, 45), Step.PLATEN: (0, 45)}),
    Row("lost_rows", DeviceStalled, places={Step.CAPTURE: (89,)}),  # nothing follows that could tell
    Row("refused", DeviceStalled, DeviceStalled, _TRANSFERS | {Step.OPEN: (1, 2)}),
    Row("unplug", DeviceGone, places=_TRANSFERS),
    Row("stale_bytes", Picture.UNNOTICED, places={Step.OPEN: (0,)}),
    Row("babble", DeviceStalled, places={Step.OPEN: (0,)}),
    Row("frozen_frame", Picture.UNNOTICED, DeviceStalled, {Step.CAPTURE: (0,)}),
    Row("black_frame", Picture.UNNOTICED, DeviceNotReady, {Step.CAPTURE: (0,)}),
    Row("dirty_platen", Picture.HINTED, Picture.HINTED),
    Row("ghost_print", None, DeviceNotReady, {Step.EMPTY: (0,)}),
    Row("dead_pixels", Picture.UNNOTICED, Picture.UNNOTICED, _IN_PICTURES),
    Row("dead_line", Picture.UNNOTICED, Picture.UNNOTICED, _IN_PICTURES),
)

# U.are.U. Transfers of a capture: MODE, the read, MODE, seed, key; of an opening: the interrupt read, then registers.
_IMAGES = {Step.CAPTURE: (0,), Step.PLATEN: (0, 1)}
URU4000 = (
    Row("stall", DeviceStalled, places=_IMAGES),
    Row("short_image", Picture.UNNOTICED, ProtocolViolation, _IMAGES),
    Row("zero_image", Picture.UNNOTICED, ProtocolViolation, _IMAGES),
    Row("bad_header", Picture.UNNOTICED, ProtocolViolation, _IMAGES),
    Row("wrong_key", Picture.UNNOTICED, ProtocolViolation, _IMAGES),
    Row("slow_wire", Picture.UNNOTICED, Picture.UNNOTICED, _IMAGES),
    Row("unplug_in_image", DeviceGone, places=_IMAGES),
    Row(
        "unplug",
        DeviceGone,
        places={
            Step.CAPTURE: (0, 1, 2, 3, 4),
            Step.OPEN: (0, 1, 2, 3, 4, 5),
            Step.LIFT: (0,),
            Step.PLATEN: (0, 1, 2, 3, 4, 5),
            Step.INDICATE: (0, 1),
        },
    ),
    Row("unplug", Picture.UNNOTICED, places={Step.CLOSE: (0,)}),
    Row("stray_interrupt", Picture.UNNOTICED, Picture.UNNOTICED),
    Row("duplicate_interrupt", Picture.UNNOTICED, Picture.UNNOTICED),
    Row("no_power_interrupt", Picture.UNNOTICED, DeviceNotReady, {Step.OPEN: (0,)}),
    Row("wedged", Picture.UNNOTICED, places={Step.OPEN: (0,)}),
    Row("stale_bytes", Picture.UNNOTICED, places={Step.OPEN: (0,)}),
    Row("frozen_frame", Picture.UNNOTICED, DeviceStalled, _IMAGES),
    Row("black_frame", Picture.UNNOTICED, DeviceNotReady),
    Row("dirty_platen", Picture.SHOWN, Picture.SHOWN),
    Row("ghost_print", None, CaptureTimedOut, {Step.EMPTY: (0,)}),
    Row("dead_pixels", Picture.UNNOTICED, Picture.UNNOTICED, _IN_PICTURES),
    Row("dead_line", Picture.UNNOTICED, Picture.UNNOTICED, _IN_PICTURES),
)

# Scanners that only send pictures: their models count pictures, imports, transfers.
_PICTURES = {Step.CAPTURE: (0, 1), Step.PLATEN: (0, 1), Step.LIFT: (0,)}
_STALL = Row("stall", DeviceStalled, places=_PICTURES)
_SHORT = Row("short_packet", Picture.UNNOTICED, ProtocolViolation, _PICTURES)
_WIRE = (
    Row("slow_wire", Picture.UNNOTICED, Picture.UNNOTICED, _PICTURES),
    Row("stale_bytes", Picture.UNNOTICED, places={Step.OPEN: (0,)}),
    Row(
        "unplug",
        DeviceGone,
        places={
            Step.CAPTURE: (0, 1, 2, 3),
            Step.OPEN: (0, 1, 2),
            Step.LIFT: (0, 1),
            Step.PLATEN: (0, 1, 2, 3),
            Step.INDICATE: (0,),
        },
    ),
    Row("unplug", Picture.UNNOTICED, places={Step.CLOSE: (0,)}),
)
_OPTICAL = (
    Row("frozen_frame", Picture.UNNOTICED, DeviceStalled),
    Row("black_frame", Picture.UNNOTICED, DeviceNotReady),
    Row("dirty_platen", Picture.SHOWN, Picture.SHOWN),
    Row("ghost_print", None, CaptureTimedOut, {Step.EMPTY: (0,)}),
    Row("dead_pixels", Picture.UNNOTICED, Picture.UNNOTICED, _IN_PICTURES),
    Row("dead_line", Picture.UNNOTICED, Picture.UNNOTICED, _IN_PICTURES),
)
FS81 = (_STALL, _SHORT, Row("bad_header", ProtocolViolation, places={Step.OPEN: (0,)}), *_WIRE, *_OPTICAL)
ZK4500 = (_STALL, _SHORT, Row("refused", DeviceStalled, DeviceStalled, _PICTURES), *_WIRE, *_OPTICAL)
FDU2000 = (
    _STALL,
    _SHORT,
    Row("bad_header", Picture.UNNOTICED, ProtocolViolation, _PICTURES),
    Row("bad_answer", Picture.UNNOTICED, ProtocolViolation, _PICTURES),
    Row("bad_answer", ProtocolViolation, places={Step.OPEN: (1,)}),
    *_WIRE,
    *_OPTICAL,
)

# Ten-print. Frames of a stream, starts of streams, and commands: HELLO and IDENTIFY at opening, START in a stream,
# STATUS for a finger that goes, LIGHTS, BYE.
_FRAMES = {Step.STREAM: (0, 2), Step.CAPTURE: (0,)}
_LATER_FRAMES = {Step.STREAM: (1, 3), Step.CAPTURE: (1,)}
_COMMANDS = {Step.STREAM: (0,), Step.CAPTURE: (0,), Step.OPEN: (0, 1), Step.LIFT: (0,), Step.INDICATE: (0,)}
_BYE = {Step.CLOSE: (0,)}
TENPRINT = (
    Row("stall", DeviceStalled, DeviceStalled, _FRAMES),
    Row("halt", DeviceStalled, DeviceStalled, _FRAMES),
    Row("short_packet", Picture.UNNOTICED, ProtocolViolation, _FRAMES),
    Row("lost_packet", Picture.UNNOTICED, ProtocolViolation, _FRAMES),
    Row("bad_header", Picture.UNNOTICED, ProtocolViolation, _FRAMES),
    Row("bad_crc", Picture.UNNOTICED, ProtocolViolation, _FRAMES),
    Row("torn_frame", Picture.UNNOTICED, ProtocolViolation, _FRAMES),
    Row("slow_wire", Picture.UNNOTICED, Picture.UNNOTICED, _FRAMES),
    Row("unplug", DeviceGone, DeviceGone, _FRAMES),
    Row("frozen_frame", Picture.UNNOTICED, DeviceStalled, _LATER_FRAMES),
    Row("black_frame", Picture.UNNOTICED, DeviceNotReady, _FRAMES),
    Row("lamp_failed", DeviceNotReady, DeviceNotReady, _FRAMES),
    Row(
        "dirty_platen", Picture.UNNOTICED, Picture.UNNOTICED, _FRAMES
    ),  # the frame's own flag tells: see the driver's tests
    Row("ghost_print", Picture.UNNOTICED, Picture.SHOWN, {Step.STREAM: (0,)}),
    Row("ghost_print", None, CaptureTimedOut, {Step.EMPTY: (0,)}),
    Row("dead_pixels", Picture.UNNOTICED, Picture.UNNOTICED, _FRAMES),
    Row("dead_line", Picture.UNNOTICED, Picture.UNNOTICED, _FRAMES),
    Row("stale_bytes", Picture.UNNOTICED, Picture.UNNOTICED, {Step.STREAM: (0,), Step.CAPTURE: (0,)}),
    Row("mute", DeviceStalled, DeviceStalled, _COMMANDS),
    Row("refused", DeviceStalled, DeviceStalled, _COMMANDS),
    Row("bad_answer", Picture.UNNOTICED, ProtocolViolation, _COMMANDS),
    Row("stale_answer", Picture.UNNOTICED, Picture.UNNOTICED, _COMMANDS),
    Row("unplug_in_command", DeviceGone, DeviceGone, _COMMANDS),
    *(Row(kind, Picture.UNNOTICED, places=_BYE) for kind in ("mute", "refused", "bad_answer", "unplug_in_command")),
    Row("not_ready", Picture.UNNOTICED, places={Step.OPEN: (0,)}),
)

SCANNERS = (
    Scanner("fs81", "fs81", FS81, {"picture_timeout_s": 0.4}),
    Scanner("zk4500", "zk4500", ZK4500, {"picture_timeout_s": 0.4}),
    Scanner("fdu2000", "fdu2000", FDU2000, {"picture_timeout_s": 0.4}),
    Scanner("nb1010", "nb1010", NB1010, {"transfer_timeout_s": 0.3}),
    Scanner("uru4000", "4500", URU4000, {"transfer_timeout_s": 1.0}),
    Scanner("tenprint", "tenprint", TENPRINT, {"command_timeout_s": 0.4, "frame_timeout_s": 0.5}, "idle"),
)


def cells(scanner: Scanner) -> Iterator[Cell]:
    """All that is to be tried on a scanner."""
    for row in scanner.rows:
        for step in row.places:
            if row.once is not None:
                yield Cell(scanner, row, step, lasting=False)
            if row.lasting is not None and step is next(iter(row.places)):
                yield Cell(scanner, row, step, lasting=True)


if __name__ == "__main__":
    from tests.faults.scanner_bench import main

    main()
