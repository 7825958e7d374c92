"""What is summed over all of a large glass, in every frame of a slap: gradients by cell, skin by row and by line."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import float32, float64, intp, uint8
from numpy.typing import NDArray

from enrollment.core.fingerprint.compiled.arithmetic import TWO, ZERO
from enrollment.core.fingerprint.compiled.arrays import FloatArray
from enrollment.core.fingerprint.compiled.kernel import entry, read_only

_HALF_A_BIN_AND_ONE: Final = np.float32(1.5)


@entry(*read_only((uint8, 2)), intp, float32[:, ::1], float32[:, ::1])
def squared_gradients(image: NDArray[np.uint8], cell: int, real: FloatArray, imaginary: FloatArray) -> None:
    """Write the mean of (dx + i dy)^2 over each cell, by Sobel's kernel and mirrored at the image's edges.

    image: (H, W) uint8, two pixels a side or more. cell: pixels a side. real, imaginary: (H // cell, W // cell).
    """
    height, width = image.shape
    rows, cols = real.shape
    covered = cols * cell
    along, down = np.empty(width + 2, np.float32), np.empty(width + 2, np.float32)
    row_real, row_imaginary = np.empty(covered, np.float32), np.empty(covered, np.float32)
    share = np.float32(1.0 / (cell * cell))
    for row in range(rows):
        for x in range(covered):
            row_real[x] = row_imaginary[x] = ZERO
        for y in range(row * cell, (row + 1) * cell):
            above, at, below = image[abs(y - 1)], image[y], image[y + 1 if y + 1 < height else height - 2]
            for x in range(width):
                upper, lower = np.float32(above[x]), np.float32(below[x])
                along[x + 1] = upper + TWO * np.float32(at[x]) + lower
                down[x + 1] = lower - upper
            along[0], along[width + 1] = along[2], along[width - 1]
            down[0], down[width + 1] = down[2], down[width - 1]
            for x in range(covered):
                dx = along[x + 2] - along[x]
                dy = down[x] + TWO * down[x + 1] + down[x + 2]
                row_real[x] += (dx + dy) * (dx - dy)
                row_imaginary[x] += TWO * dx * dy
        for col in range(cols):
            real_sum, imaginary_sum = ZERO, ZERO
            for x in range(col * cell, (col + 1) * cell):
                real_sum += row_real[x]
                imaginary_sum += row_imaginary[x]
            real[row, col], imaginary[row, col] = real_sum * share, imaginary_sum * share


@entry(*read_only((float32, 1), (float32, 1)), float32, float32[:, ::1])
def row_ends(across: FloatArray, down: FloatArray, top: np.float32, ends: FloatArray) -> None:
    """Write left end, right end and count of the points of each row; zeros where a row has none.

    across, down: (N,) float32. top: the least of `down`. ends: (3, rows), room for every row from there.
    """
    ends[:] = ZERO
    for i in range(len(across)):
        row = int(down[i] - top)
        x = across[i]
        if ends[2, row] == ZERO:
            ends[0, row] = ends[1, row] = x
        else:
            ends[0, row] = min(ends[0, row], x)
            ends[1, row] = max(ends[1, row], x)
        ends[2, row] += np.float32(1.0)


@entry(*read_only((float32, 2), (float32, 1)), float64[:, ::1])
def line_sums(across: FloatArray, weight: FloatArray, sums: NDArray[np.float64]) -> None:
    """Add up the weights of the points on each line, one bin a unit, 0 at the middle of the second.

    across: (A, N) float32, distances of the same points in A directions, 0 or more. weight: (N,).
    sums: (A, bins), room for every bin.
    """
    sums[:] = 0.0
    for angle in range(across.shape[0]):
        for i in range(across.shape[1]):
            sums[angle, int(across[angle, i] + _HALF_A_BIN_AND_ONE)] += weight[i]
