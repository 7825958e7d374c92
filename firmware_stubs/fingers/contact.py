"""The finger on the platen: which part touches, and where each pixel lies on the finger."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.fingers.condition import Condition
from firmware_stubs.fingers.minutiae import Minutiae
from firmware_stubs.fingers.noise import smooth_noise, smoothstep
from firmware_stubs.fingers.patterns import CENTRE_X_PX, CENTRE_Y_PX

HALF_WIDTH_PX: Final = (116.0, 161.0)  # of a pad on the glass, at 500 ppi: fingers of adults, flat and tilted
HALF_HEIGHT_PX: Final = (166.0, 234.0)
BELOW_CORE_PX: Final = 22.0  # how far the middle of the pad lies below that of the pattern
_INVERSION_STEPS: Final = 10  # the distortion bends by about 0.2 at most: each step leaves a fifth of the error


@dataclass(frozen=True, slots=True, eq=False)
class Contact:
    """One laying-down of a finger.

    to_master: (H, W, 2) float32, x and y on the master of each pixel of the image.
    radius: (H, W) float32, 0 in the middle of the contact, 1 at its edge.
    rotation: radians, clockwise in the image.
    """

    to_master: NDArray[np.float32]
    radius: NDArray[np.float32]
    rotation: float

    @property
    def touching(self) -> NDArray[np.bool_]:
        """(H, W) bool, where skin meets the platen."""
        return self.radius < 1.0


def lay_down(
    random: np.random.Generator,
    condition: Condition,
    shape: tuple[int, int],
    centre: tuple[float, float] = (CENTRE_X_PX, CENTRE_Y_PX),
    slip_px: float = 0.0,
) -> Contact:
    """Lay the finger down: rotated, displaced, dragged and twisted, touching with a part of its pad.

    shape: of the image at 500 ppi. centre: x and y of the middle of the pattern on the master.
    slip_px: how far a sweep sensor's rows slip sideways, deviation.
    """
    height, width = shape
    rotation = math.radians(condition.rotation_deg)
    cosine, sine = math.cos(rotation), math.sin(rotation)
    right, down = condition.displacement_px
    y, x = np.indices(shape, dtype=np.float32)
    x -= np.float32((width - 1) / 2 + right)
    y -= np.float32((height - 1) / 2 + down)
    if slip_px:
        x += smooth_noise(random, (height, 1), 45.0, slip_px)
    along_x, along_y = cosine * x + sine * y, cosine * y - sine * x

    half_width = random.uniform(*HALF_WIDTH_PX) * condition.coverage
    half_height = random.uniform(*HALF_HEIGHT_PX) * condition.coverage
    pad_x = (along_x - np.float32(random.normal(0.0, 14.0))) / np.float32(half_width)
    pad_y = (along_y - np.float32(random.normal(BELOW_CORE_PX, 22.0) - condition.tilt_px)) / np.float32(half_height)
    # The tip is round, the base is cut by the joint.
    radius = np.sqrt(
        np.abs(pad_x) ** np.float32(2.3) + np.abs(pad_y) ** np.where(pad_y < 0, 2.2, 3.4).astype(np.float32)
    )
    radius += smooth_noise(random, shape, 20.0, 0.02) + smooth_noise(random, shape, 3.0, 0.012)

    # The middle sticks to the glass; the skin about it is dragged and twisted.
    slip = smoothstep(np.hypot(pad_x, pad_y), 0.5, 2.2)
    torsion = math.radians(condition.torsion_deg)
    dragged_x = along_x + slip * (condition.traction_px[0] - torsion * along_y)
    dragged_y = along_y + slip * (condition.traction_px[1] + torsion * along_x)
    bulge_x, bulge_y = (smooth_noise(random, shape, 110.0, condition.bulge_px) for _ in range(2))
    to_master = np.empty((height, width, 2), np.float32)
    to_master[..., 0] = dragged_x + bulge_x + np.float32(centre[0])
    to_master[..., 1] = dragged_y + bulge_y + np.float32(centre[1])
    return Contact(to_master, radius.astype(np.float32, copy=False), rotation)


def scaled(contact: Contact, size: tuple[int, int]) -> Contact:
    """Give the contact on a sensor that has this width and height of pixels over the same area."""
    fields = (cv2.resize(field, size, interpolation=cv2.INTER_LINEAR) for field in (contact.to_master, contact.radius))
    to_master, radius = (field.astype(np.float32, copy=False) for field in fields)
    return Contact(to_master, radius, contact.rotation)


def carry(minutiae: Minutiae, contact: Contact) -> Minutiae:
    """Carry a master's minutiae into the image; those that do not touch are left out."""
    return carry_numbered(minutiae, contact)[0]


