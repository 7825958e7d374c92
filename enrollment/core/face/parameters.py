"""Every tuned number of the portrait measures, with unit, range and source.

Measured on 102 studio portraits and 42 synthetic defects of the Face Research Lab London Set (CC BY 4.0) and two
public-domain portraits, each shown full height on a 1080p canvas and JPEG-coded once.
"""

from __future__ import annotations

from typing import Final

# The window where an enrollment camera's framing puts head and shoulders, as shares of the frame.
WINDOW_TOP: Final = 0.10
WINDOW_BOTTOM: Final = 0.75
WINDOW_WIDTH_OF_FRAME: Final = 0.5
WINDOW_WIDTH_OF_HEIGHT: Final = 0.6  # a landscape frame's window is this share of its height, not of its width

SHARPNESS_MAX_ROWS: Final = 720  # rows of the window; a larger one is reduced, so that a 4K camera is judged alike
EXPOSURE_ROWS: Final = 180  # rows of the reduced window that exposure is counted on (moves a share by < 0.01)

# Blur by re-blurring (Crété et al., "The blur effect", SPIE 2007), with the noise of a sensor kept out of it.
PRE_BLUR_SIGMA_PX: Final = 1.0  # below it, sensor noise of 5 grey levels makes a blurred frame look sharp
REBLUR_PX: Final = 9  # length of the box filter, the paper's
EDGE_LEAST_STEP: Final = 6  # grey levels between neighbours; smaller steps are noise or skin
EDGE_LEAST_SHARE: Final = 0.0005  # of the window; a frame with fewer edges shows nothing that could be sharp
SHARPNESS_MIDDLE: Final = 0.25  # good frames 0.38..0.47 with noise up to 5 grey levels, blurred ones 0.08..0.15
SHARPNESS_WIDTH: Final = 0.03

# ISO/IEC 29794-5: luminance below 26 of 255 is under-exposed, above 246 over-exposed; entropy in bits times 12.5.
UNDER_EXPOSED_BELOW: Final = 26
OVER_EXPOSED_ABOVE: Final = 246
SCORE_PER_BIT: Final = 12.5

# ISO/IEC 29794-5 luminance mean, low side: 100 S(0.2, 0.05). It never speaks alone: dark skin and hair fill a frame.
LUMINANCE_MIDDLE: Final = 0.2
LUMINANCE_WIDTH: Final = 0.05
UNDER_EXPOSED_MIDDLE: Final = 0.6  # good frames reach 0.46 (dark clothes and hair), dark ones begin at 0.68
UNDER_EXPOSED_WIDTH: Final = 0.04
OVER_EXPOSED_MIDDLE: Final = 0.17  # a white wall behind reaches 0.10, over-exposed frames begin at 0.23
OVER_EXPOSED_WIDTH: Final = 0.02

HINT_BELOW: Final = 50  # a part's score below this is something to tell the operator
