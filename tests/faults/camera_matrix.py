"""What goes wrong with a camera, and what must come of it: one table a driver.

A camera joins with one entry in CAMERAS. It needs a model in `firmware_stubs` whose control port takes a kind of fault,
and a row for each fault of that model. A fault stays until it is ended.

    python -m tests.faults.camera_matrix [--driver NAME]... [--json]    tries all of it and prints a summary
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from drivers.errors import (
    CardFull,
    DeviceGone,
    DeviceNotFound,
    DeviceNotReady,
    DeviceStalled,
    PictureRefused,
    ProtocolViolation,
)
from tests.faults.scanner_matrix import Outcome, Picture


class Step(Enum):
    """What a driver does when it happens."""

    OPEN = "open"
    LIVE = "live"  # frames of the live view
    STILL = "still"
    SETTINGS = "settings"  # exposure and zoom are asked for
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Row:
    """One fault.

    outcomes: what comes of it, by the step that it strikes in. places: how many transfers pass before. still_s: limit
    for a still.
    """

    kind: str
    outcomes: Mapping[Step, Outcome]
    places: tuple[int, ...] = (0,)
    still_s: float = 4.0


@dataclass(frozen=True, slots=True)
class Camera:
    """driver: name in the catalogue. model: of the firmware stub."""

    driver: str
    model: str
    rows: tuple[Row, ...]
    takes_stills: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """One fault of one camera in one step."""

    camera: Camera
    row: Row
    step: Step
    lasting: bool = True

    @property
    def driver(self) -> str:
        return self.camera.driver

    @property
    def expected(self) -> Outcome:
        return self.row.outcomes[self.step]

    @property
    def places(self) -> tuple[int, ...]:
        """Those to be tried."""
        return self.row.places

    def __str__(self) -> str:
        return f"{self.camera.driver}-{self.step.value}-{self.row.kind}"


# Network cameras: nothing is asked of the camera at closing, so no fault can strike there.
_UNNOTICED_AT_CLOSE: Mapping[Step, Outcome] = {Step.CLOSE: Picture.UNNOTICED}
MOTION_JPEG = (
    Row("stall", {Step.OPEN: DeviceStalled, Step.LIVE: DeviceStalled, **_UNNOTICED_AT_CLOSE}),
    Row("disconnect", {Step.OPEN: DeviceNotFound, Step.LIVE: DeviceGone, **_UNNOTICED_AT_CLOSE}),
    Row("garbage", {Step.OPEN: ProtocolViolation, Step.LIVE: ProtocolViolation, **_UNNOTICED_AT_CLOSE}),
    Row("freeze", {Step.OPEN: DeviceStalled, Step.LIVE: DeviceStalled}),
    Row("black", {Step.OPEN: DeviceNotReady, Step.LIVE: Picture.SHOWN}),
    Row("hunt", {Step.OPEN: Picture.SHOWN, Step.LIVE: Picture.SHOWN}),
)

# Reflex cameras over PTP/IP. Transfers are frames of live view and stored pictures. The library is silent for 5 s
# before it gives a call up.
DSLR = (
    Row(
        "stall",
        {
            Step.OPEN: DeviceStalled,
            Step.LIVE: DeviceStalled,
            Step.STILL: DeviceStalled,
            Step.SETTINGS: DeviceStalled,
            Step.CLOSE: Picture.UNNOTICED,
        },
        still_s=1.0,
    ),
    Row(
        "disconnect",
        {Step.OPEN: DeviceNotFound, Step.SETTINGS: DeviceGone, Step.STILL: DeviceGone, Step.CLOSE: Picture.UNNOTICED},
    ),
    Row("disconnect", {Step.LIVE: DeviceGone}, (0, 1, 5)),
    Row("cut", {Step.LIVE: DeviceGone}, (0, 3)),
    Row("cut", {Step.STILL: DeviceGone}),
    Row("truncate", {Step.OPEN: DeviceNotReady, Step.LIVE: DeviceStalled, Step.STILL: ProtocolViolation}),
    Row("huge", {Step.LIVE: DeviceStalled, Step.STILL: ProtocolViolation}),
    Row("refuse", {Step.STILL: PictureRefused}),
    Row("busy", {Step.STILL: PictureRefused}),
    Row("full", {Step.STILL: CardFull}),
    Row("dark", {Step.OPEN: Picture.SHOWN, Step.LIVE: Picture.SHOWN, Step.STILL: Picture.SHOWN}),
    Row("unfocused", {Step.LIVE: Picture.UNNOTICED, Step.STILL: Picture.SHOWN}),
    Row("late", {Step.STILL: Picture.UNNOTICED}),
    Row("raw", {Step.STILL: DeviceNotReady}),
    Row("silent", {Step.STILL: DeviceStalled}),
)

CAMERAS = (Camera("camera", "camera", MOTION_JPEG), Camera("dslr", "dslr", DSLR, takes_stills=True))


def cells(camera: Camera) -> Iterator[Cell]:
    """All that is to be tried on a camera."""
    for row in camera.rows:
        for step in row.outcomes:
            yield Cell(camera, row, step)


if __name__ == "__main__":
    from tests.faults.camera_bench import main

    main()
