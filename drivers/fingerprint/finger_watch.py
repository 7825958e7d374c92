"""Finds a finger in the pictures of a scanner that cannot tell one, and tells a dead picture from an empty platen.

Ridges make every small block of a picture vary; an empty platen is smooth. The variance of grey in 8 x 8 blocks
separates the two by a factor of forty. Two limits with a gap between them keep a finger that is just landing from being
seen as coming and going.

Only the quarter of the blocks that varies most is averaged: a dry or small finger would drown in the mean over a large
platen. Whatever exceeds a limit in the mean over all blocks exceeds it so too; and nothing counts as a finger whose
mean over all is below a quarter of the limit, which an empty platen's is.

Pure: pictures come from `take`, time passes in `idle`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.errors import CaptureTimedOut, DeviceNotReady, DeviceStalled
from drivers.spi import ScanEvent

_BLOCK = 8  # pixels a side

_SHARE = 0.25  # of all blocks; a fingertip covers about that much of the largest platen, 640 x 480

# Variance of grey in a block, grey levels squared. Public measurements on one FS81, as means over all blocks: an empty
# platen gives about 48, a finger about 2100, these two limits work. For other scanners borrowed until one is measured.
FINGER_ON = 300.0
FINGER_OFF = 150.0

# Below: not from measurements, but from what no working sensor does.
_ALIVE = 1.0  # variance that noise alone exceeds; from it on two equal pictures are one picture sent twice
_REPEATS = 3  # equal pictures in a row, after the first, until the sensor counts as frozen
_DARK = 16.0  # mean grey below which not even the platen's own light is seen
_DARK_PICTURES = 3  # in a row, until the lamp counts as dead; one may have been taken before it was lit
_SETTLED_S = 1.0  # between the limits for so long, it is what a finger left and not a finger

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture. pixels: (H, W) uint8, ridges dark. contrast: as block_contrast. taken_s: time.monotonic()."""

    pixels: NDArray[np.uint8]
    contrast: float
    taken_s: float


def block_contrast(pixels: NDArray[np.uint8]) -> float:
    """Mean of the variances of the quarter of all whole 8 x 8 blocks that varies most, 0 to 16256.

    pixels: (H, W) uint8; 0.0 below 8 x 8.
    """
    rows, columns = (side // _BLOCK for side in pixels.shape)
    if rows == 0 or columns == 0:
        return 0.0
    grey = pixels[: rows * _BLOCK, : columns * _BLOCK].astype(np.float32).reshape(rows, _BLOCK, columns, _BLOCK)
    mean = grey.sum(axis=1).sum(axis=2) / np.float32(_BLOCK * _BLOCK)
    square = np.square(grey).sum(axis=1).sum(axis=2) / np.float32(_BLOCK * _BLOCK)
    variances = (square - np.square(mean)).ravel()
    least = int(variances.size * (1.0 - _SHARE))
    return max(0.0, float(np.partition(variances, least)[least:].mean()))


class FingerWatch:
    """Looks at pictures until a finger is there, or gone. One for each call of a driver.

    take: gives the next picture, (H, W) uint8, ridges dark; raises a DriverError, CaptureTimedOut among them.
    idle: lets a little time pass between two pictures of an empty platen; raises as take does.
    """

    def __init__(self, take: Callable[[], NDArray[np.uint8]], idle: Callable[[], None]) -> None:
        self._take = take
        self._idle = idle
        self._last: Picture | None = None
        self._repeats = 0
        self._dark = 0

    def await_finger(self, on_event: Callable[[ScanEvent], None]) -> Picture:
        """The better of two pictures in a row that show a finger, so that none is taken while it is landing.

        on_event gets WAITING and FINGER_ON, again where the finger left between the two.
        Raises DeviceNotReady for pictures that stay black, DeviceStalled for one that comes again and again.
        """
        on_event(ScanEvent.WAITING)
        first: Picture | None = None
        try:
            while True:
                seen = self._look()
                if seen.contrast <= FINGER_ON:
                    if first is not None:
                        first = None
                        on_event(ScanEvent.WAITING)
                    self._idle()
                elif first is None:
                    first = seen
                    on_event(ScanEvent.FINGER_ON)
                elif not self._repeats:
                    return max(first, seen, key=lambda picture: picture.contrast)
        except CaptureTimedOut as error:
            raise self._explained(error) from error

    def await_empty(self) -> None:
        """Return when no finger is seen any more; what a finger left on the glass does not hold it up. Raises alike."""
        settled_s: float | None = None
        try:
            while True:
                seen = self._look()
                if seen.contrast < FINGER_OFF:
                    return
                if seen.contrast > FINGER_ON:
                    settled_s = None
                elif settled_s is None:
                    settled_s = seen.taken_s
                elif seen.taken_s - settled_s >= _SETTLED_S:
                    _logger.warning("something that is no finger stays on the platen (contrast %.0f)", seen.contrast)
                    return
                self._idle()
        except CaptureTimedOut as error:
            raise self._explained(error) from error

    def _look(self) -> Picture:
        pixels = self._take()
        seen = Picture(pixels, block_contrast(pixels), time.monotonic())
        last, self._last = self._last, seen
        again = last is not None and seen.contrast >= _ALIVE and np.array_equal(last.pixels, pixels)
        self._repeats = self._repeats + 1 if again else 0
        if self._repeats >= _REPEATS:
            raise DeviceStalled("the sensor sends one picture again and again", pictures=self._repeats + 1)
        self._dark = self._dark + 1 if seen.contrast < FINGER_OFF and float(pixels.mean()) < _DARK else 0
        if self._dark >= _DARK_PICTURES:
            raise DeviceNotReady("the picture stays black: the lamp or the sensor does not work", pictures=self._dark)
        return seen

    def _explained(self, error: CaptureTimedOut) -> CaptureTimedOut:
        """The time-out with what was seen last, so that nobody has to guess why no finger was found."""
        if self._last is None:
            return error
        contrast = self._last.contrast
        if contrast > FINGER_ON:
            said = "a finger, or thick dirt, is still on the platen"
        elif contrast >= FINGER_OFF:
            said = "something that is no whole finger is on the platen: clean it, or press harder"
        else:
            said = "the platen stayed empty"
        return CaptureTimedOut(f"{error}: {said}", **(error.facts | {"contrast": round(contrast)}))
