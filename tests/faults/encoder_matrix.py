"""What goes wrong between an encoder and its card, and what must come of it: one row a fault.

Each row is tried at every exchange of two small scripts: SELECT, an UPDATE of 900 octets, a READ; in short lengths,
where the UPDATE is a chain of four, and in extended ones, where the READ is of 600 octets. And once within SELECT and
two such READs in a row, when the first READ is with the card and the second waits behind it.

    python -m tests.faults.encoder_matrix [--fault NAME]... [--json]    tries all of it and prints a summary
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from drivers.errors import (
    CardServiceGone,
    DeviceBusy,
    DeviceError,
    DeviceGone,
    DeviceStalled,
    ProtocolViolation,
    TransmitLost,
)


class Script(Enum):
    """Which lengths the script is carried in; at how many of its exchanges a fault is tried."""

    SHORT = 6
    EXTENDED = 3
    ROW = 1


class Answer(Enum):
    """A fault that ends in answers."""

    UNNOTICED = "unnoticed"  # the same as without the fault
    ANY = "any"  # what the card said, or what came of asking again in another length


class Cause(Enum):
    """Who does it."""

    CARD = "card"  # armed in the model
    SERVICE_KILLED = "service_killed"  # within an exchange
    SERVICE_RESTARTED = "service_restarted"  # between two
    SERVICE_HANGS = "service_hangs"  # it is stopped, and goes on later
    READER_LEFT = "reader_left"  # the service comes back without it, between two
    OTHER_RESETS = "other_resets"  # a program that has shared the card from before
    OTHER_SELECTS = "other_selects"  # likewise, wants to send a command
    OTHER_HOLDS = "other_holds"  # alone, before we do
    OTHER_IN_TRANSACTION = "other_in_transaction"  # likewise
    PROCESS_KILLED = "process_killed"  # ours, which serves the reader


Outcome = type[DeviceError] | Answer


@dataclass(frozen=True, slots=True)
class Row:
    """One fault. fault: as the model takes it. everywhere: at each exchange, or before the first only."""

    name: str
    outcome: Outcome
    cause: Cause = Cause.CARD
    fault: Mapping[str, object] = field(default_factory=dict, hash=False)
    everywhere: bool = True


@dataclass(frozen=True, slots=True)
class Cell:
    """A row at one place. at: exchanges that pass before it strikes, beside the first of a row."""

    row: Row
    script: Script
    at: int

    def __str__(self) -> str:
        return f"{self.row.name}-{self.script.name.lower()}-{self.at}"


def _answers(octets: str, times: int = 1) -> dict[str, object]:
    return {"kind": "answer", "bytes": octets, "times": times}


_EVER = 10_000
ROWS = (
    Row("pulled, not carried out", TransmitLost, fault={"kind": "pull"}),
    Row("pulled, carried out", TransmitLost, fault={"kind": "pull", "executed": True}),
    Row("power lost, not carried out", TransmitLost, fault={"kind": "power_loss"}),
    Row("power lost, carried out", TransmitLost, fault={"kind": "power_loss", "executed": True}),
    Row("silent", DeviceStalled, fault={"kind": "silent"}),
    Row("slow", Answer.UNNOTICED, fault={"kind": "slow", "seconds": 0.1}),
    Row("answers nothing", DeviceStalled, fault=_answers("")),  # vpcd waits on: no reader's driver hands that up
    Row("answers one octet", ProtocolViolation, fault=_answers("90")),
    Row("answers anything", Answer.ANY, fault=_answers("A5" * 700)),
    Row("answers 6700", Answer.ANY, fault=_answers("6700")),
    Row("answers 6700 for ever", Answer.ANY, fault=_answers("6700", _EVER)),
    Row("answers 6C00 for ever", ProtocolViolation, fault=_answers("6C00", _EVER)),
    Row("answers 6C07 for ever", ProtocolViolation, fault=_answers("6C07", _EVER)),
    Row("answers 6100 for ever", ProtocolViolation, fault=_answers("6100", _EVER)),
    Row("answers octets and 6100 for ever", ProtocolViolation, fault=_answers("A5" * 256 + "6100", _EVER)),
    Row("service killed within an exchange", CardServiceGone, Cause.SERVICE_KILLED),
    Row("service restarted between two", CardServiceGone, Cause.SERVICE_RESTARTED),
    Row("service hangs", DeviceStalled, Cause.SERVICE_HANGS),
    Row("reader left", DeviceGone, Cause.READER_LEFT, everywhere=False),
    Row("another program resets", Answer.UNNOTICED, Cause.OTHER_RESETS),
    Row("another program selects", Answer.UNNOTICED, Cause.OTHER_SELECTS),
    Row("another program holds", DeviceBusy, Cause.OTHER_HOLDS, everywhere=False),
    Row("another program is in a transaction", DeviceBusy, Cause.OTHER_IN_TRANSACTION, everywhere=False),
    Row("our process killed", DeviceStalled, Cause.PROCESS_KILLED),
)
# These strike at every reader at once.
ALONE = frozenset((Cause.SERVICE_KILLED, Cause.SERVICE_RESTARTED, Cause.SERVICE_HANGS, Cause.READER_LEFT))


def cells(rows: tuple[Row, ...] = ROWS) -> Iterator[Cell]:
    """All that is to be tried."""
    for row in rows:
        for script in Script:
            for at in range(script.value) if row.everywhere else (0,):
                yield Cell(row, script, at)


if __name__ == "__main__":
    from tests.faults.encoder_summary import main

    main()
