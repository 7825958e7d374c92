"""The gallery's first filter, where it has one: a cheap rank of every template, so that few are compared in full."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint import FingerprintTemplate, Gallery

FirstFilter = Callable[[FingerprintTemplate], NDArray[np.float32]]


def first_filter(gallery: Gallery) -> FirstFilter | None:
    """Return what gives each template of the gallery a cheap score, higher first: (G,) float32; None without one."""
    filter_scores: FirstFilter | None = getattr(gallery, "filter_scores", None)
    return filter_scores
