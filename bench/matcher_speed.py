"""How many comparisons a second on one thread: one to one, in a gallery, and the peer's beside them in the same run."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import thread_time
from typing import Final

import numpy as np

from bench.gallery_search import filter_time
from enrollment.core.fingerprint import FingerprintTemplate, Gallery, compare

TIMED_PAIRS: Final = 300
TIMED_SEARCHES: Final = 9
LARGE_GALLERY: Final = 1000


@dataclass(frozen=True, slots=True)
class Speed:
    """Milliseconds are medians; a second counts templates compared or filtered in CPU time of one thread.

    compare_per_s and peer_per_s are totals over the same pairs, one after the other: some pairs take bozorth3 long.
    """

    add_ms: float
    compare_ms: float
    compare_per_s: float
    gallery_per_s: float
    filter_per_s: float | None
    peer_per_s: float | None


def measure_speed(templates: Sequence[FingerprintTemplate], peer: Callable[[int, int], object] | None = None) -> Speed:
    """Time comparisons among templates; `peer` compares two images by their numbers, as `templates` counts them."""
    rng = np.random.default_rng(1)
    ours_ms, peer_ms = [], []
    for one, other in rng.integers(0, len(templates), (TIMED_PAIRS, 2)):
        ours_ms.append(_ms(partial(compare, templates[one], templates[other])))
        if peer is not None:
            peer_ms.append(_ms(partial(peer, int(one), int(other))))
    gallery = Gallery()
    add_ms = [_ms(partial(gallery.add, templates[number % len(templates)])) for number in range(LARGE_GALLERY)]
    probes = [templates[number] for number in rng.integers(0, len(templates), TIMED_SEARCHES)]
    search_ms = statistics.median(_ms(partial(gallery.scores, probe)) for probe in probes)
    filter_s = [seconds for probe in probes if (seconds := filter_time(gallery, probe)) is not None]
    return Speed(
        add_ms=statistics.median(add_ms),
        compare_ms=statistics.median(ours_ms),
        compare_per_s=1000.0 * TIMED_PAIRS / sum(ours_ms),
        gallery_per_s=1000.0 * LARGE_GALLERY / search_ms,
        filter_per_s=LARGE_GALLERY / statistics.median(filter_s) if filter_s else None,
        peer_per_s=1000.0 * TIMED_PAIRS / sum(peer_ms) if peer_ms else None,
    )


def _ms(call: Callable[[], object]) -> float:
    began = thread_time()
    call()
    return 1000.0 * (thread_time() - began)
