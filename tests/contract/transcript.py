"""A device that plays a script over USB/IP: it compares every byte it is sent, and answers nothing else.

Steps, in order; a read may be queued before its turn comes:

    Out(endpoint, payload)       the host writes exactly this
    Control(request, value, index)  a vendor request outwards, without data
    In(endpoint, length, data)   the host reads with a buffer of this length and gets this
    Silence(endpoint)            the host reads and gets nothing until it gives up
"""

from __future__ import annotations

import struct
import threading
from dataclasses import dataclass

from tests.contract.scripted_usbip import Session, Submit


@dataclass(frozen=True)
class Out:
    endpoint: int
    payload: bytes


@dataclass(frozen=True)
class Control:
    request: int
    value: int
    index: int


@dataclass(frozen=True)
class In:
    endpoint: int
    length: int
    data: bytes


@dataclass(frozen=True)
class Silence:
    endpoint: int


Step = Out | Control | In | Silence


class Transcript:
    """Serves one import. surprises: what the host did that the script does not say; played: set at its end."""

    def __init__(self, steps: list[Step]) -> None:
        self.surprises: list[str] = []
        self.played = threading.Event()
        self._steps = steps
        self._next = 0
        self._waiting: list[Submit] = []

    def serve(self, session: Session) -> None:
        while True:
            submit = session.next_vendor_submit()
            self._waiting.append(submit)
            if submit[2] == 0 or submit[1] == 0:
                self._check_expected(submit)
            self._play(session)

    def _check_expected(self, submit: Submit) -> None:
        """A write must be the next write of the script; reads are allowed to be early."""
        writes = [step for step in self._steps[self._next :] if isinstance(step, Out | Control)]
        if not writes or writes[0] != _as_step(submit):
            self.surprises.append(f"{_as_step(submit)} instead of {writes[:1]}")

    def _play(self, session: Session) -> None:
        while self._next < len(self._steps):
            step = self._steps[self._next]
            submit = next((waiting for waiting in self._waiting if _fits(waiting, step)), None)
            if submit is None:
                return
            self._waiting.remove(submit)
            self._next += 1
            if isinstance(step, In):
                session.complete(submit[0], step.data)
            elif not isinstance(step, Silence):
                session.complete(submit[0], length=len(submit[5]))
        self.played.set()


def _as_step(submit: Submit) -> Out | Control:
    _, _, endpoint, _, setup, payload = submit
    if endpoint:
        return Out(endpoint, payload)
    _, request, value, index, _ = struct.unpack("<BBHHH", setup)
    return Control(request, value, index)


def _fits(submit: Submit, step: Step) -> bool:
    _, direction, endpoint, length, _, _ = submit
    match step:
        case In():
            return (direction, endpoint, length) == (1, step.endpoint & 0x7F, step.length)
        case Silence():
            return (direction, endpoint) == (1, step.endpoint & 0x7F)
        case _:
            return direction == 0 and _as_step(submit) == step
