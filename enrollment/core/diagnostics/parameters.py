"""The limits of the imaging self-test. Grey levels are of 0..255.

Where no standard gives a number, it is set from what a capture needs: ridges of 30 grey levels and more, a period of
about 9 pixels at 500 ppi.
"""

from __future__ import annotations

from typing import Final

LEAST_FRAMES: Final = 4  # for a standard deviation that means something
MIN_SIDE_PX: Final = 64

# Cells of the maps that may be kept: nearly two ridge periods (about 0.46 mm each), so that no map resolves a ridge.
CELL_MM: Final = 0.8
MOST_CELLS: Final = 48  # along the longer side: larger pictures get larger cells

# Is anything there?
SPECK_WINDOW_PX: Final = 5  # median filter that takes single pixels and lines of up to two away; ridges pass
SMOOTH_WINDOW_PX: Final = 31  # light changes slower than this, a ridge or an edge faster
STRUCTURE_GREY: Final = 3.0  # deviation in a cell from which it shows something; a faint ridge has 8 and more
STRUCTURE_SHARE: Final = 0.01  # of the cells that may, for dust
SURFACE_GREY: Final = 6.0  # deviation of the cells' levels from a surface of the second order; for scenes only

# Single pixels
DEAD_GREY: Final = 30.0  # from its neighbours' median: as much as a faint ridge
DEAD_SIGMAS: Final = 8.0  # or so many robust deviations, whichever is more
STUCK_FRAMES: Final = 16  # a pixel that never moves is stuck only where so many frames are
STUCK_NOISE_GREY: Final = 1.0  # and its neighbours move by this: then one of 5 million sound pixels stays still

# Lines
LINE_WINDOW: Final = 9  # rows that a row's mean is compared with: finds lines of up to four
LINE_EXTREMES: Final = 0.05  # of a line's pixels at either end of their levels; sensors have 0.4 % dead pixels
LINE_GREY: Final = 4.0  # mean departure of a line: what the frequency filters of extraction begin to see
LINE_SIGMAS: Final = 8.0
MOST_LINES: Final = 8  # more than this is no defect of single lines

# Verdicts
NOISE_WARNING_GREY: Final = 4.0
NOISE_ERROR_GREY: Final = 10.0  # a third of a faint ridge's 30
DEAD_SHARE_WARNING: Final = 0.0005
DEAD_SHARE_ERROR: Final = 0.005
SPREAD_WARNING: Final = 0.25  # of the median level; local normalisation copes with more, contrast is lost
SPREAD_ERROR: Final = 0.60
