"""Where do the numbers of the sequence check come from?

`python -m bench.sequence_fit`. Synthetic people of the firmware model lay down slaps and roll their fingers; single
touches with MIXED severity, as they come in the field, bring the poor prints that slaps hardly hold. Printed are the
score that one in 10,000 pairs of strangers reaches, the share of mates below `match_score` by how poor the poorer print
is, and how often two thumbs or four fingers of the owner all miss and fall below a limit of evidence. `SEQUENCE` holds
what was found with the defaults. No real print takes part: public sets are for measuring (`bench.slap --data`).
"""

from __future__ import annotations

import bench.one_thread  # noqa: F401 - it must come before numpy

# isort: split

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import click
import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from bench.sequence_trials import session_prints, session_rolled
from enrollment.core.errors import EnrollmentError
from enrollment.core.fingerprint import FingerprintImage, FingerprintTemplate, extract
from enrollment.core.fingerprint.sequence import score_each_other
from enrollment.core.fingerprint.slap_parameters import SEQUENCE
from firmware_stubs.fingers.condition import Severity
from firmware_stubs.fingers.hand import draw_hands
from firmware_stubs.fingers.impression import make_impression
from firmware_stubs.fingers.master import Master, make_master, person_finger_seed
from firmware_stubs.fingers.rolled import UnrolledFinger, make_rolled, unroll

STRANGERS_REACH: Final = 1e-4
SESSIONS: Final = 3
TOUCHES: Final = 4  # of a finger
DRAWS: Final = 1_000_000  # of hands made of single touches
LIMITS: Final = (-6.9, -6.0, -5.0, -4.0, -3.5, -3.0, -2.5)
REFINED: Final = 40  # steps of a share that is sought
NARROWED: Final = 3
WIDTH: Final = 170  # of lines in a file


@dataclass(frozen=True, slots=True, eq=False)
class Mates:
    """Pairs of a print and a rolled print of one finger: (N,) float64 each.

    reliabilities: sum of those of the poorer template.
    """

    reliabilities: NDArray[np.float64]
    scores: NDArray[np.float64]

    @property
    def missed(self) -> NDArray[np.bool_]:
        missed: NDArray[np.bool_] = self.scores < SEQUENCE.match_score
        return missed


@dataclass(frozen=True, slots=True, eq=False)
class _Print:
    person: int
    position: int
    rolled: bool
    template: FingerprintTemplate


def take_sessions(people: Mapping[int, Mapping[int, Master]], quiet: bool) -> tuple[Mates, NDArray[np.float64]]:
    """Take slaps and rolled prints of people by number: the mates, and the scores of fingers of different people."""
    prints = []
    for person, masters in track(people.items(), "slaps", transient=True, disable=quiet):
        hands = draw_hands(person * 1000)
        fingers = {position: unroll(master) for position, master in masters.items()}
        for session in range(SESSIONS):
            for rolled, taken in (
                (False, session_prints(masters, hands, session)),
                (True, session_rolled(fingers, hands, session)),
            ):
                prints += [_Print(person, position, rolled, one) for position, one in taken.items()]
    scores = score_each_other([one.template for one in prints]).astype(np.float64)
    person, position, rolled = np.array([(one.person, one.position, one.rolled) for one in prints]).T
    poor = np.array([one.template.reliabilities.sum() for one in prints], np.float64)
    same = (person[:, None] == person) & (position[:, None] == position) & (rolled[:, None] < rolled)
    strangers = np.triu(person[:, None] != person)
    return Mates(np.minimum(poor[:, None], poor)[same], scores[same]), scores[strangers]


def take_touches(people: Mapping[int, Mapping[int, Master]], quiet: bool) -> Mates:
    """Touch with single fingers, and compare with their rolled prints."""
    pairs = []
    for masters in track(people.values(), "touches", transient=True, disable=quiet):
        for master in masters.values():
            touches = _touch(master)
            rolled = _roll(unroll(master))
            scores = score_each_other([*touches, *rolled])[: len(touches), len(touches) :]
            poor = [[min(a.reliabilities.sum(), b.reliabilities.sum()) for b in rolled] for a in touches]
            pairs.append(np.stack([np.array(poor).reshape(scores.shape), scores], -1).reshape(-1, 2))
    reliabilities, found = np.concatenate(pairs).astype(np.float64).T
    return Mates(reliabilities, found)


def _touch(master: Master) -> list[FingerprintTemplate]:
    """Touch until some impressions extract: a platen hardly touched is refused at the station too."""
    templates = []
    for seed in range(TOUCHES):
        impression = make_impression(master, seed, severity=Severity.MIXED)
        try:
            templates.append(extract(FingerprintImage(impression.pixels, impression.sensor.ppi)))
        except EnrollmentError:
            continue
    return templates


