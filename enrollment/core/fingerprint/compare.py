"""Compare fingerprints: the recipe from described templates to one score.

The score is the matched part of what could have matched:

    score = matched * alike / (overlap + 1) * (1 + kind_weight * kinds)

matched: sum of exp(-misfit) sqrt(reliability of both) over the mutual pairs; alike: sum of exp(-misfit) times the
descriptors' similarity; overlap: reliability of the minutiae of each side that fall on the area of the other, mean of
both sides; kinds: share of the pairs that agree on ending or bifurcation. Unmatched minutiae where the fingers overlap
so count against a match, and those elsewhere do not.

Bending is most of the work that strangers would cost: a pair whose rigid pose, judged with the wider tolerance, scores
below MATCHING.bent_from_score is not bent. It gets what strangers keep of such a score on average.
Where both templates hold their ridges (`wave_map`), a pair that has a chance is overlaid ridge on ridge, and its score
is multiplied by exp(slope (agreement - even_agreement)): strangers lose more than half of theirs, mates gain. The scale
stays: a score means as much with ridges as without.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.area import inside
from enrollment.core.fingerprint.candidates import best_candidates, likeness, place, similarity
from enrollment.core.fingerprint.compatibility import compatibility, relax
from enrollment.core.fingerprint.described import DescribedTemplates, describe
from enrollment.core.fingerprint.distortion import bend
from enrollment.core.fingerprint.matching_parameters import MATCHING, WAVES
from enrollment.core.fingerprint.misfit import Pairing, their_terms
from enrollment.core.fingerprint.pose import Motion, Rigid, best_motions, grow_hypotheses, move_rigidly
from enrollment.core.fingerprint.template import FingerprintTemplate, MinutiaKind
from enrollment.core.fingerprint.wave_agreement import LaidOut, agreement, lay_out

SAME_FINGER_SCORE: Final = 2.5
"""From this score on, two impressions are taken for one finger's: strict, so that a warning means something.

Measured with this extractor, ridges and all. Real prints, four public sets, both ways: of 23,040 comparisons of
different fingers of one set the highest was 1.35 (FMR 1e-4 lay at 1.07), of 99,840 across all sets 1.42; of 2,240 of
one finger 4 % stayed below 2.5, three quarters of them from one set of wet, dry and distorted prints. They come of 40
fingers and are far from independent: the FMR here is below 1e-4, but not known any closer. Synthetic prints are more
alike: of 237,600 pairs of different fingers, slaps against rolled prints, one in 10,000 reached 1.47 and the highest
2.37 (`bench.sequence_fit`).
"""

_KINDS_AGREE: Final = np.array([0.5, 0.5, 0.5, 0.5, 1.0, 0.0, 0.5, 0.0, 1.0], np.float32)  # MinutiaKind of both sides
_LEAST_WEIGHT: Final = 1e-6  # of a match that has no pairs


def compare(a: FingerprintTemplate, b: FingerprintTemplate) -> float:
    """Score how alike two fingerprints are: 0 for nothing in common, 20..90 for good impressions of one finger.

    Without ridges on both sides (records of others) it is 5..20 for those; strangers score alike either way.
    What a template is described by is kept as long as the template is (11 kB, 130 kB once its ridges were laid out):
    comparing it again takes less than half the time. For one against many there is `Gallery`.
    Returns a finite score >= 0; 0 where either template has fewer than MATCHING.least_minutiae minutiae.
    Not quite symmetric, because candidates and pairs are sought from the minutiae of `a`: swapping the sides changed
    the score of mates by 5 % (median; 24 % at the 95th percentile), and a verdict at 1.4 for 5 pairs in 1,000.
    """
    return float(compare_described(_ready(a), _ready(b).described)[0])


class Probe:
    """One described template (C = 1) that is compared with others; its ridges are laid out when first needed."""

    def __init__(self, described: DescribedTemplates) -> None:
        self.described = described
        self.has_ridges = bool(described.waves.rows[0])

    @cached_property
    def ridges(self) -> LaidOut:
        """Only of a probe that has ridges."""
        return lay_out(self.described.waves, self.described.points[:, 0])


_kept: WeakKeyDictionary[FingerprintTemplate, Probe] = WeakKeyDictionary()


def _ready(template: FingerprintTemplate) -> Probe:
    """Describe a template, once."""
    found = _kept.get(template)
    if found is None:
        found = _kept[template] = Probe(describe(template))
    return found


def compare_described(one: Probe, gallery: DescribedTemplates) -> NDArray[np.float32]:
    """Score one template against C others: (C,) float32, >= 0."""
    probe = one.described
    if not (probe.kinds.shape[1] and gallery.kinds.shape[1]):
        return np.zeros(len(gallery), np.float32)
    alignment = align(probe, gallery)
    rows, rigid = alignment.rows, alignment.rigid
    theirs_covered = _theirs_covered(probe, gallery, rows, alignment.motions)
    ours_covered = _ours_covered(probe, gallery.polygons[rows], rigid.points)
    found = _score(probe, gallery, rows, alignment.alike, rigid.pairing, 0.5 * (ours_covered + theirs_covered))
    promising = np.flatnonzero(found >= MATCHING.bent_from_score)
    found *= MATCHING.rigid_discount
    agreed = np.full(len(rows), WAVES.strangers_agreement, np.float32)  # until an overlay tells
    if len(promising):
        found[promising], agreed[promising] = _closer(one, gallery, alignment, promising, theirs_covered[promising])
    if one.has_ridges:
        found *= np.where(gallery.waves.rows[rows] > 0, _gain(agreed), np.float32(1.0))
    scores = np.zeros(len(gallery), np.float32)
    np.maximum.at(scores, rows, found)
    return scores


def _closer(
    one: Probe,
    gallery: DescribedTemplates,
    alignment: Alignment,
    chosen: NDArray[np.intp],
    theirs_covered: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Bend some of the poses of an alignment and, where both sides have ridges, overlay those that still promise.

    Returns the scores of their minutiae, and how the ridges agree (strangers' where they are not overlaid): (H,) each.
    """
    probe, rows = one.described, alignment.rows[chosen]
    rigid, terms = alignment.rigid.select(chosen), alignment.terms[rows]
    bent, pairing = bend(probe.points[:, 0], rigid, gallery.points.reshape(2, -1), terms, rows)
    ours_covered = _ours_covered(probe, gallery.polygons[rows], bent)
    found = _score(probe, gallery, rows, alignment.alike, pairing, 0.5 * (ours_covered + theirs_covered))
    agreed = np.full(len(rows), WAVES.strangers_agreement, np.float32)
    overlaid = np.flatnonzero(one.has_ridges & (gallery.waves.rows[rows] > 0) & (found >= WAVES.from_score))
    if len(overlaid):
        motions, bends = alignment.motions.select(chosen[overlaid]), (bent - rigid.points)[:, overlaid]
        needed = np.float32(WAVES.even_agreement) + np.log(WAVES.least_score / found[overlaid]) / WAVES.slope
        agreed[overlaid] = agreement(one.ridges, gallery.waves, rows[overlaid], motions, bends, needed)
    return found, agreed


