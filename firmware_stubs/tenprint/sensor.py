"""The glass and the sensor under it: what lies there now, as one frame after another sees it.

The presence map is computed from the picture, before the sensor's noise: a cell is under skin where its grey varies
strongly, which ridges do, and latent prints and smears do not. Dirt that the sensor knows is left out.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.scanner.sensor import Defects, Look, bare_glass, grey
from firmware_stubs.tenprint.layout import CELL, HEIGHT, MAP_SHAPE, WIDTH

PAPER: Final = 244
BLACK: Final = 6
LOOK: Final = Look(level=PAPER, falloff=10.0, columns=0.7, specks=1.0, noise=2.0)
SKIN_CONTRAST: Final = 16.0  # deviation of a cell's grey from which on it counts as skin (protocol, 7.3)
GHOST_STRENGTH: Final = 0.14  # of a print's contrast: a latent one under a strong lamp
ROLL_STRIP: Final = 0.4  # of the rolled print's breadth touches at a time
_SHIFTS: Final = 64
_DIRT_SPECKS: Final = 7

Picture = NDArray[np.uint8]


class Sensor:
    """One glass. seed: of its pattern, noise, defects, dirt and grease, the same after every restart."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        noise = random.normal(0.0, LOOK.noise, (HEIGHT + _SHIFTS, WIDTH + _SHIFTS))
        self._noise = np.rint(np.clip(noise, -8, 8)).astype(np.int8)
        self._bare = grey(bare_glass((WIDTH, HEIGHT), LOOK, seed))
        self.defects = Defects((WIDTH, HEIGHT), seed)
        self._dirt = _draw_dirt(random)
        self._ghost = _draw_ghost(random)
        self._frames = 0
        self._laid: Picture | None = None
        self._laid_s = 0.0
        self._roll_s = 0.0
        self._seen: dict[tuple[bool, bool], tuple[Picture, NDArray[np.bool_]]] = {}

    @property
    def occupied(self) -> bool:
        return self._laid is not None

    @property
    def rolling(self) -> bool:
        return self._laid is not None and self._roll_s > 0

    def lay(self, picture: Picture, now_s: float, roll_s: float = 0.0) -> None:
        """Lay a hand, (1500, 1600) uint8. roll_s: seconds that a finger takes to be rolled from left to right."""
        self._laid, self._laid_s, self._roll_s = picture, now_s, roll_s
        self._seen.clear()

    def lift(self) -> None:
        self._laid = None
        self._roll_s = 0.0
        self._seen.clear()

    def picture(self) -> Picture:
        """What lies there, clean and without noise; not to be written to."""
        return self._bare if self._laid is None else self._laid

    def presence(self, *, dirty: bool = False, ghost: bool = False) -> NDArray[np.bool_]:
        """(75, 80) bool: where skin, or what looks like it, touches."""
        return self._sight(dirty, ghost)[1]

    def expose(
        self, now_s: float, since_s: float, *, composed: bool, dirty: bool, ghost: bool
    ) -> tuple[Picture, NDArray[np.bool_], bool]:
        """One frame with fresh noise, its presence map, and whether a roll is complete.

        since_s: when the stream began; a roll starts then, or when the finger was laid. composed: show all that has
        been rolled over, not only what touches now.
        """
        clean, presence = self._sight(dirty, ghost)
        complete = False
        if self.rolling:
            done = (now_s - max(since_s, self._laid_s)) / self._roll_s
            complete = done >= 1.0
            clean, presence = self._rolled(clean, presence, min(1.0, done), composed=composed)
        self._frames += 1
        down, across = self._frames * 7 % _SHIFTS, self._frames * 11 % _SHIFTS
        noise = self._noise[down : down + HEIGHT, across : across + WIDTH]
        return np.asarray(cv2.add(clean, noise, dtype=cv2.CV_8U), np.uint8), presence, complete

    def black(self) -> Picture:
        """A frame without light."""
        self._frames += 1
        shift = self._frames * 7 % _SHIFTS
        noise = self._noise[shift : shift + HEIGHT, shift : shift + WIDTH]
        return np.asarray(cv2.add(np.full((HEIGHT, WIDTH), BLACK, np.uint8), noise, dtype=cv2.CV_8U), np.uint8)

    def _sight(self, dirty: bool, ghost: bool) -> tuple[Picture, NDArray[np.bool_]]:
        key = dirty, ghost
        if key not in self._seen:
            seen = self.picture()
            for layer in [self._dirt] * dirty + [self._ghost] * ghost:
                seen = np.minimum(seen, layer)
            presence = presence_of(seen)
            if dirty:
                presence &= presence_of(self.picture()) | ~presence_of(self._dirt)
            self._seen[key] = seen, presence
        return self._seen[key]

    def _rolled(
        self, clean: Picture, presence: NDArray[np.bool_], done: float, *, composed: bool
    ) -> tuple[Picture, NDArray[np.bool_]]:
        """Keep the columns that have been rolled over, or that touch now."""
        touched = np.flatnonzero(presence.any(axis=0))
        if not len(touched):
            return clean, presence
        left, right = int(touched[0]) * CELL, (int(touched[-1]) + 1) * CELL
        strip = ROLL_STRIP * (right - left)
        reach = left + strip + done * (right - left - strip)
        begin, end = 0 if composed else int(reach - strip), int(reach)
        shown = np.full_like(clean, int(np.median(clean[:, 0])))
        shown[:, begin:end] = clean[:, begin:end]
        cells = presence.copy()
        cells[:, : begin // CELL] = False
        cells[:, -(-end // CELL) :] = False
        return shown, cells


def presence_of(picture: Picture) -> NDArray[np.bool_]:
    """MAP_SHAPE bool from (1500, 1600) uint8."""
    cells = (MAP_SHAPE[1], MAP_SHAPE[0])
    grey = picture.astype(np.float32)
    mean, mean_square = (cv2.resize(field, cells, interpolation=cv2.INTER_AREA) for field in (grey, grey * grey))
    strong: NDArray[np.bool_] = mean_square - mean * mean >= SKIN_CONTRAST**2
    return strong


def _draw_dirt(random: np.random.Generator) -> Picture:
    """Specks, hairs and a smear on paper."""
    dirt = np.full((HEIGHT, WIDTH), 255, np.uint8)
    for _ in range(_DIRT_SPECKS):
        x, y = (int(value) for value in random.uniform((40, 40), (WIDTH - 40, HEIGHT - 40)))
        steps = np.cumsum(random.normal(0, 4, (24, 2)), axis=0) + np.array([x, y])
        cv2.circle(dirt, (x, y), int(random.integers(2, 7)), int(random.integers(60, 150)), -1, cv2.LINE_AA)
        cv2.polylines(dirt, [np.rint(steps).astype(np.int32)], False, int(random.integers(90, 180)), 1, cv2.LINE_AA)
    x, y = random.uniform((300, 300), (WIDTH - 300, HEIGHT - 300))
    rows, columns = np.indices((HEIGHT, WIDTH), dtype=np.float32)
    far = np.hypot((columns - np.float32(x)) / 220.0, (rows - np.float32(y)) / 90.0)
    smear = 255.0 - 50.0 * np.clip(1.0 - far, 0.0, 1.0)
    return np.asarray(np.minimum(dirt, smear.astype(np.uint8)), np.uint8)


def _draw_ghost(random: np.random.Generator) -> Picture:
    """Four faint fingertips beside each other."""
    rows, columns = np.indices((HEIGHT, WIDTH), dtype=np.float32)
    grease = np.zeros((HEIGHT, WIDTH), np.float32)
    for x, y in ((350, 650), (650, 560), (950, 580), (1250, 720)):
        away_x, away_y = columns - np.float32(x), rows - np.float32(y)
        ridges = 0.5 + 0.5 * np.cos(np.hypot(away_x, away_y + random.uniform(20, 60)) * np.float32(2 * np.pi / 9.3))
        pad = np.clip(4.0 * (1.0 - np.hypot(away_x / 130.0, away_y / 200.0)), 0.0, 1.0)
        grease = np.maximum(grease, ridges * pad)
    return (PAPER - GHOST_STRENGTH * (PAPER - 20) * grease).astype(np.uint8)
