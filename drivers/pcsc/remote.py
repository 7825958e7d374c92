"""The driver's side of a process that speaks PC/SC: each call with a limit in time, at which the process is ended.

The service keeps what such a process held until its driver of the reader comes back: a reader that never does holds its
slot until the card is pulled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from drivers.errors import DeviceBusy, DeviceStalled
from drivers.pipe import Message
from drivers.side_process import SideProcess

_START_LIMIT_S: Final = 10.0  # for Python, from a cold disk
_CALL_LIMIT_S: Final = 5.0  # of what asks the service alone
AFTER_OK: Final = {"after": "9000"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HeldSlot:
    """What holding a card told. protocol: 0 for T=0. max_apdu_data: octets that the reader says it carries, or None."""

    answer_to_reset: bytes
    protocol: int
    shared: bool
    max_apdu_data: int | None


class RemoteReader:
    """One reader by its present name, served by a process of its own. Raises DeviceError and nothing else."""

    def __init__(self, reader: str) -> None:
        """Start the process. Raises DeviceNotReady where the system starts none."""
        self._reader = reader
        self._process = SideProcess("drivers.pcsc.process")

    def readers(self, only: str = "") -> list[dict[str, Any]]:
        """All readers, or only the one of this name, each {"name", "serial", "vendor"}.

        Raises UnsupportedDevice without pyscard, CardServiceGone.
        """
        request = Message({"call": "list", "only": only})
        return list(self._ask(request, "listing readers", _START_LIMIT_S + _CALL_LIMIT_S).said["value"])

    def wait_card(self, wait_s: float) -> str:
        """As `slot.Slot.wait_card`."""
        request = Message({"call": "wait_card", "reader": self._reader, "wait_s": wait_s})
        return str(self._ask(request, "waiting for a card", wait_s + _CALL_LIMIT_S).said["value"])

    def connect(self, limit_s: float) -> None:
        """As `slot.Slot.connect`. Raises DeviceBusy where another program's transaction outlasts limit_s."""
        request = Message({"call": "connect", "reader": self._reader})
        try:
            self._ask(request, "connecting to the card", limit_s)
        except DeviceStalled as error:
            raise DeviceBusy(f"{self._reader}: another program does not let go of the card", **error.facts) from error

    def reset(self, limit_s: float) -> HeldSlot:
        """As `slot.Slot.reset`."""
        answer = self._ask(Message({"call": "reset"}), "resetting the card", limit_s)
        return HeldSlot(bytes(answer.content), **answer.said["value"])

    def transmit(self, apdu: bytes, limit_s: float) -> bytes:
        """One exchange. Raises as `slot.Slot.transmit`, and DeviceStalled beyond limit_s; nothing is sent again."""
        return bytes(self._ask(Message(content=apdu), _under(apdu), limit_s).content)

    def begin(self, apdu: bytes, limit_s: float, *, after_ok: bool) -> None:
        """Ask for one exchange; `finish` has its answer. after_ok: only if the one asked for before brings 9000.

        Raises as `transmit`.
        """
        request = Message(AFTER_OK if after_ok else {}, apdu)
        self._watched(lambda: self._process.send(request, limit_s), _under(apdu), limit_s, outcome="unknown")

    def finish(self, apdu: bytes, limit_s: float) -> bytes | None:
        """The answer to the command that was begun first; None where it did not go to the card.

        Raises as `transmit`.
        """
        answer = self._watched(lambda: self._process.receive(limit_s), _under(apdu), limit_s, outcome="unknown")
        return None if answer.said else bytes(answer.content)

    def let_go(self, limit_s: float) -> None:
        """Take the card's power."""
        self._ask(Message({"call": "let_go"}), "letting go of the card", limit_s)

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone, whatever ended it."""
        return self._process.has_ended

    def kill(self) -> None:
        """End the process now: a call that waits for it fails. From any thread."""
        self._process.kill()

    def close(self) -> None:
        """End the process, and with it whatever it holds. Never raises; idempotent."""
        self._process.close()

    def _ask(self, request: Message, under: str, limit_s: float) -> Message:
        facts = {} if request.said else {"outcome": "unknown"}
        return self._watched(lambda: self._process.ask(request, limit_s), under, limit_s, **facts)

    def _watched(self, call: Callable[[], T], under: str, limit_s: float, **more: str) -> T:
        facts: dict[str, str | int | float] = {"reader": self._reader, "under": under, **more}
        try:
            return call()
        except TimeoutError as error:
            words = f"{self._reader}: no answer within {limit_s:g} s ({under})"
            raise DeviceStalled(words, **facts, limit_s=limit_s) from error
        except (EOFError, OSError) as error:
            raise DeviceStalled(f"{self._reader}: the process that serves it ended ({under})", **facts) from error


def _under(apdu: bytes) -> str:
    return f"command {apdu[:2].hex().upper()}"