def _gain(agreed: NDArray[np.float32]) -> NDArray[np.float32]:
    """What an agreement of ridges multiplies a score by."""
    gain: NDArray[np.float32] = np.exp(np.float32(WAVES.slope) * (agreed - np.float32(WAVES.even_agreement)))
    return gain


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """How one probe of N minutiae may lie on each of C gallery templates: H poses, one or more a template.

    alike: (M, C, N) float32 of `candidates.likeness`. terms: (C, 6, M) float32 of `misfit.their_terms`.
    rows: (H,) intp, which template a pose is on. motions: shape (H,), carry the probe's points there. rigid: the probe
    so moved.
    """

    alike: NDArray[np.float32]
    terms: NDArray[np.float32]
    rows: NDArray[np.intp]
    motions: Motion
    rigid: Rigid


def align(probe: DescribedTemplates, gallery: DescribedTemplates) -> Alignment:
    """Find poses of the probe (C = 1) on each of C others, all of at least one minutia."""
    alike = likeness(probe.descriptors[0], gallery.descriptors, gallery.counts)
    candidates = best_candidates(alike, MATCHING.candidates, gallery.kinds.shape[1])
    placed = place(candidates, probe, gallery)
    agreement = compatibility(placed, candidates.theirs)
    support, _ = relax(agreement, candidates.similarities, MATCHING.relaxation_steps)
    hypotheses, trust = grow_hypotheses(agreement, support, placed)
    terms = their_terms(gallery)
    rows, motions = best_motions(probe, terms, hypotheses, trust)
    return Alignment(alike, terms, rows, motions, move_rigidly(probe, terms[rows], motions, rows))


def _ours_covered(
    probe: DescribedTemplates, polygons: NDArray[np.float32], points: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Sum the reliability of the probe's minutiae, moved to (2, C, N) points, that lie on the others: (C,) float32."""
    covered: NDArray[np.float32] = inside(points, polygons, MATCHING.overlap_margin_px) @ probe.reliabilities[0]
    return covered


def _theirs_covered(
    probe: DescribedTemplates, gallery: DescribedTemplates, rows: NDArray[np.intp], motions: Motion
) -> NDArray[np.float32]:
    """Sum the reliability of the others' minutiae that lie on the probe, for H poses: (H,) float32."""
    covered = inside(motions.undo(gallery.points[:, rows]), probe.polygons, MATCHING.overlap_margin_px)
    summed: NDArray[np.float32] = np.vecdot(covered, gallery.reliabilities[rows])
    return summed


def _score(
    probe: DescribedTemplates,
    gallery: DescribedTemplates,
    rows: NDArray[np.intp],
    alike: NDArray[np.float32],
    pairing: Pairing,
    overlap: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Put matches, similarity, overlap and kinds together, as the module says, for H rows of the gallery: (H,)."""
    match = pairing.mutual * np.exp(-pairing.misfits)
    reliable = probe.reliabilities[0] * gallery.reliabilities.take(pairing.theirs)
    matched = np.vecdot(match, np.sqrt(reliable))
    likenesses = alike[pairing.theirs % len(alike), rows[:, None], np.arange(match.shape[1])]
    similar = np.vecdot(match, similarity(likenesses))
    kinds = len(MinutiaKind) * probe.kinds[0] + gallery.kinds.take(pairing.theirs)
    agree = np.vecdot(match, _KINDS_AGREE.take(kinds))
    agree /= match.sum(axis=1) + _LEAST_WEIGHT
    score: NDArray[np.float32] = (
        matched * np.maximum(similar, 0.0) / (overlap + 1.0) * (1.0 + MATCHING.kind_weight * agree)
    )
    return score
