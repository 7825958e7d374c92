"""An encoder behind PC/SC: any reader that the system has a driver for. See README.md here."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from drivers.card.probing import LengthMemory, find_lengths
from drivers.card.transport import Exchange, Lengths, carry, in_one_exchange
from drivers.errors import (
    CaptureTimedOut,
    CardGone,
    CardMute,
    DeviceBusy,
    DeviceError,
    DeviceNotFound,
    DeviceNotReady,
    DeviceStalled,
    DriverError,
    UnsupportedDevice,
)
from drivers.pcsc.holders import likely_holders
from drivers.pcsc.names import parse_name
from drivers.pcsc.remote import RemoteReader
from drivers.spi import CancelToken, DeviceIdentity, HeldCard
from drivers.traffic import TRAFFIC_LEVEL, traffic

SCHEME: Final = "pcsc"

_TRANSMIT_LIMIT_S: Final = 30.0  # a card that makes an RSA key asks for time again and again
_CONNECT_LIMIT_S: Final = 2.0
_RESET_LIMIT_S: Final = 10.0
_BUSY_PATIENCE_S: Final = 2.0  # what looks at a new card (a desktop, gpg) is done with it by then
_PAUSE_S: Final = 0.05  # between two attempts
_MUTE_PATIENCE_S: Final = 1.0  # a card that is being pushed in has bad contacts at first
_SLICE_S: Final = 0.1  # within which a cancelled wait ends
_LET_GO_LIMIT_S: Final = 3.0
_AT_ONCE: Final = 2  # a command that the card works on, and the next
_OK: Final = b"\x90\x00"

_lengths = LengthMemory()
_stuck: set[str] = set()  # readers where the service may still wait for a card, though who asked has been ended
_logger = logging.getLogger(__name__)


class PcscEncoder:
    """A reader at pcsc:NAME, NAME as PC/SC has it now; implements CardEncoder.

    transmit_limit_s: how long a card may take for one command. busy_patience_s: how long another program's hold is
    waited for.
    Raises UnsupportedDevice for another kind of address.
    """

    def __init__(
        self,
        address: str,
        *,
        transmit_limit_s: float = _TRANSMIT_LIMIT_S,
        busy_patience_s: float = _BUSY_PATIENCE_S,
        memory: LengthMemory = _lengths,
    ) -> None:
        scheme, _, name = address.partition(":")
        if scheme.lower() != SCHEME or not name:
            raise UnsupportedDevice("not the address of a card reader: pcsc:NAME")
        self._name = name
        self._model = parse_name(name).model
        self._transmit_limit_s = transmit_limit_s
        self._busy_patience_s = busy_patience_s
        self._memory = memory
        self._reader: RemoteReader | None = None
        self._is_open = False
        self._identity = DeviceIdentity("", self._model, parse_name(name).serial, "")

    @property
    def identity(self) -> DeviceIdentity:
        return self._identity

    def open(self) -> None:
        if self._is_open:
            return
        found = self._served().readers(self._name)
        if not found:
            self.close()
            raise DeviceNotFound(f"{self._name}: no such reader is attached", reader=self._name)
        self._identity = DeviceIdentity(found[0]["vendor"], self._model, found[0]["serial"], "")
        self._is_open = True

    def close(self) -> None:
        self._is_open = False
        self._end_process()

    @contextlib.contextmanager
    def hold(self, *, timeout_s: float, cancel: CancelToken) -> Iterator[HeldCard]:
        if not self._is_open:
            raise DeviceNotReady("the reader is not open", reader=self._name)
        card = self._held(time.monotonic() + timeout_s, timeout_s, cancel)
        try:
            yield card
        finally:
            if card.is_stalled:
                _stuck.add(self._name)
            card.end()
            self._let_go()

    def _held(self, deadline: float, timeout_s: float, cancel: CancelToken) -> _Held:
        """Wait for a card and hold it; what passes by itself is waited for, each in its own patience."""
        patience: dict[type[DeviceError], float] = {}
        while True:
            cancel.raise_if_cancelled()
            begun = time.monotonic()
            try:
                if (card := self._try_to_hold(deadline, cancel)) is not None:
                    return card
                patience.clear()  # nothing is there: whatever comes is another try at putting a card in
            except (DeviceBusy, CardMute) as error:
                allowed = self._busy_patience_s if isinstance(error, DeviceBusy) else _MUTE_PATIENCE_S
                if time.monotonic() >= min(deadline, patience.setdefault(type(error), begun + allowed)):
                    raise self._explained(error) from error
                time.sleep(_PAUSE_S)
                continue
            except CardGone:  # between seeing it and holding it, or at a probe that was too long: it may come back
                patience.clear()
                time.sleep(_PAUSE_S)  # the service takes its time to see that it went
            if time.monotonic() >= deadline:
                words = f"{self._name}: no card came within {timeout_s:g} s"
                raise CaptureTimedOut(words, reader=self._name, timeout_s=timeout_s)

    def _try_to_hold(self, deadline: float, cancel: CancelToken) -> _Held | None:
        """None where no card came within a moment."""
        reader = self._served()
        try:
            state = reader.wait_card(max(0.0, min(_SLICE_S, deadline - time.monotonic())))
            if state == "empty":
                _stuck.discard(self._name)
                return None
            if state == "mute":
                raise CardMute(f"{self._name}: the card does not answer to reset", reader=self._name)
            if state == "in_use":
                raise DeviceBusy(f"{self._name}: another program holds the card", reader=self._name)
            self._connect(reader, cancel)
            slot = reader.reset(_RESET_LIMIT_S)
            _stuck.discard(self._name)
            lengths = find_lengths(
                lambda apdu: reader.transmit(apdu, self._transmit_limit_s),
                self._memory,
                model=self._model,
                kind=slot.answer_to_reset,
                told=slot.max_apdu_data,
                t0=slot.protocol == 0,
            )
        except DriverError as error:
            self._let_go()
            cancel.raise_if_cancelled()
            _logger.info("%s: the card is not held: %s", self._name, error)
            if isinstance(error, DeviceStalled):
                _stuck.add(self._name)
            raise
        return _Held(reader, self._name, slot.answer_to_reset, lengths, self._transmit_limit_s)

    def _connect(self, reader: RemoteReader, cancel: CancelToken) -> None:
        """Nothing but the process's end ends a wait for another program's transaction."""
        waiting = True
        cancel.on_cancel(lambda: reader.kill() if waiting else None)
        try:
            reader.connect(max(_CONNECT_LIMIT_S, self._busy_patience_s))
        finally:
            waiting = False

    def _explained(self, error: DeviceError) -> DeviceError:
        if not isinstance(error, DeviceBusy):
            return error
        if self._name in _stuck:
            words = f"{self._name}: the reader still waits for a card that does not answer: take the card out"
            return DeviceStalled(words, **error.facts)
        if holders := ", ".join(likely_holders()):
            return DeviceBusy(f"{error}; likely: {holders}", **error.facts, holders=holders)
        return error

    def _served(self) -> RemoteReader:
        if self._reader is not None and self._reader.has_ended:
            self._end_process()
        if self._reader is None:
            self._reader = RemoteReader(self._name)
        return self._reader

    def _let_go(self) -> None:
        """Take the card's power, by the end of the process where it does not come back."""
        if self._reader is None:
            return
        try:
            self._reader.let_go(_LET_GO_LIMIT_S)
        except DeviceError as error:
            _logger.debug("letting go of a card: %s", error)
            self._end_process()

    def _end_process(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()


class _Held:
    """A HeldCard. After a failure it carries nothing more: what the card did is not known, or it has forgotten us."""

    def __init__(
        self, reader: RemoteReader, name: str, answer_to_reset: bytes, lengths: Lengths, limit_s: float
    ) -> None:
        self._reader = reader
        self._name = name
        self._answer_to_reset = answer_to_reset
        self._lengths = lengths
        self._limit_s = limit_s
        self._opened_by = threading.current_thread().name
        self._failure: DeviceError | None = None
        self._begun = deque[bytes]()  # at the process, not yet answered
        self.is_stalled = False

    @property
    def answer_to_reset(self) -> bytes:
        return self._answer_to_reset

    @property
    def block(self) -> int:
        return self._lengths.block

    def transmit(self, apdu: bytes) -> bytes:
        self._settle()
        return self._carried(apdu, self._exchange)

    def transmit_each(self, apdus: Iterable[bytes]) -> Iterator[bytes]:
        self._settle()
        coming = iter(apdus)
        answer = _OK
        while answer[-2:] == _OK:
            in_turn = self._begin_some(coming)
            if self._begun:
                answer, not_sent = self._finish()
                if not_sent or in_turn:
                    coming = chain(not_sent, in_turn, coming)
            elif in_turn:
                answer = self._carried(in_turn[0], self._exchange)
            else:
                return
            yield answer

    def _begin_some(self, coming: Iterator[bytes]) -> list[bytes]:
        """Give the process what it may have at once; a command that must wait for its turn is returned."""
        while len(self._begun) < _AT_ONCE and (apdu := next(coming, None)) is not None:
            at_once = None if traffic.isEnabledFor(TRAFFIC_LEVEL) else in_one_exchange(apdu, self._lengths)
            if at_once is None:
                return [apdu]
            self._begin(at_once)
        return []

    def _begin(self, apdu: bytes) -> None:
        self._require_alive()
        try:
            self._reader.begin(apdu, self._limit_s, after_ok=bool(self._begun))
        except DeviceError as error:
            self._note(error, apdu)
            raise
        self._begun.append(apdu)

    def _finish(self) -> tuple[bytes, list[bytes]]:
        """The answer to the command that was begun first, and those after it that did not go to the card for it."""
        apdu = self._begun.popleft()
        try:
            answer = self._reader.finish(apdu, self._limit_s) or b""
        except DeviceError as error:
            self._note(error, apdu)
            raise
        if answer[-2:] == _OK:
            return answer, []
        not_sent, answers = self._settle(), [answer]
        return self._carried(apdu, lambda octets: answers.pop() if answers else self._exchange(octets)), not_sent

    def _settle(self) -> list[bytes]:
        """Receive what is still to come of commands that were begun; those that did not go to the card."""
        not_sent = []
        while self._begun:
            apdu = self._begun.popleft()
            try:
                if self._reader.finish(apdu, self._limit_s) is None:
                    not_sent.append(apdu)
            except DeviceError as error:
                self._note(error, apdu)
        return not_sent

    def _carried(self, apdu: bytes, exchange: Exchange) -> bytes:
        self._require_alive()
        try:
            return carry(apdu, exchange, self._lengths)
        except UnsupportedDevice:
            raise  # nothing was sent
        except DeviceError as error:
            self._note(error, apdu)
            raise

    def _require_alive(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _note(self, error: DeviceError, apdu: bytes) -> None:
        """The error of a command is completed, and the last."""
        error.facts.setdefault("reader", self._name)
        error.facts.setdefault("under", f"command {apdu[:2].hex().upper()}")
        self._failure = self._failure or CardGone("the card must be held anew: a command failed before", **error.facts)
        self.is_stalled = self.is_stalled or isinstance(error, DeviceStalled)

    def end(self) -> None:
        self._settle()
        self._failure = CardGone("the card was let go")

    def _exchange(self, apdu: bytes) -> bytes:
        if not traffic.isEnabledFor(TRAFFIC_LEVEL):
            return self._reader.transmit(apdu, self._limit_s)
        begun_s, answer, outcome = time.monotonic(), b"", ""
        try:
            answer = self._reader.transmit(apdu, self._limit_s)
            outcome = answer[-2:].hex().upper() or "nothing"
        except DeviceError as error:
            outcome = error.reason
            raise
        finally:
            elapsed_s = time.monotonic() - begun_s
            traffic.log(
                TRAFFIC_LEVEL,
                "apdu %s, %d bytes out, %d in, %.2f ms, %s",
                *(apdu[:4].hex(" ").upper(), len(apdu), len(answer), 1000 * elapsed_s, outcome),
                extra={"opened_by": self._opened_by, "direction": "out", "kind": "apdu", "elapsed_s": elapsed_s},
            )
        return answer
