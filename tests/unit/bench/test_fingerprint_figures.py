"""Figures of a run that was made up: known rates, a peer that is worse by a known amount."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.fingerprint_figures import AT_FMR1000, AT_FNMR, figures
from bench.print_scores import OUR_QUALITY, OURS, PEER, PEER_QUALITY, SetRun
from bench.print_sets import Pairs, PrintSet

FINGERS, IMPRESSIONS = 10, 4


def made_up_run(name: str) -> SetRun:
    """Ours parts all pairs; the peer misses every pair with an image of the lowest quality, one a finger."""
    fingers = np.repeat(np.arange(FINGERS), IMPRESSIONS)
    run = SetRun(PrintSet(name, [Path(f"{n}") for n in range(len(fingers))], fingers), Pairs.of(fingers))
    poor = np.arange(len(fingers)) % IMPRESSIONS == 0
    spread = np.random.default_rng(5).random(len(run.pairs.first))
    run.scores[OURS] = spread + 10.0 * run.pairs.same
    bad = poor[run.pairs.first] | poor[run.pairs.second]
    run.scores[PEER] = spread + 10.0 * (run.pairs.same & ~bad) - 0.5 * (run.pairs.same & bad)
    run.qualities[OUR_QUALITY] = np.where(poor, 10.0, 80.0)
    run.qualities[PEER_QUALITY] = np.full(len(fingers), 50.0)
    return run


def test_a_worse_peer_is_told_apart_and_a_quality_that_knows_the_misses_is_perfect() -> None:
    found = figures([made_up_run("A"), made_up_run("B")], draws=50, halves=True)
    ours, theirs = found.systems[OURS], found.systems[PEER]
    assert ours.eer.estimate == ours.fmr1000.estimate == ours.pooled.eer == 0.0
    assert theirs.fmr1000.estimate == pytest.approx(0.5)  # 3 of 6 pairs of a finger
    assert (ours.sets["A"].genuine, ours.sets["A"].impostor) == (60, 720)
    assert (ours.odd["A"].genuine, ours.odd["A"].impostor) == (30, 160)
    assert (ours.even["B"].genuine, ours.even["B"].impostor) == (30, 160)

    by_what = {one.what: one.interval for one in found.differences}
    fmr1000 = by_what[f"mean FMR1000, {OURS} - {PEER}"]
    assert fmr1000.estimate == pytest.approx(-0.5)
    assert fmr1000.excludes_zero

    discards = {(one.matcher, one.quality): one for one in found.discards if one.at == AT_FMR1000}
    assert discards[PEER, OUR_QUALITY].misses == 60
    assert discards[PEER, OUR_QUALITY].relative_pauc.estimate == pytest.approx(0.0, abs=1e-9)
    assert discards[PEER, PEER_QUALITY].relative_pauc.estimate == pytest.approx(1.0)
    assert np.isnan(discards[OURS, OUR_QUALITY].relative_pauc.estimate)
    assert [one.misses for one in found.discards if one.at == AT_FNMR] == [6, 6, 6, 6]  # a twentieth of 120
    apart = by_what[f"relative pAUC, {OUR_QUALITY} - {PEER_QUALITY}, misses of {PEER} at {AT_FMR1000}"]
    assert apart.estimate == pytest.approx(-1.0)
    assert apart.excludes_zero


def test_sets_with_too_few_fingers_have_no_halves() -> None:
    fingers = np.repeat(np.arange(2), 3)
    run = SetRun(PrintSet("A", [Path(f"{n}") for n in range(6)], fingers), Pairs.of(fingers))
    run.scores[OURS] = np.where(run.pairs.same, 2.0, 1.0)
    run.qualities[OUR_QUALITY] = np.ones(6)
    assert figures([run], draws=10, halves=True).systems[OURS].odd == {}
