"""What can go wrong with the camera, on demand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Final

from firmware_stubs.camera.refusal import Refusal

MAX_FAULT_S: Final = 3600.0
MAX_FAULT_BYTES: Final = 4096


class FaultKind(Enum):
    """The camera's ways to fail."""

    STALL = "stall"
    """Connections stay open, and nothing more is sent."""
    FREEZE = "freeze"
    """The frame of the moment is sent again and again."""
    BLACK = "black"
    """The sensor sees nothing but its own noise."""
    HUNT = "hunt"
    """The lens goes to and fro and finds no focus."""
    DISCONNECT = "disconnect"
    """Every stream is cut, and every new one at once."""
    GARBAGE = "garbage"
    """Parts have the right frame, and random octets in it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; seconds: how long, None until it is cleared."""

    kind: FaultKind
    seconds: float | None = None


def parse_fault(body: bytes) -> Fault:
    """Read {"kind": ..., "seconds": ...}. Raises Refusal for anything else."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, "NOT_JSON", "the body is not JSON") from None
    if not isinstance(said, dict):
        raise Refusal(400, "FAULT_INVALID", "the body is not a JSON object")
    unknown = sorted(set(said) - {"kind", "seconds"})
    if unknown:
        raise Refusal(400, "FAULT_INVALID", f"unknown fields: {unknown}")
    kinds = {kind.value: kind for kind in FaultKind}
    kind = said.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise Refusal(400, "FAULT_UNKNOWN", f"kind is one of {sorted(kinds)}")
    seconds = said.get("seconds")
    if seconds is None:
        return Fault(kinds[kind])
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= MAX_FAULT_S:
        raise Refusal(400, "FAULT_INVALID", f"seconds is a number above 0, up to {MAX_FAULT_S:g}")
    return Fault(kinds[kind], float(seconds))
