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


def lay_down(random: np.random.Generator, condition: Condition, shape: tuple[int, int]) -> Contact:
    """Lay the finger down: rotated, displaced, sheared by its own traction, touching with a part of its pad."""
    height, width = shape
    rotation = math.radians(condition.rotation_deg)
    cosine, sine = math.cos(rotation), math.sin(rotation)
    right, down = condition.displacement_px
    y, x = np.indices(shape, dtype=np.float32)
    x -= np.float32((width - 1) / 2 + right)
    y -= np.float32((height - 1) / 2 + down)
    along_x, along_y = cosine * x + sine * y, cosine * y - sine * x

    half_width = random.uniform(104, 150) * condition.coverage
    half_height = random.uniform(138, 198) * condition.coverage
    pad_x = (along_x - np.float32(random.normal(0.0, 16.0))) / np.float32(half_width)
    pad_y = (along_y - np.float32(random.normal(0.0, 26.0))) / np.float32(half_height)
    exponent = np.where(pad_y < 0, np.float32(2.0), np.float32(2.6))  # the tip is rounder than the base
    radius = np.sqrt(np.abs(pad_x) ** exponent + np.abs(pad_y) ** exponent)
    radius += smooth_noise(random, shape, 20.0, 0.015) + smooth_noise(random, shape, 3.0, 0.012)

    # The middle sticks to the glass; the skin about it is dragged and twisted.
    slip = smoothstep(np.hypot(pad_x, pad_y), 0.5, 2.2)
    torsion = random.normal(0.0, 0.07)
    dragged_x = along_x + slip * (random.normal(0.0, 10.0) - torsion * along_y)
    dragged_y = along_y + slip * (random.normal(0.0, 11.0) + torsion * along_x)
    bulge_x, bulge_y = (smooth_noise(random, shape, 110.0, 1.8) for _ in range(2))
    to_master = np.stack(
        [dragged_x + bulge_x + np.float32(CENTRE_X_PX), dragged_y + bulge_y + np.float32(CENTRE_Y_PX)], axis=2
    )
    return Contact(to_master.astype(np.float32, copy=False), radius.astype(np.float32, copy=False), rotation)


def carry(minutiae: Minutiae, contact: Contact) -> Minutiae:
    """Carry a master's minutiae into the image; those that do not touch are left out.

    The map runs from image to master: each position is found by steps that a turn without distortion would end at once.
    """
    cosine, sine = math.cos(contact.rotation), math.sin(contact.rotation)
    turn = np.array([[cosine, sine], [-sine, cosine]], np.float32)  # master to image, for rows
    height, width = contact.radius.shape
    position = np.full((len(minutiae), 2), ((width - 1) / 2, (height - 1) / 2), np.float32)
    for _ in range(_INVERSION_STEPS):
        position -= (_sample(contact.to_master, position) - minutiae.positions) @ turn
        position = np.clip(position, 0, np.array([width - 1, height - 1], np.float32))
    arrived = np.linalg.norm(_sample(contact.to_master, position) - minutiae.positions, axis=1) < 0.1
    columns, rows = np.rint(position).astype(np.intp).T
    directions = _turn_back(contact.to_master, position, minutiae.directions)
    carried = Minutiae(position, directions, minutiae.bifurcations)
    return carried.where(arrived & contact.touching[rows, columns])


def _turn_back(
    to_master: NDArray[np.float32], positions: NDArray[np.float32], directions: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Directions on the master as directions in the image, by the inverse of the map's local derivative."""
    right, down = np.array([[1, 0]], np.float32), np.array([[0, 1]], np.float32)
    by_x = (_sample(to_master, positions + right) - _sample(to_master, positions - right)) / 2
    by_y = (_sample(to_master, positions + down) - _sample(to_master, positions - down)) / 2
    x, y = np.cos(directions), np.sin(directions)
    # Cramer's rule; the determinant is positive, so its size does not matter to an angle.
    image_x = x * by_y[:, 1] - y * by_y[:, 0]
    image_y = y * by_x[:, 0] - x * by_x[:, 1]
    angle = np.mod(np.arctan2(image_y, image_x), np.float32(math.tau))
    return np.where(angle < math.tau, angle, 0).astype(np.float32)


def _sample(field: NDArray[np.float32], positions: NDArray[np.float32]) -> NDArray[np.float32]:
    taken = cv2.remap(field, positions[:, 0], positions[:, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return taken.reshape(len(positions), -1).astype(np.float32, copy=False)
