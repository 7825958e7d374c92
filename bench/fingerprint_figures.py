"""From the scores of a run to its figures: error rates by set and half, their intervals, and what quality is worth."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.discard import DiscardCurve, discard_curve, pair_qualities
from bench.error_rates import ErrorCurve, error_curve
from bench.finger_bootstrap import Interval, draw_fingers, interval, pair_weights
from bench.print_scores import SetRun

FMR1000: Final = 0.001
AT_FMR1000: Final = "FMR 0.1 %"
AT_FNMR: Final = "FNMR 5 %"
"""Where a matcher misses next to nothing, single pairs decide what quality seems worth: it is asked again at the score
that a twentieth of all genuine pairs miss, as many by every matcher."""
MISSED_SHARE: Final = 0.05
SEED: Final = 20_021_004


@dataclass(frozen=True, slots=True)
class Rates:
    """Error rates of one set or half: shares."""

    genuine: int
    impostor: int
    eer: float
    fmr1000: float
    highest_impostor: float


@dataclass(frozen=True, slots=True, eq=False)
class SystemFigures:
    """One system: by set all its fingers and their odd and even halves, DET curves, and one threshold for all sets."""

    sets: Mapping[str, Rates]
    odd: Mapping[str, Rates]
    even: Mapping[str, Rates]
    curves: Mapping[str, ErrorCurve]
    pooled: ErrorCurve
    eer: Interval
    fmr1000: Interval


@dataclass(frozen=True, slots=True, eq=False)
class Discard:
    """What one quality is worth to one matcher: its misses at one threshold for all sets, worst pairs discarded.

    at: what sets the threshold, AT_FMR1000 or AT_FNMR.
    """

    matcher: str
    at: str
    quality: str
    misses: int
    curve: DiscardCurve
    relative_pauc: Interval


@dataclass(frozen=True, slots=True)
class Difference:
    """Ours minus the peer's, on the same draws of fingers; below zero is better."""

    what: str
    interval: Interval


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """Everything that the tables, the plots and the JSON show of error rates."""

    systems: Mapping[str, SystemFigures]
    discards: Sequence[Discard]
    differences: Sequence[Difference]


def figures(runs: Sequence[SetRun], draws: int, halves: bool) -> Figures:
    """Work the figures out.

    draws: of the bootstrap. halves: rates of the odd and even fingers as well, where both halves make both kinds of
    pairs.
    """
    halves = halves and all(_makes_pairs(run, half) for run in runs for half in (run.prints.odd, ~run.prints.odd))
    rng = np.random.default_rng(SEED)
    drawn = [draw_fingers(int(run.prints.fingers.max()) + 1, draws, rng) for run in runs]
    systems, rate_draws = {}, {}
    for system in runs[0].scores:
        rate_draws[system] = _drawn_rates(runs, system, drawn)
        systems[system] = _system(runs, system, rate_draws[system], halves)
    discards, pauc_draws = [], {}
    for matcher, at in itertools.product(systems, (AT_FMR1000, AT_FNMR)):
        for quality in runs[0].qualities:
            found, replicates = _discard(runs, matcher, at, quality, systems[matcher].pooled, drawn)
            pauc_draws[matcher, at, quality] = replicates
            discards.append(found)
    return Figures(systems, discards, _differences(systems, rate_draws, discards, pauc_draws))


def _differences(
    systems: Mapping[str, SystemFigures],
    rate_draws: Mapping[str, NDArray[np.float64]],
    discards: Sequence[Discard],
    pauc_draws: Mapping[tuple[str, str, str], NDArray[np.float64]],
) -> list[Difference]:
    found = []
    ours, *peers = systems
    for peer in peers:
        eers, fmr1000s = (rate_draws[ours] - rate_draws[peer]).T
        apart = systems[ours].eer.estimate - systems[peer].eer.estimate
        found.append(Difference(f"mean EER, {ours} - {peer}", interval(apart, eers)))
        apart = systems[ours].fmr1000.estimate - systems[peer].fmr1000.estimate
        found.append(Difference(f"mean FMR1000, {ours} - {peer}", interval(apart, fmr1000s)))
    for matcher, at in itertools.product(systems, (AT_FMR1000, AT_FNMR)):
        first, *others = [one for one in discards if (one.matcher, one.at) == (matcher, at)]
        for other in others:
            apart = first.relative_pauc.estimate - other.relative_pauc.estimate
            replicates = pauc_draws[matcher, at, first.quality] - pauc_draws[matcher, at, other.quality]
            what = f"relative pAUC, {first.quality} - {other.quality}, misses of {matcher} at {at}"
            found.append(Difference(what, interval(apart, replicates)))
    return found


