"""Cards as a process of their own, and connections to them through the real pcscd."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

from tests.contract.device_stubs import DeviceStub


class CardStub(DeviceStub):
    """Cards in the slots of a pcscd with a gate."""

    def __init__(
        self, gate: Path, *, slots: int = 1, state: Path | None = None, extended: str = "announced", atr: str = ""
    ) -> None:
        kept = [] if state is None else ["--state", str(state)]
        kind = ["--extended", extended, "--atr", atr]
        super().__init__("card", "--gate", str(gate), "--slots", str(slots), *kind, *kept)

    def state(self, slot: int = 0) -> Any:
        return self.control("GET", f"/state?slot={slot}")

    def insert(self, slot: int = 0) -> None:
        self.control("POST", f"/insert?slot={slot}")

    def pull(self, slot: int = 0) -> None:
        self.control("POST", f"/pull?slot={slot}")

    def exchange(self, slot: int = 0) -> None:
        """Take the card out and put it in again. Returns as `await_connected` does."""
        self.pull(slot)
        self.insert(slot)
        self.await_connected(slot)

    def await_connected(self, slot: int = 0) -> None:
        """Return when pcscd has met the card that is in, and found the slot empty before."""
        self._await(slot, lambda state: state["connected"])

    def await_struck(self, slot: int = 0) -> None:
        """Return when all faults that were armed have come."""
        self._await(slot, lambda state: not state["faults"])

    def await_apdus(self, count: int, slot: int = 0) -> None:
        """Return when so many have reached the card since it began: no fault that is armed then is for one of them."""
        self._await(slot, lambda state: state["apdus"] >= count)

    def _await(self, slot: int, condition: Callable[[Any], object]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition(state := self.state(slot)):
            assert time.monotonic() < deadline, state
            time.sleep(0.01)

    def arm(self, kind: str, slot: int = 0, **details: object) -> None:
        self.control("PUT", f"/fault?slot={slot}", json.dumps({"kind": kind} | details).encode())


NO_SERVICE: Final = 0x8010001D
NOT_TRANSACTED: Final = 0x80100016
REMOVED: Final = 0x80100069
_TIMEOUT: Final = 0x8010000A
WAIT_S: Final = 10.0
_T = TypeVar("_T")


class PcscError(Exception):
    """What PC/SC answered but success."""

    def __init__(self, code: int) -> None:
        super().__init__(f"{code & 0xFFFFFFFF:08X}")
        self.code = code & 0xFFFFFFFF


class Connection:
    """A connection of pyscard's plain functions: its objects complain, when collected, of a pcscd that is gone.

    opened: all of them, which the fixture closes.
    """

    opened: ClassVar[list[Connection]] = []

    def __init__(self, slot: int) -> None:
        scard: Any = importlib.import_module("smartcard.scard")
        self._scard = scard
        self._context = self._done(*scard.SCardEstablishContext(scard.SCARD_SCOPE_USER))
        try:
            self.reader: str = self.readers()[slot]
            self._card, _ = self._done(
                *scard.SCardConnect(self._context, self.reader, scard.SCARD_SHARE_SHARED, scard.SCARD_PROTOCOL_T1)
            )
        except (PcscError, IndexError) as error:
            scard.SCardReleaseContext(self._context)
            raise error if isinstance(error, PcscError) else PcscError(scard.SCARD_E_UNKNOWN_READER) from None
        self.opened.append(self)

    def readers(self) -> list[str]:
        return list(self._done(*self._scard.SCardListReaders(self._context, [])))

    def atr(self) -> bytes:
        *_, atr = self._done(*self._scard.SCardStatus(self._card))
        return bytes(atr)

    def send(self, apdu: str) -> tuple[bytes, int]:
        """Response data and status word. Raises PcscError."""
        answer = self.transmit(bytes.fromhex(apdu))
        return answer[:-2], int.from_bytes(answer[-2:])

    def transmit(self, apdu: bytes) -> bytes:
        """The response APDU. Raises PcscError."""
        scard = self._scard
        return bytes(self._done(*scard.SCardTransmit(self._card, scard.SCARD_PCI_T1, list(apdu))))

    def close(self) -> None:
        self._scard.SCardDisconnect(self._card, self._scard.SCARD_LEAVE_CARD)
        self._scard.SCardReleaseContext(self._context)

    @classmethod
    def close_all(cls) -> None:
        while cls.opened:
            cls.opened.pop().close()

    @staticmethod
    def _done(code: int, *answer: Any) -> Any:
        if code:
            raise PcscError(code)
        return answer[0] if len(answer) == 1 else answer


def within(seconds: float, attempt: Callable[[], _T]) -> _T:
    """The first answer that is no PcscError: pcscd looks at its slots every 400 ms."""
    end = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except PcscError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def connected(slot: int = 0) -> Connection:
    """A connection to a slot's card, once pcscd has seen it."""
    return within(WAIT_S, lambda: Connection(slot))


def await_empty(slot: int) -> None:
    """Return when pcscd has seen that there is no card in a slot."""
    scard: Any = importlib.import_module("smartcard.scard")
    context = Connection._done(*scard.SCardEstablishContext(scard.SCARD_SCOPE_USER))
    try:
        reader = Connection._done(*scard.SCardListReaders(context, []))[slot]
        state = scard.SCARD_STATE_UNAWARE
        deadline = time.monotonic() + WAIT_S
        while not state & scard.SCARD_STATE_EMPTY:
            assert time.monotonic() < deadline
            code, told = scard.SCardGetStatusChange(context, 100, [(reader, state)])
            assert code & 0xFFFFFFFF in (0, _TIMEOUT)
            ((_, state, _),) = told
    finally:
        scard.SCardReleaseContext(context)
