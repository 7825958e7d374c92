"""What can go wrong with the body, on demand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Final

from firmware_stubs.camera.refusal import Refusal

MAX_FAULT_BYTES: Final = 4096
MAX_AFTER: Final = 1_000_000


class FaultKind(Enum):
    """The body's ways to fail."""

    STALL = "stall"
    """The channels stay open, and no answer comes."""
    DISCONNECT = "disconnect"
    """The channels are cut, and every new one at once."""
    CUT = "cut"
    """The channels are cut half way through an image; new ones are let in."""
    TRUNCATE = "truncate"
    """An image ends half way, as a whole data phase of fewer octets than the object has."""
    HUGE = "huge"
    """An image says that it has 900 million pixels: 2.7 GB for whoever believes it."""
    REFUSE = "refuse"
    """The shutter is not released: General Error, as where nothing can be focused."""
    FULL = "full"
    """The shutter is not released: the card is full."""
    BUSY = "busy"
    """The shutter is not released: the body is busy with something else."""
    DARK = "dark"
    """Live view and pictures show next to no light."""
    UNFOCUSED = "unfocused"
    """Pictures are out of focus; live view is not."""
    LATE = "late"
    """A picture's event comes a second after the shutter."""
    RAW = "raw"
    """Pictures are stored as raw files alone."""
    SILENT = "silent"
    """A picture is stored, and no event tells of it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. after: transfers that still go well."""

    kind: FaultKind
    after: int = 0


def parse_fault(body: bytes) -> Fault:
    """Read {"kind": ..., "after": ...}. Raises Refusal for anything else."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, "NOT_JSON", "the body is not JSON") from None
    if not isinstance(said, dict) or set(said) - {"kind", "after"}:
        raise Refusal(400, "FAULT_INVALID", "a fault is an object of kind and after")
    kinds = {kind.value: kind for kind in FaultKind}
    kind, after = said.get("kind"), said.get("after", 0)
    if not isinstance(kind, str) or kind not in kinds:
        raise Refusal(400, "FAULT_UNKNOWN", f"kind is one of {sorted(kinds)}")
    if isinstance(after, bool) or not isinstance(after, int) or not 0 <= after <= MAX_AFTER:
        raise Refusal(400, "FAULT_INVALID", f"after is a whole number up to {MAX_AFTER}")
    return Fault(kinds[kind], after)