def _system(runs: Sequence[SetRun], system: str, rate_draws: NDArray[np.float64], halves: bool) -> SystemFigures:
    curves = {run.prints.name: error_curve(*_parted(run, system)) for run in runs}
    sets = {run.prints.name: _rates(*_parted(run, system)) for run in runs}
    odd, even = (
        {run.prints.name: _rates(*_parted(run, system, run.prints.odd == half)) for run in runs} if halves else {}
        for half in (True, False)
    )
    parts = [_parted(run, system) for run in runs]
    pooled = error_curve(np.concatenate([g for g, _ in parts]), np.concatenate([i for _, i in parts]))
    eers, fmr1000s = rate_draws.T
    return SystemFigures(
        sets,
        odd,
        even,
        curves,
        pooled,
        eer=interval(statistics.fmean(one.eer for one in sets.values()), eers),
        fmr1000=interval(statistics.fmean(one.fmr1000 for one in sets.values()), fmr1000s),
    )


def _parted(
    run: SetRun, system: str, images: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Genuine and impostor scores, of pairs within some images or of all."""
    scores, same = run.scores[system], run.pairs.same
    if images is not None:
        within = images[run.pairs.first] & images[run.pairs.second]
        scores, same = scores[within], same[within]
    return scores[same], scores[~same]


def _makes_pairs(run: SetRun, images: NDArray[np.bool_]) -> bool:
    same = run.pairs.same[images[run.pairs.first] & images[run.pairs.second]]
    return bool(same.any() and not same.all())


def _rates(genuine: NDArray[np.float64], impostor: NDArray[np.float64]) -> Rates:
    curve = error_curve(genuine, impostor)
    return Rates(len(genuine), len(impostor), curve.eer, curve.fnmr_at(FMR1000), float(impostor.max()))


def _drawn_rates(runs: Sequence[SetRun], system: str, drawn: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Mean EER and FMR1000 over the sets in each draw: (draws, 2)."""
    rates = np.zeros((len(drawn[0]), 2))
    for run, counts in zip(runs, drawn, strict=True):
        genuine, impostor = _parted(run, system)
        for number, one in enumerate(counts):
            weights = pair_weights(one, run.pairs.first_finger, run.pairs.second_finger)
            curve = error_curve(genuine, impostor, *weights)
            rates[number] += curve.eer, curve.fnmr_at(FMR1000)
    return rates / len(runs)


def _discard(
    runs: Sequence[SetRun],
    matcher: str,
    at: str,
    quality: str,
    pooled: ErrorCurve,
    drawn: Sequence[NDArray[np.float64]],
) -> tuple[Discard, NDArray[np.float64]]:
    """Curve over all sets at one threshold over all sets, and its relative pAUC in each draw."""
    scores = np.concatenate([_parted(run, matcher)[0] for run in runs])
    threshold = pooled.threshold_at(FMR1000) if at == AT_FMR1000 else np.quantile(scores, MISSED_SHARE)
    missed = scores < threshold
    qualities = np.concatenate(
        [pair_qualities(run.qualities[quality], run.pairs.first, run.pairs.second)[run.pairs.same] for run in runs]
    )
    curve = discard_curve(missed, qualities)
    replicates = np.empty(len(drawn[0]))
    for number in range(len(replicates)):
        weights = [
            counts[number][run.pairs.first_finger[run.pairs.same]] for run, counts in zip(runs, drawn, strict=True)
        ]
        replicates[number] = discard_curve(missed, qualities, np.concatenate(weights)).relative_pauc
    found = Discard(matcher, at, quality, int(missed.sum()), curve, interval(curve.relative_pauc, replicates))
    return found, replicates
