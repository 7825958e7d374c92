"""Run systems over a set of prints: every image extracted and judged, every pair compared once, first < second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import thread_time
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from bench.error_rates import FAILED
from bench.print_sets import Pairs, PrintSet
from enrollment.cli.explain.stages import StageRecorder
from enrollment.core.errors import EnrollmentError
from enrollment.core.fingerprint import FingerprintTemplate, Gallery, examine

if TYPE_CHECKING:
    from nbis import nbis

    from bench.nbis_peer import NbisPeer

OURS: Final = "ours"
PEER: Final = "mindtct + bozorth3"
OUR_QUALITY: Final = "our score"
PEER_QUALITY: Final = "NFIQ 2"


@dataclass(slots=True, eq=False)
class SetRun:
    """All that was measured on one set of N images and P pairs.

    scores: by system, (P,) float64, FAILED where an image did not extract. qualities: by what made them, (N,) float64.
    image_ms: by what was timed, CPU milliseconds of the thread, one an image. stage_ms: the same by stage of ours.
    minutiae: by system, mean of an image. failed: by system, images that did not extract.
    """

    prints: PrintSet
    pairs: Pairs
    templates: list[FingerprintTemplate | None] = field(default_factory=list)
    scores: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    qualities: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    image_ms: dict[str, list[float]] = field(default_factory=dict)
    stage_ms: dict[str, list[float]] = field(default_factory=dict)
    minutiae: dict[str, float] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    peer_minutiae: Sequence[nbis.Minutiae | None] = ()

    @property
    def extracted(self) -> list[FingerprintTemplate]:
        return [template for template in self.templates if template is not None]


def run_set(prints: PrintSet, peer: NbisPeer | None, *, quiet: bool) -> SetRun:
    """Extract and compare one set, each image by ours and then by the peer; quiet hides the progress bars."""
    run = SetRun(prints, Pairs.of(prints.fingers))
    qualities = []
    theirs = []
    numbers = range(len(prints.paths))
    for number in track(numbers, f"{prints.name}: extracting", transient=True, disable=quiet):
        image = prints.image(number)
        stages = StageRecorder(keep=False, clock=thread_time)
        try:
            examination = examine(image, observe=stages)
        except EnrollmentError:
            run.templates.append(None)
            qualities.append(0.0)
        else:
            stages.finish()
            run.templates.append(examination.template)
            qualities.append(float(examination.quality.score))
            run.image_ms.setdefault(OURS, []).append(stages.total_ms)
            for name, ms in stages.ms.items():
                run.stage_ms.setdefault(name, []).append(ms)
        if peer is not None:
            theirs.append(peer.extract(image))
    run.qualities[OUR_QUALITY] = np.array(qualities)
    run.minutiae[OURS] = float(np.mean([len(template) for template in run.extracted] or [0]))
    run.failed[OURS] = len(prints.paths) - len(run.extracted)
    run.scores[OURS] = _our_scores(run, quiet)
    if peer is not None:
        run.peer_minutiae = found = [one.minutiae for one in theirs]
        run.qualities[PEER_QUALITY] = np.array([one.nfiq2 for one in theirs])
        run.image_ms[PEER] = [one.mindtct_ms for one in theirs]
        run.image_ms[PEER_QUALITY] = [one.nfiq2_ms for one in theirs]
        run.minutiae[PEER] = float(np.mean([len(one.get()) for one in found if one is not None] or [0]))
        run.failed[PEER] = sum(one is None for one in found)
        run.scores[PEER] = peer.scores(found, run.pairs.first, run.pairs.second, f"{prints.name}: bozorth3", quiet)
    return run


def _our_scores(run: SetRun, quiet: bool) -> NDArray[np.float64]:
    """Compare through a gallery, the first image of each pair as the probe."""
    count = len(run.templates)
    extracted = np.array([template is not None for template in run.templates])
    scores = np.full((count, count), FAILED)
    gallery = Gallery(run.extracted)
    for row in track(range(count), f"{run.prints.name}: comparing", transient=True, disable=quiet):
        template = run.templates[row]
        if template is not None:
            scores[row, extracted] = gallery.scores(template)
    return scores[run.pairs.first, run.pairs.second]
