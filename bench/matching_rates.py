"""How many comparisons a second on one thread, beside what is asked for, and how much the machine's noise is in it.

Every rate is measured in rounds of the same work, one rate after the other in each round, so that a busy minute falls
on all of them. CPU time of the thread.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from time import thread_time
from typing import Final

import numpy as np
from rich.table import Table

from enrollment.core.fingerprint import DescribedTemplates, FingerprintTemplate, Gallery, compare, describe

ROUNDS: Final = 7
PAIRS: Final = 120  # of one round
SEARCHES: Final = 6  # likewise
FULLY_COMPARED: Final = 1000  # templates in the gallery of full comparisons
SEED: Final = 1

FULL: Final = "full, in a gallery"
FIRST_LOOK: Final = "first look"
SEARCH: Final = "search, 1 % kept"
COLD: Final = "1:1, never seen"
WARM: Final = "1:1, seen before"
DESCRIBE: Final = "describe"
PEER: Final = "bozorth3, 1:1"
ASKED: Final = {  # a second on one thread: what must be, what is aimed at
    FULL: (10_000.0, 30_000.0),
    FIRST_LOOK: (100_000.0, 1_000_000.0),
    COLD: (1_500.0, 5_000.0),
    WARM: (1_500.0, 5_000.0),
}


@dataclass(frozen=True, slots=True)
class Rate:
    """Templates or comparisons a second: median of the rounds, and the quartiles that half of them lie between."""

    per_s: float
    low: float
    high: float

    @property
    def noise(self) -> float:
        """Distance of the quartiles as a share of the median."""
        return (self.high - self.low) / self.per_s


def measure_rates(
    templates: Sequence[FingerprintTemplate],
    searched: Gallery | None = None,
    peer: Callable[[int, int], object] | None = None,
) -> dict[str, Rate]:
    """Time comparisons among templates, by name.

    searched: what the first look and whole searches are timed in; unless given, the templates over and over.
    peer: compares two images by their numbers, as `templates` counts them.
    """
    rng = np.random.default_rng(SEED)
    compared = Gallery((list(templates) * (FULLY_COMPARED // len(templates) + 1))[:FULLY_COMPARED])
    large = compared if searched is None else searched
    for template in templates:
        compare(template, template)  # so that it was seen
    probes = [templates[number] for number in rng.integers(0, len(templates), SEARCHES)]
    pairs = rng.integers(0, len(templates), (PAIRS, 2)).tolist()
    work: dict[str, tuple[int, Callable[[], object]]] = {
        FULL: (SEARCHES * len(compared), lambda: [compared.scores(probe) for probe in probes]),
        FIRST_LOOK: (SEARCHES * len(large), lambda: [large.promises(probe) for probe in probes]),
        SEARCH: (SEARCHES * len(large), lambda: [large.search(probe) for probe in probes]),
        COLD: (PAIRS, lambda: [compare(replace(templates[one]), replace(templates[other])) for one, other in pairs]),
        WARM: (PAIRS, lambda: [compare(templates[one], templates[other]) for one, other in pairs]),
        DESCRIBE: (PAIRS, lambda: [describe(templates[one]) for one, _ in pairs]),
    }
    if peer is not None:
        work[PEER] = (PAIRS, lambda: [peer(one, other) for one, other in pairs])
    rounds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(ROUNDS):
        for name, (count, call) in work.items():
            began = thread_time()
            call()
            rounds[name].append(count / (thread_time() - began))
    return {name: _rate(one) for name, one in rounds.items()}


def _rate(rounds: Sequence[float]) -> Rate:
    low, middle, high = statistics.quantiles(rounds, n=4, method="inclusive")
    return Rate(middle, low, high)


def described_bytes(templates: Sequence[FingerprintTemplate]) -> float:
    """Bytes of a described template in memory, the mean."""
    return statistics.fmean(_bytes_of(describe(template)) for template in templates)


def _bytes_of(described: DescribedTemplates) -> int:
    parts = [getattr(described, field.name) for field in fields(described) if field.name != "waves"]
    parts += [getattr(described.waves, field.name) for field in fields(described.waves)]
    return sum(part.nbytes for part in parts)


def rates_table(rates: Mapping[str, Rate]) -> Table:
    """Each rate beside what must be and what is aimed at, as ratios: 1 and more reaches it."""
    table = Table(
        title="comparisons or templates a second, one thread", caption=f"median and quartiles of {ROUNDS} rounds"
    )
    table.add_column("what", no_wrap=True)
    for heading in ("median", "half within", "noise", "/ must", "/ aim"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, rate in rates.items():
        must, aim = ASKED.get(name, (None, None))
        table.add_row(
            name,
            f"{rate.per_s:,.0f}",
            f"{rate.low:,.0f}..{rate.high:,.0f}",
            f"{100 * rate.noise:.0f} %",
            "" if must is None else f"{rate.per_s / must:.2f}",
            "" if aim is None else f"{rate.per_s / aim:.2f}",
        )
    return table
