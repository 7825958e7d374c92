"""What a sensor sees of a finger that is laid on it, (H, W) uint8, ridges dark, and the exact truth about it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.fingers.condition import Condition, Severity, draw_condition
from firmware_stubs.fingers.contact import Contact, carry_numbered, lay_down, scaled
from firmware_stubs.fingers.master import Master, make_master
from firmware_stubs.fingers.minutiae import Minutiae
from firmware_stubs.fingers.moisture import height_over_platen
from firmware_stubs.fingers.noise import smooth_noise, stream
from firmware_stubs.fingers.sensor import Sensor, draw_sensor, ink_of, see

DEFAULT_SIZE: Final = (388, 374)
MIN_SIDE_PX: Final = 64
MAX_SIDE_PX: Final = 2048
DRAWN_PPI: Final = 500.0
LEAST_INK_MM2: Final = 10.0  # of ridge on the sensor: a drawn touch with less is no impression, and drawn anew
_MOST_ATTEMPTS: Final = 8
_CACHED_MASTERS: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class Impression:
    """One image of a finger and the truth about it.

    pixels: (H, W) uint8, ridges dark on light.
    minutiae: those that touch, in the image's pixels.
    contact: (H, W) bool, where skin met the platen.
    to_master: (H, W, 2) float32, x and y on the master of each pixel: carries any of its fields over.
    condition: how it was taken.
    identities: (N,) which of the master's minutiae each one is.
    sensor: what it was taken with. master: the finger.
    """

    pixels: NDArray[np.uint8]
    minutiae: Minutiae
    contact: NDArray[np.bool_]
    to_master: NDArray[np.float32]
    condition: Condition
    identities: NDArray[np.intp]
    sensor: Sensor
    master: Master

    def ridges(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Orientation, radians in [0, pi), y down, and period, the image's pixels: (H, W) float32 each.

        They are true inside `contact`; beyond the master they are those of its border.
        """
        x, y = self.to_master[..., 0], self.to_master[..., 1]

        def carried(field: NDArray[np.float32]) -> NDArray[np.float32]:
            return cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)

        doubled = 2.0 * self.master.orientation
        angle = np.arctan2(carried(np.sin(doubled)), carried(np.cos(doubled))) / 2
        # A wave k on the master is the wave J' k in the image, J the derivative of the map from image to master.
        (x_down, x_right), (y_down, y_right) = np.gradient(x), np.gradient(y)
        wave_right = y_right * np.cos(angle) - x_right * np.sin(angle)
        wave_down = y_down * np.cos(angle) - x_down * np.sin(angle)
        orientation = np.mod(np.arctan2(-wave_right, wave_down), np.float32(np.pi))
        orientation[orientation >= np.float32(np.pi)] = 0.0
        period = carried(self.master.period) / np.maximum(np.hypot(wave_right, wave_down), np.float32(1e-6))
        return orientation.astype(np.float32, copy=False), period.astype(np.float32, copy=False)


