"""Fingerprints: extraction, quality, comparison."""

from enrollment.core.fingerprint.compare import SAME_FINGER_SCORE, compare
from enrollment.core.fingerprint.extract import Examination, assess, examine, extract
from enrollment.core.fingerprint.gallery import Gallery
from enrollment.core.fingerprint.hints import Place, QualityHint
from enrollment.core.fingerprint.image import CANON_PPI, FingerprintImage
from enrollment.core.fingerprint.quality import FingerprintQuality
from enrollment.core.fingerprint.template import FingerprintTemplate, MinutiaKind

__all__ = [
    "CANON_PPI",
    "SAME_FINGER_SCORE",
    "Examination",
    "FingerprintImage",
    "FingerprintQuality",
    "FingerprintTemplate",
    "Gallery",
    "MinutiaKind",
    "Place",
    "QualityHint",
    "assess",
    "compare",
    "examine",
    "extract",
]
