"""Fingerprints: extraction, quality, comparison."""

from enrollment.core.fingerprint.compare import SAME_FINGER_SCORE, compare
from enrollment.core.fingerprint.described import DescribedTemplates, describe
from enrollment.core.fingerprint.extract import Examination, assess, examine, extract
from enrollment.core.fingerprint.gallery import Gallery, Ranking
from enrollment.core.fingerprint.image import CANON_PPI, FingerprintImage
from enrollment.core.fingerprint.quality import FingerprintQuality, QualityHint
from enrollment.core.fingerprint.template import FingerprintTemplate, MinutiaKind

__all__ = [
    "CANON_PPI",
    "SAME_FINGER_SCORE",
    "DescribedTemplates",
    "Examination",
    "FingerprintImage",
    "FingerprintQuality",
    "FingerprintTemplate",
    "Gallery",
    "MinutiaKind",
    "QualityHint",
    "Ranking",
    "assess",
    "compare",
    "describe",
    "examine",
    "extract",
]