def make_impression(
    master: Master,
    seed: int,
    *,
    size: tuple[int, int] = DEFAULT_SIZE,
    condition: Condition | None = None,
    severity: Severity = Severity.MIXED,
    sensor: Sensor | None = None,
    ghost_of: Master | None = None,
) -> Impression:
    """Take one impression of a finger.

    seed: not negative; another seed is another touch. size: width and height, 64..2048 pixels.
    condition: by default drawn from the severity's mixture, anew where hardly anything touches.
    severity: what is drawn from. sensor: by default an optical one of 500 ppi, drawn.
    ghost_of: the finger that touched before, where the condition has a ghost; by default this one.
    Raises ValueError for a negative seed or a size out of range.
    """
    width, height = size
    if not (MIN_SIDE_PX <= width <= MAX_SIDE_PX and MIN_SIDE_PX <= height <= MAX_SIDE_PX):
        raise ValueError(f"an impression is {MIN_SIDE_PX}..{MAX_SIDE_PX} pixels wide and high, not {width} x {height}")
    sensor = draw_sensor(stream(master.seed, "impression", seed, "kind"), severity) if sensor is None else sensor
    at_500 = DRAWN_PPI / sensor.ppi
    shape = (max(1, round(height * at_500)), max(1, round(width * at_500)))
    touch = _lay(master, seed, 0, condition, severity, sensor, shape)
    attempt = 0
    while condition is None and touch.ink_mm2 < LEAST_INK_MM2 and attempt < _MOST_ATTEMPTS:
        attempt += 1
        touch = _lay(master, seed, attempt, condition, severity, sensor, shape)
    contact, drawn = touch.contact, touch.condition
    random = stream(master.seed, *touch.path, "sensor")
    ink = ink_of(random, touch.height)
    if drawn.ghost:
        ghost = _ghost(stream(master.seed, *touch.path, "ghost"), master if ghost_of is None else ghost_of, shape)
        ink = np.maximum(ink, np.float32(drawn.ghost) * ghost)
    if sensor.ppi != DRAWN_PPI:
        shrinks = cv2.INTER_AREA if at_500 > 1 else cv2.INTER_CUBIC
        ink = np.clip(cv2.resize(ink, size, interpolation=shrinks), 0.0, 1.0).astype(np.float32, copy=False)
        contact = scaled(contact, size)
    minutiae, identities = carry_numbered(master.minutiae, contact)
    return Impression(
        pixels=see(random, sensor, drawn, ink),
        minutiae=minutiae,
        contact=contact.touching,
        to_master=contact.to_master,
        condition=drawn,
        identities=identities,
        sensor=sensor,
        master=master,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Touch:
    """One laying-down at 500 ppi, and the path of the streams that it was drawn from."""

    path: tuple[str | int, ...]
    condition: Condition
    contact: Contact
    height: NDArray[np.float32]

    @property
    def ink_mm2(self) -> float:
        return np.count_nonzero(self.height > 0) * (25.4 / DRAWN_PPI) ** 2


def _lay(
    master: Master,
    seed: int,
    attempt: int,
    condition: Condition | None,
    severity: Severity,
    sensor: Sensor,
    shape: tuple[int, int],
) -> _Touch:
    path = ("impression", seed, attempt)
    drawn = draw_condition(stream(master.seed, *path, "condition"), severity) if condition is None else condition
    contact = lay_down(stream(master.seed, *path, "contact"), drawn, shape, master.centre, sensor.slip_px)
    height = height_over_platen(stream(master.seed, *path, "skin"), master.skin, contact, drawn)
    return _Touch(path, drawn, contact, height)


def finger_image(finger_seed: int, impression: int, size: tuple[int, int] = DEFAULT_SIZE) -> NDArray[np.uint8]:
    """Give the pixels of a finger's n-th impression; the last dozen fingers stay in memory."""
    return make_impression(_cached_master(finger_seed), impression, size=size).pixels


@functools.lru_cache(maxsize=_CACHED_MASTERS)
def _cached_master(seed: int) -> Master:
    return make_master(seed)


def _ghost(random: np.random.Generator, master: Master, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Grease that another touch left, worn in patches: ink, 0..1."""
    touch = Condition(
        dryness=float(random.uniform(0.0, 0.6)),
        rotation_deg=float(random.normal(0.0, 25.0)),
        displacement_px=(float(random.normal(0.0, 55.0)), float(random.normal(0.0, 70.0))),
        traction_px=(float(random.normal(0.0, 8.0)), float(random.normal(0.0, 8.0))),
        torsion_deg=float(random.normal(0.0, 4.0)),
    )
    contact = lay_down(random, touch, shape, master.centre)
    left = ink_of(random, height_over_platen(random, master.skin, contact, touch))
    worn = np.clip(0.6 + smooth_noise(random, shape, 25.0, 0.4), 0.0, 1.0)
    ghost: NDArray[np.float32] = left * worn
    return ghost
