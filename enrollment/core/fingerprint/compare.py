"""Compare fingerprints: the recipe from described templates to one score.

The score is the matched part of what could have matched:

    score = matched * alike / (overlap + overlap_prior) * (1 + kind_weight * kinds)

matched: sum of exp(-misfit) sqrt(reliability of both) over the mutual pairs; alike: sum of exp(-misfit) times the
descriptors' similarity; overlap: reliability of the minutiae of each side that fall on the area of the other, mean of
both sides; kinds: share of the pairs that agree on ending or bifurcation. Unmatched minutiae where the fingers overlap
so count against a match, and those elsewhere do not.

Several poses are scored as they are, with the wider tolerance, before any is bent: where two prints share a thin band,
a chance pose that lays one over the whole of the other pairs as many minutiae, and only the score tells them apart.
Bending is most of the work that strangers would cost: a pair of which no such pose scores MATCHING.bent_from_score is
not bent. It gets what strangers keep of such a score on average.
Where both templates hold their ridges (`wave_map`), a pair that has a chance is overlaid ridge on ridge, and its score
is multiplied by exp(slope (agreement - even_agreement)): strangers lose more than half of theirs, mates gain. The scale
stays: a score means as much with ridges as without.
"""

from __future__ import annotations

from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.described import DescribedTemplates, describe
from enrollment.core.fingerprint.template import FingerprintTemplate

SAME_FINGER_SCORE: Final = 2.8
"""From this score on, two impressions are taken for one finger's: strict, so that a warning means something.

Measured with this extractor, ridges and all. Real prints, four public sets: of 11,520 pairs of different fingers of
one set the highest scored 1.42 (FMR 1e-4 lay at 1.13), of 49,920 across all sets 1.58; of 1,120 of one finger 4 %
stayed below 2.8, three quarters of them from one set of wet, dry and distorted prints. They come of 40 fingers and are
far from independent: the FMR here is below 1e-4, but not known any closer. Synthetic prints are more alike: of 624,960
pairs of touches the highest scored 2.72 (`bench.false_match`); of 237,600 pairs of different fingers, slaps against
rolled prints, one in 10,000 reached 1.82 and the highest 4.60 (`bench.sequence_fit`).
"""

_FIRST: Final = np.zeros(1, np.intp)
_described: WeakKeyDictionary[FingerprintTemplate, DescribedTemplates] = WeakKeyDictionary()


def compare(a: FingerprintTemplate, b: FingerprintTemplate) -> float:
    """Score how alike two fingerprints are: 0 for nothing in common, 20..90 for good impressions of one finger.

    Without ridges on both sides (records of others) it is 5..20 for those; strangers score alike either way.
    What a template is described by is kept as long as the template is (11 kB): comparing it again takes a fraction of
    the time. For one against many there is `Gallery`.
    Returns a finite score >= 0; 0 where either template has fewer than MATCHING.least_minutiae minutiae.
    Symmetric: whichever of the two has fewer minutiae is moved and bent.
    """
    return float(compare_described(_describe_once(a), _describe_once(b), _FIRST)[0])


def _describe_once(template: FingerprintTemplate) -> DescribedTemplates:
    found = _described.get(template)
    if found is None:
        found = _described[template] = describe(template)
    return found


def compare_described(
    probe: DescribedTemplates, gallery: DescribedTemplates, indices: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Score one template (C = 1) against K of others, which `indices` names: (K,) float32, >= 0."""
    from enrollment.core.fingerprint.compiled.comparison import compare_rows

    scores = np.empty(len(indices), np.float32)
    compare_rows(indices, scores, *probe.arrays, *gallery.arrays)
    return scores
