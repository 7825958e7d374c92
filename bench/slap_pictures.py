"""A picture of slaps with what was found on them: boxes, positions and findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.slap_cases import Case, judge
from enrollment.core.fingerprint import SlapSegmentation

WIDTH_PX: Final = 480
COLUMNS: Final = 4
MOST_OF_A_CASE: Final = 4
FOUND: Final = (0, 150, 0)
TRUE: Final = (40, 40, 230)
TEXT: Final = (200, 60, 0)


def draw_slaps(kept: Mapping[str, Sequence[tuple[Case, SlapSegmentation]]], path: Path) -> None:
    """Draw a few slaps of each case: truth red, found green; those that went wrong first."""
    tiles = [
        _tile(case, found)
        for each in kept.values()
        for case, found in sorted(each, key=lambda one: judge(*one)["slaps"])[:MOST_OF_A_CASE]
    ]
    while len(tiles) % COLUMNS:
        tiles.append(np.full_like(tiles[0], 255))
    rows = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, len(tiles), COLUMNS)]
    cv2.imwrite(str(path), np.vstack(rows))


def _tile(case: Case, found: SlapSegmentation) -> NDArray[np.uint8]:
    pixels = case.slap.pixels
    scale = WIDTH_PX / pixels.shape[1]
    height = round(pixels.shape[0] * scale)
    small = cv2.resize(pixels, (WIDTH_PX, height), interpolation=cv2.INTER_AREA)
    tile = np.asarray(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR), np.uint8)
    for true in case.slap.fingers:
        _box(tile, true.centre, true.size, true.rotation_deg, scale, TRUE)
    for finger in found.fingers:
        _box(tile, finger.centre, finger.size, finger.rotation_deg, scale, FOUND)
        at = (round(finger.centre[0] * scale) - 8, round(finger.centre[1] * scale))
        cv2.putText(tile, str(finger.position), at, cv2.FONT_HERSHEY_SIMPLEX, 0.7, TEXT, 2)
    lines = [case.name, *(_said(finding.kind.value, finding.positions) for finding in found.findings)]
    for number, line in enumerate(lines):
        cv2.putText(tile, line, (6, 18 + 17 * number), cv2.FONT_HERSHEY_SIMPLEX, 0.45, TEXT, 1, cv2.LINE_AA)
    cv2.rectangle(tile, (0, 0), (WIDTH_PX - 1, height - 1), (160, 160, 160), 1)
    return tile


def _said(name: str, positions: Sequence[int]) -> str:
    return " ".join([name, *map(str, positions)])


def _box(
    tile: NDArray[np.uint8],
    centre: tuple[float, float],
    size: tuple[float, float],
    rotation_deg: float,
    scale: float,
    colour: tuple[int, int, int],
) -> None:
    corners = cv2.boxPoints((centre, size, rotation_deg)) * scale
    cv2.polylines(tile, [np.rint(corners).astype(np.int32)], True, colour, 2, cv2.LINE_AA)
