"""The parts of a package that are written about a dossier: who the person is, and how each capture came about.

Deterministic CBOR (RFC 8949 section 4.2.1), so that a dossier always gives the same bytes. All map keys are text: for
those cbor2's order (length first) and the bytewise order of the encoded keys are the same.

    demographics.cbor = { * field name => text }           as the plan names the fields, NFC, empty fields left out

    captures.cbor = {
      "plan"           => plan,                            as in its TOML, defaults written out
      "captures"       => [ * capture ],                   fingers by position, the portrait last
      "absent_fingers" => [ * { "position" => 1..10, "absence" => text, "description" => text, "operator_id" => text } ]
    }
    capture = {
      "capture_id" => text, "position" => uint / null, "impression" => text, "accepted" => bool,
      "attempts" => uint, "kept_attempt" => uint, "operator_id" => text, "device_id" => text,
      "captured_at" => text,                               RFC 3339, UTC, milliseconds, the station's clock
      "quality" => { "score" => 0..100, "algorithm" => text, "version" => text,
                     "measures" => { * text => number }, "hints" => [ * text ] },
      "parts" => [ * text ],                               names of the parts that it wrote
      "fingers" => [ * finger ]                            of a slap, by position; else none
    }
    finger = { "position" => 1..10, "accepted" => bool, "kept_attempt" => uint, "quality" => as above,
               "parts" => [ * text ] }
"""

from __future__ import annotations

from typing import Any, Final

import cbor2

from enrollment.core.dossier.model import Capture, Dossier, QualityRecord
from enrollment.core.dossier.plan import plan_to_table

DEMOGRAPHICS_PART: Final = "demographics.cbor"
CAPTURES_PART: Final = "captures.cbor"
DOCUMENT_PARTS: Final = frozenset({DEMOGRAPHICS_PART, CAPTURES_PART})
DOCUMENT_MEDIA_TYPE: Final = "application/cbor"


def documents(dossier: Dossier) -> dict[str, tuple[str, bytes]]:
    """Both documents as parts: name -> (media type, bytes)."""
    described = {
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
    return {
        DEMOGRAPHICS_PART: (DOCUMENT_MEDIA_TYPE, cbor2.dumps(dict(dossier.demographics), canonical=True)),
        CAPTURES_PART: (DOCUMENT_MEDIA_TYPE, cbor2.dumps(described, canonical=True)),
    }


def _capture(capture: Capture) -> dict[str, Any]:
    return {
        "capture_id": capture.capture_id,
        "position": capture.position,
        "impression": capture.impression,
        "quality": _quality(capture.quality),
        "accepted": capture.accepted,
        "attempts": capture.attempts,
        "kept_attempt": capture.kept_attempt,
        "operator_id": capture.operator_id,
        "device_id": capture.device_id,
        "captured_at": capture.captured_at.isoformat(timespec="milliseconds"),
        "parts": [part.name for part in capture.parts],
        "fingers": [
            {
                "position": finger.position,
                "quality": _quality(finger.quality),
                "accepted": finger.accepted,
                "kept_attempt": finger.kept_attempt,
                "parts": list(finger.parts),
            }
            for finger in capture.fingers
        ],
    }


def _quality(quality: QualityRecord) -> dict[str, Any]:
    return {
        "score": quality.score,
        "algorithm": quality.algorithm,
        "version": quality.version,
        "measures": dict(quality.measures),
        "hints": list(quality.hints),
    }
