"""The learned projection of a cylinder to a short unit vector: similarity is then a dot product.

`projection.npy` is float16 (1 + DIMENSIONS, CYLINDER_SIZE): the mean cylinder, then one row a dimension. It is made by
`python -m bench.learn_projection` from synthetic templates of our own and from nothing else.
"""

from __future__ import annotations

import io
from functools import cache
from importlib import resources
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.cylinders import CELL_COUNT, CYLINDER_SIZE
from enrollment.core.fingerprint.matching_parameters import CYLINDER, MATCHING

RESOURCE: Final = "projection.npy"
RESOURCE_SHA256: Final = "2c78648ece31f2293eaf7c702d4e7c5c53a50ef7efdd20c7a5a7cd1faf03c421"
DIMENSIONS: Final = 128

_SHORTEST: Final = 1e-6  # a cylinder with nothing known has no direction: its vector stays zero


@cache
def stored_projection() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Load the projection, once: mean (CYLINDER_SIZE,) and weights (CYLINDER_SIZE, DIMENSIONS), float32."""
    content = resources.files("enrollment.core.fingerprint").joinpath(RESOURCE).read_bytes()
    table = np.load(io.BytesIO(content), allow_pickle=False).astype(np.float32)
    return table[0], np.ascontiguousarray(table[1:].T)


def project(values: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Project cylinders to unit vectors; an unknown cell counts as the mean one.

    values: (..., CYLINDER_SIZE) float32. known: (..., CELL_COUNT) bool.
    Returns (..., DIMENSIONS) int8 in steps of 1 / MATCHING.descriptor_scale: whole numbers make sums of products exact,
    so that a score does not depend on how a matrix product was blocked.
    """
    mean, weights = stored_projection()
    centred = values.reshape(-1, CYLINDER_SIZE) - mean
    centred *= np.repeat(known.reshape(-1, CELL_COUNT), CYLINDER.slots, axis=1)
    vectors = centred @ weights
    lengths = np.sqrt(np.vecdot(vectors, vectors))
    vectors *= (MATCHING.descriptor_scale / np.maximum(lengths, _SHORTEST))[:, None]
    steps = np.clip(np.rint(vectors, out=vectors), -127, 127, out=vectors).astype(np.int8)
    short: NDArray[np.int8] = steps.reshape(*values.shape[:-1], DIMENSIONS)
    return short