def carry_numbered(minutiae: Minutiae, contact: Contact) -> tuple[Minutiae, NDArray[np.intp]]:
    """Carry minutiae as `carry` does; the second part tells which of the master's each one is.

    The map runs from image to master: each position is found by steps that a turn without distortion would end at once.
    """
    height, width = contact.radius.shape
    if len(minutiae) == 0:
        return minutiae, np.zeros(0, np.intp)
    turn = _turn_to_image(contact)
    position = np.full((len(minutiae), 2), ((width - 1) / 2, (height - 1) / 2), np.float32)
    for _ in range(_INVERSION_STEPS):
        position -= (_sample(contact.to_master, position) - minutiae.positions) @ turn
        position = np.clip(position, 0, np.array([width - 1, height - 1], np.float32))
    arrived = np.linalg.norm(_sample(contact.to_master, position) - minutiae.positions, axis=1) < 0.1
    columns, rows = np.rint(position).astype(np.intp).T
    directions = _turn_back(contact.to_master, position, minutiae.directions)
    carried = Minutiae(position, directions, minutiae.bifurcations)
    kept = arrived & contact.touching[rows, columns]
    return carried.where(kept), np.flatnonzero(kept)


def _turn_to_image(contact: Contact) -> NDArray[np.float32]:
    """Matrix that takes a step on the master, as a row, to the image, distortion left aside."""
    corners = contact.to_master[[0, 0, -1], [0, -1, 0]].astype(np.float64)
    height, width = contact.radius.shape
    derivative = np.stack([(corners[1] - corners[0]) / (width - 1), (corners[2] - corners[0]) / (height - 1)])
    scale = math.sqrt(abs(float(np.linalg.det(derivative))))  # master pixels in one of the image
    cosine, sine = math.cos(contact.rotation) / scale, math.sin(contact.rotation) / scale
    return np.array([[cosine, sine], [-sine, cosine]], np.float32)


def _turn_back(
    to_master: NDArray[np.float32], positions: NDArray[np.float32], directions: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Directions on the master as directions in the image, by the inverse of the map's local derivative."""
    height, width = to_master.shape[:2]
    limits = np.array([width - 1, height - 1], np.float32)
    by_axis = []
    for axis in range(2):
        step = np.zeros(2, np.float32)
        step[axis] = 1.0
        behind, ahead = np.maximum(positions - step, 0), np.minimum(positions + step, limits)
        span = (ahead - behind)[:, axis, None]  # shorter at the border
        by_axis.append((_sample(to_master, ahead) - _sample(to_master, behind)) / span)
    by_x, by_y = by_axis
    x, y = np.cos(directions), np.sin(directions)
    # Cramer's rule; the determinant is positive, so its size does not matter to an angle.
    image_x = x * by_y[:, 1] - y * by_y[:, 0]
    image_y = y * by_x[:, 0] - x * by_x[:, 1]
    angle = np.mod(np.arctan2(image_y, image_x), np.float32(math.tau))
    return np.where(angle < math.tau, angle, 0).astype(np.float32)


def _sample(field: NDArray[np.float32], positions: NDArray[np.float32]) -> NDArray[np.float32]:
    taken = cv2.remap(field, positions[:, 0], positions[:, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return taken.reshape(len(positions), -1).astype(np.float32, copy=False)
