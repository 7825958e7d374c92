"""A card in one slot of a virtual reader: a client of vpcd, whose driver in pcscd listens on a port a slot.

    length (2, big-endian) | body: a control byte (0 off, 1 on, 2 reset, 4 tell the ATR), or an APDU
    answer to 4 and to APDUs: length (2) | ATR or response APDU

A card that is in keeps trying to connect; one that is out has no connection. pcscd looks at its slots every 0.4 s: for
it to see that a card went, however soon another comes, the first look at each card that is put in finds nothing yet.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from firmware_stubs.card.card import Card
from firmware_stubs.card.faults import Fault, Order

POWER_OFF, POWER_ON, RESET, TELL_ATR = 0, 1, 2, 4
RETRY_S: Final = 0.05
_QUICK_ACK: Final = getattr(socket, "TCP_QUICKACK", None)  # without it each APDU waits 40 ms for a delayed ACK
_RESET_AT_CLOSE: Final = struct.pack("ii", 1, 0)
_READ_S: Final = 0.02  # for vpcd to have read an announced length before the reset takes it away

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a real reader and card exchange: what an exchange takes by itself, and its octets besides.

    exchange_s: seconds. octets_per_s: both ways; None for no time at all.
    """

    exchange_s: float = 0.0
    octets_per_s: float | None = None

    def seconds(self, octets: int) -> float:
        """Of an exchange of so many."""
        return self.exchange_s + (octets / self.octets_per_s if self.octets_per_s else 0.0)


class ReaderSlot:
    """Serves one card in a thread of its own until closed.

    connect: to vpcd, raising OSError while it is not there. lock: held while a card works, by all slots that share a
    state file. pace: at which the card answers, over what it takes for that.
    """

    def __init__(
        self,
        number: int,
        connect: Callable[[], socket.socket],
        card: Card,
        lock: threading.RLock,
        pace: Pace = Pace(),
    ) -> None:
        self._number = number
        self._connect = connect
        self._card = card
        self._lock = lock
        self._pace = pace
        self._inserted = threading.Event()
        self._inserted.set()
        self._seen_out = False
        self._met = False
        self._orders: list[Order] = []
        self._connection: socket.socket | None = None
        self._closing = threading.Event()
        self._freed = threading.Event()
        self._hurried = threading.Event()
        self._apdus = 0
        self._powered = False
        self._thread = threading.Thread(target=self._run, name=f"slot-{number}")
        self._thread.start()

    def insert(self) -> None:
        """Put the card into the slot."""
        self._inserted.set()

    def pull(self) -> None:
        """Take the card out, whatever it is doing."""
        self._seen_out = False
        self._inserted.clear()
        self._hang_up()

    def arm(self, order: Order) -> None:
        """Let a fault come; several may wait."""
        self._hurried.clear()
        self._orders.append(order)

    def disarm(self) -> None:
        """Forget all faults; an answer that is slow comes now."""
        self._orders.clear()
        self._hurried.set()

    def state(self) -> dict[str, object]:
        """What the card is doing.

        connected: whether pcscd has met it, and found the slot empty before. apdus: since the slot began.
        """
        memory = self._card.memory
        return {
            "inserted": self._inserted.is_set(),
            "connected": self._seen_out and self._met,
            "powered": self._powered,
            "apdus": self._apdus,
            "life_cycle": memory.life_cycle.name.lower(),
            "tries": memory.tries,
            "files": {f"{fid:04X}": len(content) for fid, content in memory.files.items()},
            "faults": [order.told() for order in self._orders if order.times],
        }

    def close(self) -> None:
        """Hang up and wait for the thread."""
        self._closing.set()
        self._inserted.set()
        self._hang_up()
        self._thread.join()

    def _run(self) -> None:
        pause_s = 0.0
        while self._inserted.wait() and not self._closing.wait(pause_s):
            pause_s = RETRY_S
            try:
                with self._connect() as connection:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
                    self._freed.clear()
                    self._hurried.clear()
                    self._connection = connection
                    if self._inserted.is_set() and not self._closing.is_set():
                        (self._serve if self._seen_out else self._be_missed)(connection)
            except OSError as gone:
                _log.debug("slot %d: %s", self._number, gone)
            finally:
                self._met = False
                self._connection = None
                self._power(on=False)

    def _be_missed(self, connection: socket.socket) -> None:
        """Be gone at the first question: vpcd takes a connection only in pcscd's look, which then finds no card."""
        while (body := _receive(connection)) is not None:
            if len(body) != 1 or body[0] == TELL_ATR:
                self._seen_out = True
                _break_off(connection)
                return

    def _serve(self, connection: socket.socket) -> None:
        while (body := _receive(connection)) is not None:
            self._met = True
            if len(body) != 1:
                answer = self._transmit(body)
                if answer is None:
                    _break_off(connection)
                    return
                time.sleep(self._pace.seconds(len(body) + len(answer)))
                _send(connection, answer)
            elif body[0] == TELL_ATR:
                self._save()
                _send(connection, self._card.profile.atr)
            else:
                self._power(on=body[0] != POWER_OFF)

    def _transmit(self, apdu: bytes) -> bytes | None:
        """The answer; None where the card is gone."""
        order = next((order for order in self._orders if order.strikes(apdu)), None)
        self._apdus += 1  # who has seen this knows that a fault armed from now on is not for this command
        if order is None:
            return self._execute(apdu)
        executed = self._execute(apdu) if order.executed or order.kind is Fault.SLOW else b""
        match order.kind:
            case Fault.PULL:
                self._seen_out = False
                self._inserted.clear()
                return None
            case Fault.POWER_LOSS:
                self._seen_out = False
                return None
            case Fault.ANSWER:
                return order.answer
            case Fault.SLOW:
                self._hurried.wait(order.seconds)
                return executed
            case Fault.SILENT:
                self._freed.wait()
                return None

    def _execute(self, apdu: bytes) -> bytes:
        with self._lock:
            return self._card.transmit(apdu)

    def _power(self, *, on: bool) -> None:
        """Every change of the power is a cold start to the card; what it wrote is kept."""
        with self._lock:
            self._card.power_off()
            self._powered = on
        self._save()

    def _save(self) -> None:
        with self._lock:
            if self._card.memory.unsaved:
                self._card.keep()

    def _hang_up(self) -> None:
        self._freed.set()
        self._hurried.set()
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)  # wakes the thread; the reset comes when it closes


def _break_off(connection: socket.socket) -> None:
    """Announce an answer that never comes: vpcd takes any other end for an empty one, as no reader would tell it."""
    connection.sendall(len(b"\x90\x00").to_bytes(2))
    time.sleep(_READ_S)


def _receive(connection: socket.socket) -> bytes | None:
    """One frame's body; None where the peer hung up."""
    length = _read(connection, 2)
    return None if length is None else _read(connection, int.from_bytes(length))


def _read(connection: socket.socket, count: int) -> bytes | None:
    content = bytearray()
    while len(content) < count:
        if _QUICK_ACK is not None:  # it holds until the next receive only
            connection.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
        part = connection.recv(count - len(content))
        if not part:
            return None
        content += part
    return bytes(content)


def _send(connection: socket.socket, body: bytes) -> None:
    connection.sendall(len(body).to_bytes(2) + body)
