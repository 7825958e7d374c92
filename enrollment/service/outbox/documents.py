"""The parts of a package that the sealer writes itself: who the person is, and how each capture came about.

JSON in UTF-8 with sorted keys and no blanks, so that the same dossier always gives the same bytes.
"""

from __future__ import annotations

import json
from typing import Any, Final

from enrollment.core.dossier.model import Capture, Dossier
from enrollment.core.dossier.plan import plan_to_table

DEMOGRAPHICS_PART: Final = "demographics.json"
CAPTURES_PART: Final = "captures.json"
JSON_MEDIA_TYPE: Final = "application/json"


def demographics_document(dossier: Dossier) -> bytes:
    """The person's fields."""
    return _encode({"fields": dict(dossier.demographics)})


def captures_document(dossier: Dossier) -> bytes:
    """What was captured, by whom, on what, how well; which fingers are absent and why; under which plan."""
    return _encode(
        {
            "plan": plan_to_table(dossier.plan),
            "captures": [_capture(capture) for capture in dossier.captures],
            "absent_fingers": [
                {
                    "position": absent.position,
                    "absence": absent.absence.value,
                    "description": absent.description,
                    "operator_id": absent.operator_id,
                }
                for absent in dossier.absent_fingers
            ],
        }
    )


def _capture(capture: Capture) -> dict[str, Any]:
    quality = capture.quality
    return {
        "capture_id": capture.capture_id,
        "position": capture.position,
        "impression": capture.impression,
        "quality": {
            "score": quality.score,
            "algorithm": quality.algorithm,
            "version": quality.version,
            "measures": dict(quality.measures),
            "hints": list(quality.hints),
        },
        "accepted": capture.accepted,
        "attempts": capture.attempts,
        "kept_attempt": capture.kept_attempt,
        "operator_id": capture.operator_id,
        "device_id": capture.device_id,
        "captured_at": capture.captured_at.isoformat(timespec="milliseconds"),
        "parts": [part.name for part in capture.parts],
    }


def _encode(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
