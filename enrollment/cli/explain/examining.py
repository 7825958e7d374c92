"""Read an image file and examine it, with its stages and their times."""

from __future__ import annotations

import statistics
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from enrollment.cli.explain.page import Explanation
from enrollment.cli.explain.stages import StageRecorder
from enrollment.core.errors import InvalidImage
from enrollment.core.fingerprint import FingerprintImage, MinutiaKind, examine
from enrollment.core.fingerprint.image import MAX_PIXELS

TIMED_PASSES: Final = 9  # after one that warms up and keeps the arrays


def read_grey(path: Path) -> NDArray[np.uint8]:
    """Read an image file as grey levels: (H, W) uint8.

    Raises InvalidImage for what is no image, is broken or cut off, or is larger than any impression; its size is
    looked at before its pixels are.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Pillow finds odd in a file; what counts is checked here
            with Image.open(path) as opened:
                width, height = opened.size
                if width * height <= MAX_PIXELS:
                    return np.asarray(opened.convert("L"), np.uint8)
    except Image.DecompressionBombError as error:
        raise InvalidImage(f"the image is larger than any impression: {MAX_PIXELS} pixels at most") from error
    except Exception as error:  # Pillow's decoders raise whatever the bytes led them to
        raise InvalidImage(
            f"the file cannot be read as an image ({type(error).__name__}): give a whole PNG, TIFF, BMP or JPEG",
            found=type(error).__name__,
        ) from error
    raise InvalidImage(
        f"an image of {width} x {height} pixels is larger than any impression: {MAX_PIXELS} pixels at most",
        width=width,
        height=height,
    )


def explain(path: Path, resolution_ppi: float) -> Explanation:
    """Examine an image file. Raises InvalidImage and its kinds as `read_grey`, FingerprintImage and `examine` do."""
    image = FingerprintImage(read_grey(path), resolution_ppi)
    recorder = StageRecorder()
    examination = examine(image, observe=recorder)
    recorder.finish()
    passes = []
    for _ in range(TIMED_PASSES):
        timed = StageRecorder(keep=False)
        examine(image, observe=timed)
        timed.finish()
        passes.append(timed.ms)
    ms = {stage: statistics.median(one[stage] for one in passes) for stage in passes[0]}
    return Explanation(path.name, image, examination, recorder, ms)


def figures(found: Explanation) -> dict[str, Any]:
    """What the page says in numbers, for programs: no pixel and no minutia."""
    quality, template = found.examination.quality, found.examination.template
    return {
        "width": found.image.pixels.shape[1],
        "height": found.image.pixels.shape[0],
        "resolution_ppi": found.image.resolution_ppi,
        "minutiae": len(template),
        "endings": int(np.count_nonzero(template.kinds == MinutiaKind.ENDING)),
        "bifurcations": int(np.count_nonzero(template.kinds == MinutiaKind.BIFURCATION)),
        "quality": {
            "score": quality.score,
            "algorithm": quality.algorithm,
            "version": quality.version,
            "measures": {name: float(value) for name, value in quality.measures.items()},
            "hints": [hint.value for hint in quality.hints],
        },
        "stage_ms": dict(found.ms),
        "total_ms": sum(found.ms.values()),
    }