def _roll(finger: UnrolledFinger) -> list[FingerprintTemplate]:
    return [extract(FingerprintImage(make_rolled(finger, seed, scale=1.0).pixels)) for seed in range(SESSIONS)]


def likeliest_shares(mates: Mates, knots: tuple[float, ...]) -> NDArray[np.float64]:
    """Find the shares of missed mates at the knots between which they run straight: (K,), of greatest likelihood."""
    low, high = np.full(len(knots), 1e-4), np.full(len(knots), 0.99)
    shares: NDArray[np.float64] = np.sqrt(low * high)
    for narrowed in range(NARROWED):
        for _ in range(4):  # one knot after the other, round and round
            for knot in range(len(knots)):
                tried = np.geomspace(low[knot], high[knot], REFINED)
                rows = np.repeat(shares[None], REFINED, 0)
                rows[:, knot] = tried
                shares[knot] = tried[np.argmax([_log_likelihood(mates, knots, row) for row in rows])]
        reach = 4.0 ** (1.0 / (narrowed + 1))
        low, high = np.maximum(shares / reach, 1e-4), np.minimum(shares * reach, 0.99)
    return shares


def _log_likelihood(mates: Mates, knots: tuple[float, ...], shares: NDArray[np.float64]) -> float:
    missed = np.interp(mates.reliabilities, knots, shares)
    return float(np.log(np.where(mates.missed, missed, 1.0 - missed)).sum())


def false_alarms(mates: Mates, fingers: int, limit: float, rng: np.random.Generator) -> tuple[float, float]:
    """Draw hands of so many prints of the owner: shares that are falsely called another's, and that could be at all."""
    drawn = rng.integers(0, len(mates.scores), (fingers, DRAWS))
    shares = np.interp(mates.reliabilities, SEQUENCE.missed_reliabilities, SEQUENCE.missed_shares)
    below = np.sort(np.log(shares)[drawn], axis=0)[: SEQUENCE.judged_prints].sum(axis=0) < limit
    return float((below & mates.missed[drawn].all(axis=0)).mean()), float(below.mean())


@click.command()
@click.option("--people", default=12, type=click.IntRange(2), show_default=True)
@click.option("--seed", default=70_000, type=click.IntRange(0), show_default=True, help="number of the first person")
def main(people: int, seed: int) -> None:
    """Fit the sequence check to synthetic people; it takes a quarter of an hour."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    quiet = not console.is_terminal
    cv2.setNumThreads(1)
    drawn = {
        person: {position: make_master(person_finger_seed(person, position)) for position in range(1, 11)}
        for person in track(range(seed, seed + people), "masters", transient=True, disable=quiet)
    }
    slaps, strangers = take_sessions(drawn, quiet)
    console.print(
        f"strangers: one in {1 / STRANGERS_REACH:,.0f} of {len(strangers):,} pairs reaches"
        f" {np.quantile(strangers, 1 - STRANGERS_REACH):.2f}, highest {strangers.max():.2f};"
        f" match_score {SEQUENCE.match_score}"
    )
    touches = take_touches(drawn, quiet)
    for name, mates in (("slaps", slaps), ("touches", touches)):
        console.print(
            f"mates, {name}: median {np.median(mates.scores):.0f}, missed {mates.missed.sum()} of {len(mates.missed):,}"
        )
    both = Mates(*(np.concatenate(pair) for pair in zip(_fields(slaps), _fields(touches), strict=True)))
    shares = likeliest_shares(both, SEQUENCE.missed_reliabilities)
    for knot, share, held in zip(SEQUENCE.missed_reliabilities, shares, SEQUENCE.missed_shares, strict=True):
        console.print(f"missed at reliability {knot:g}: {share:.3f}; SEQUENCE holds {held}")
    rng = np.random.default_rng(seed)
    for limit in LIMITS:
        falsely, possible = zip(*(false_alarms(touches, fingers, limit, rng) for fingers in (2, 4)), strict=True)
        console.print(
            f"limit {limit:.1f} (1 in {math.exp(-limit):,.0f}): falsely another's, thumbs {100 * falsely[0]:.3f} %,"
            f" four fingers {100 * falsely[1]:.4f} %, hands {100 * (falsely[0] + 2 * falsely[1]) / 3:.3f} %;"
            f" good enough to be called another's {100 * possible[0]:.1f} % and {100 * possible[1]:.1f} %"
        )


def _fields(mates: Mates) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return mates.reliabilities, mates.scores


if __name__ == "__main__":
    main()
