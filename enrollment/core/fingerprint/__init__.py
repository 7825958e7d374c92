"""Fingerprints: extraction, quality, comparison."""

from enrollment.core.fingerprint.autocapture import Sight, Steadiness
from enrollment.core.fingerprint.compare import SAME_FINGER_SCORE, compare
from enrollment.core.fingerprint.compared_prints import ComparedPrints
from enrollment.core.fingerprint.described import DescribedTemplates, describe
from enrollment.core.fingerprint.extract import Examination, assess, examine, extract
from enrollment.core.fingerprint.gallery import Gallery, Ranking
from enrollment.core.fingerprint.hand import SlapKind
from enrollment.core.fingerprint.hints import Place, QualityHint
from enrollment.core.fingerprint.image import CANON_PPI, FingerprintImage
from enrollment.core.fingerprint.pads import Edge
from enrollment.core.fingerprint.quality import FingerprintQuality
from enrollment.core.fingerprint.sequence import (
    PositionCheck,
    PositionVerdict,
    SequenceReport,
    check_compared,
    check_sequence,
)
from enrollment.core.fingerprint.single_print import PrintPreview, cut_print, is_rolled, preview_print
from enrollment.core.fingerprint.slap import (
    SlapFinding,
    SlapFindingKind,
    SlapFinger,
    SlapLook,
    SlapSegmentation,
    cut_slap,
    segment_slap,
)
from enrollment.core.fingerprint.slap_preview import SlapHint, SlapPreview, preview_slap
from enrollment.core.fingerprint.template import FingerprintTemplate, MinutiaKind
from enrollment.core.fingerprint.wave_map import WaveMap

__all__ = [
    "CANON_PPI",
    "SAME_FINGER_SCORE",
    "ComparedPrints",
    "DescribedTemplates",
    "Edge",
    "Examination",
    "FingerprintImage",
    "FingerprintQuality",
    "FingerprintTemplate",
    "Gallery",
    "MinutiaKind",
    "Place",
    "PositionCheck",
    "PositionVerdict",
    "PrintPreview",
    "QualityHint",
    "Ranking",
    "SequenceReport",
    "Sight",
    "SlapFinding",
    "SlapFindingKind",
    "SlapFinger",
    "SlapHint",
    "SlapKind",
    "SlapLook",
    "SlapPreview",
    "SlapSegmentation",
    "Steadiness",
    "WaveMap",
    "assess",
    "check_compared",
    "check_sequence",
    "compare",
    "cut_print",
    "cut_slap",
    "describe",
    "examine",
    "extract",
    "is_rolled",
    "preview_print",
    "preview_slap",
    "segment_slap",
]
