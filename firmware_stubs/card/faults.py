"""What may be made to go wrong with a card in a slot, as data. Chances are APDUs, counted from arming on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from firmware_stubs.camera.refusal import Refusal

MAX_COUNT: Final = 1_000_000
MAX_ANSWER_BYTES: Final = 65_535
MAX_SECONDS: Final = 3600.0
MAX_FAULT_BYTES: Final = 4 * MAX_ANSWER_BYTES


class Fault(Enum):
    """One misbehaviour at an APDU."""

    PULL = "pull"  # the card is gone, until it is inserted again
    POWER_LOSS = "power_loss"  # the card falls out for a moment and comes back cold
    ANSWER = "answer"  # it answers `bytes`, whatever was asked: a status word alone, or anything
    SLOW = "slow"  # it answers `seconds` later, or when faults are disarmed
    SILENT = "silent"  # it never answers; the reader waits for ever, until the card is pulled


@dataclass(slots=True)
class Order:
    """A fault to come: it lets `after` chances pass, then strikes `times` times.

    executed: whether the card carries the command out before it fails. ins: only commands of that instruction count;
    longer_than: only commands of more octets, as a reader has it that hides its limit.
    """

    kind: Fault
    after: int = 0
    times: int = 1
    executed: bool = False
    ins: int | None = None
    longer_than: int = 0
    answer: bytes = b""
    seconds: float = 0.0

    def strikes(self, apdu: bytes) -> bool:
        """Whether it strikes at this command; uses a chance up."""
        if self.times == 0 or len(apdu) <= self.longer_than:
            return False
        if self.ins is not None and apdu[1:2] != bytes((self.ins,)):
            return False
        if self.after:
            self.after -= 1
            return False
        self.times -= 1
        return True

    def told(self) -> dict[str, object]:
        """What is left of it."""
        return {"kind": self.kind.value, "after": self.after, "times": self.times, "executed": self.executed}


def parse_order(body: bytes) -> Order:
    """Read {"kind", "after", "times", "executed", "ins", "longer_than", "bytes", "seconds"}; bytes are hexadecimal.

    All but kind are optional.

    Raises Refusal.
    """
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    known = {"kind", "after", "times", "executed", "ins", "longer_than", "bytes", "seconds"}
    if not isinstance(said, dict) or not said.keys() <= known:
        raise Refusal(400, "FAULT_INVALID", f"a JSON object of {', '.join(sorted(known))}")
    kind = next((fault for fault in Fault if fault.value == said.get("kind")), None)
    if kind is None:
        raise Refusal(400, "FAULT_UNKNOWN", f"kinds: {', '.join(fault.value for fault in Fault)}")
    executed = said.get("executed", False)
    if not isinstance(executed, bool):
        raise Refusal(400, "FAULT_INVALID", "executed is true or false")
    return Order(
        kind,
        after=_count(said, "after", 0),
        times=_count(said, "times", 1),
        executed=executed,
        ins=_count(said, "ins", 0, most=0xFF) if "ins" in said else None,
        longer_than=_count(said, "longer_than", 0),
        answer=_bytes(said.get("bytes", "")),
        seconds=_seconds(said.get("seconds", 0.0)),
    )


def _count(said: dict[str, Any], name: str, default: int, most: int = MAX_COUNT) -> int:
    count = said.get(name, default)
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= most:
        raise Refusal(400, "FAULT_INVALID", f"{name} is 0 to {most}")
    return count


def _bytes(said: object) -> bytes:
    try:
        answer = bytes.fromhex(said) if isinstance(said, str) else None
    except ValueError:
        answer = None
    if answer is None or len(answer) > MAX_ANSWER_BYTES:
        raise Refusal(400, "FAULT_INVALID", f"bytes are hexadecimal digits, {MAX_ANSWER_BYTES} bytes at most")
    return answer


def _seconds(said: object) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said <= MAX_SECONDS:
        raise Refusal(400, "FAULT_INVALID", f"seconds are 0 to {MAX_SECONDS:g}")
    return float(said)
