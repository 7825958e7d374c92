"""Code tables of finger records: positions and impressions.

The 2011 tables hold those of 2005; palms are known to finger image records only. A record that was read may carry any
code, for later amendments add to these tables; a record that is made here carries none that they lack.
Sources: ISO/IEC 19794-2:2005 tables 2 and 3, 19794-4:2005 tables 5 to 7, 19794-4:2011 tables 6 to 8 and 10.
"""

from __future__ import annotations

from typing import Final

from enrollment.core.records.octets import check_member

UNKNOWN_FINGER: Final = 0
# 1 right thumb to 5 right little finger, 6 left thumb to 10 left little finger
SINGLE_FINGERS: Final = frozenset(range(1, 11))
# plain right four fingers, left four fingers, both thumbs
SLAPS: Final = frozenset({13, 14, 15})
PALMS: Final = frozenset(range(20, 37))
# two or three fingers that were laid on together (2011)
FINGER_GROUPS: Final = frozenset(range(40, 51))

FINGERS_2005: Final = SINGLE_FINGERS | {UNKNOWN_FINGER}
IMAGES_2005: Final = FINGERS_2005 | SLAPS | PALMS
FINGERS_2011: Final = FINGERS_2005 | SLAPS | FINGER_GROUPS
IMAGES_2011: Final = FINGERS_2011 | PALMS

# live or not, plain or rolled; swipe; contactless
MINUTIAE_IMPRESSIONS_2005: Final = frozenset({0, 1, 2, 3, 8, 9})
# the same and latent
IMAGE_IMPRESSIONS_2005: Final = MINUTIAE_IMPRESSIONS_2005 | {7}
# live or not, plain or rolled; latent impression, tracing, photo, lift; swipe; vertical roll; contactless; other,
# unknown
MINUTIAE_IMPRESSIONS_2011: Final = frozenset({*range(10), 24, 28, 29})
# the same and palms
IMAGE_IMPRESSIONS_2011: Final = MINUTIAE_IMPRESSIONS_2011 | frozenset(range(10, 16))


def check_codes(
    position: int, impression: int, positions: frozenset[int], impressions: frozenset[int], record: str
) -> None:
    """Raise MalformedRecord for codes that a record must not be made with."""
    check_member(position, positions, "finger position", record)
    check_member(impression, impressions, "impression type", record)
