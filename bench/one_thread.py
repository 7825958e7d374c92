"""Import this before numpy: matrix products and OpenCV then keep to one thread, and figures mean one core."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
