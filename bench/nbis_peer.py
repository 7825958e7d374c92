"""The peer: NIST's mindtct and bozorth3, and the official NFIQ 2, from PyPI's nbis-py (public domain C and C++).

Its binding takes encoded images only. They are given as PNG, which it reads fastest (as BMP or PGM an image costs half
as much again), and are encoded before the clock starts; the decoding is in its figure and cannot be taken out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import thread_time

import cv2
import numpy as np
from nbis import nbis
from numpy.typing import NDArray
from rich.progress import track

from bench.error_rates import FAILED
from enrollment.core.fingerprint import FingerprintImage


@dataclass(frozen=True, slots=True, eq=False)
class PeerImage:
    """One image by the peer: minutiae or None where it failed, CPU ms of mindtct, NFIQ 2 score and its CPU ms."""

    minutiae: nbis.Minutiae | None
    mindtct_ms: float
    nfiq2: float
    nfiq2_ms: float


class NbisPeer:
    """mindtct with all its minutiae, on the calling thread."""

    def __init__(self) -> None:
        self._extractors: dict[tuple[float, bool], nbis.NbisExtractor] = {}

    def extract(self, image: FingerprintImage) -> PeerImage:
        """Run mindtct, and mindtct with NFIQ 2: what the second takes more is NFIQ 2's. A failure scores 0."""
        encoded = cv2.imencode(".png", image.pixels)[1].tobytes()
        minutiae, mindtct_ms = self._run(encoded, image.resolution_ppi, with_nfiq2=False)
        judged, both_ms = self._run(encoded, image.resolution_ppi, with_nfiq2=True)
        score = 0.0 if judged is None else float(judged.quality().score)
        return PeerImage(minutiae, mindtct_ms, score, both_ms - mindtct_ms)

    def scores(
        self,
        minutiae: Sequence[nbis.Minutiae | None],
        first: NDArray[np.intp],
        second: NDArray[np.intp],
        title: str,
        quiet: bool,
    ) -> NDArray[np.float64]:
        """Run bozorth3 on pairs of images: (P,) float64."""
        pairs = track(range(len(first)), title, transient=True, disable=quiet)
        return np.array([bozorth3(minutiae[first[pair]], minutiae[second[pair]]) for pair in pairs])

    def _run(self, encoded: bytes, ppi: float, *, with_nfiq2: bool) -> tuple[nbis.Minutiae | None, float]:
        extractor = self._extractor(ppi, with_nfiq2)
        began = thread_time()
        try:
            minutiae = extractor.extract_minutiae(encoded)
        except nbis.NbisError:
            minutiae = None
        return minutiae, 1000.0 * (thread_time() - began)

    def _extractor(self, ppi: float, with_nfiq2: bool) -> nbis.NbisExtractor:
        if (ppi, with_nfiq2) not in self._extractors:
            settings = nbis.NbisExtractorSettings(
                min_quality=0.0, get_center=False, check_fingerprint=False, compute_nfiq2=with_nfiq2, ppi=ppi
            )
            self._extractors[ppi, with_nfiq2] = nbis.new_nbis_extractor(settings)
        return self._extractors[ppi, with_nfiq2]


def bozorth3(ours: nbis.Minutiae | None, theirs: nbis.Minutiae | None) -> float:
    """Score one pair; error_rates.FAILED where either has no minutiae."""
    return FAILED if ours is None or theirs is None else float(ours.compare(theirs))
