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

RESOURCE: Final = "projection.npy"
RESOURCE_SHA256: Final = "2c78648ece31f2293eaf7c702d4e7c5c53a50ef7efdd20c7a5a7cd1faf03c421"
DIMENSIONS: Final = 128


@cache
def stored_projection() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Load the projection, once: mean (CYLINDER_SIZE,) and weights (DIMENSIONS, CYLINDER_SIZE), float32."""
    content = resources.files("enrollment.core.fingerprint").joinpath(RESOURCE).read_bytes()
    table = np.load(io.BytesIO(content), allow_pickle=False).astype(np.float32)
    return table[0], table[1:]
