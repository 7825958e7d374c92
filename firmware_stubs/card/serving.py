"""The cards as a process runs them: one port a slot for vpcd, one for the hand.

POST   /insert?slot=N, /pull?slot=N   put the card of a slot (0 unless told) in or take it out
PUT    /fault?slot=N                  arm a fault: JSON as in `faults`
DELETE /fault?slot=N                  disarm all of a slot
GET    /state?slot=N                  what the card is doing
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from firmware_stubs.camera.http_server import Handler, Server
from firmware_stubs.camera.refusal import Refusal
from firmware_stubs.camera.serving import running
from firmware_stubs.card.card import Card
from firmware_stubs.card.faults import MAX_FAULT_BYTES, parse_order
from firmware_stubs.card.memory import StateFile
from firmware_stubs.card.pcscd import MAX_SLOTS, SLOTS_A_READER
from firmware_stubs.card.profile import VN_CCCD, Profile
from firmware_stubs.card.reader_slot import ReaderSlot

_PORT_ATTEMPTS: Final = 100


def serve(
    host: str,
    port: int,
    control_port: int,
    *,
    slots: int = 1,
    state: Path | None = None,
    profile: Profile = VN_CCCD,
    ready: Callable[[str, str], None],
    stop: threading.Event,
) -> None:
    """Serve cards until `stop` is set; blocks.

    port: of the first slot, the others follow; 0 for any that are free. slots: with a card in, 1 to 16; vpcd's readers
    have two each, so a last odd reader's second slot starts empty. state: keeps the cards over the process's end.
    ready: called once with the URL of the first slot and that of the control port.
    Raises OSError where a port cannot be bound or `state` cannot be used.
    """
    if not 1 <= slots <= MAX_SLOTS:
        raise ValueError(f"slots are 1 to {MAX_SLOTS}, not {slots}")
    total = slots + slots % SLOTS_A_READER
    file = StateFile(state)
    memories = file.load(total)
    lock = threading.RLock()

    def keep() -> None:
        with lock:
            file.save(memories)

    listeners = _listeners(host, port, total)
    cards = [Card(memory, profile, keep) for memory in memories[:total]]
    with contextlib.ExitStack() as at_end:
        served = []
        for number, (listener, card) in enumerate(zip(listeners, cards, strict=True)):
            slot = ReaderSlot(listener, card, lock, inserted=number < slots)
            at_end.callback(slot.close)
            served.append(slot)
        control = at_end.enter_context(running(Server((host, control_port), ControlHandler, served)))
        ready(f"vpcd://{host}:{served[0].port}", control.url)
        stop.wait()
    keep()


class ControlHandler(Handler):
    """Answers every change with the state of the slot that it led to."""

    server: Server[list[ReaderSlot]]
    server_version = "card-stub"

    def post_insert(self) -> None:
        """Put the card in."""
        self._slot().insert()
        self.get_state()

    def post_pull(self) -> None:
        """Take the card out."""
        self._slot().pull()
        self.get_state()

    def put_fault(self) -> None:
        """Arm a fault."""
        slot = self._slot()
        slot.arm(parse_order(self.body(MAX_FAULT_BYTES)))
        self.get_state()

    def delete_fault(self) -> None:
        """Disarm all faults."""
        self._slot().disarm()
        self.get_state()

    def get_state(self) -> None:
        """Answer with the slot's state."""
        self.answer_json(self._slot().state())

    def _slot(self) -> ReaderSlot:
        query = self.path.partition("?")[2]
        name, _, said = query.partition("=")
        slots = self.server.camera
        if query and (name != "slot" or not said.isascii() or not said.isdecimal() or len(said) > 2):
            raise Refusal(400, "PARAMETER_UNKNOWN", "the only parameter is slot, a number")
        number = int(said or 0)
        if number >= len(slots):
            raise Refusal(404, "SLOT_UNKNOWN", f"slots are 0 to {len(slots) - 1}")
        return slots[number]

    routes: ClassVar[Mapping[str, Mapping[str, Callable[[Any], None]]]] = {
        "/insert": {"POST": post_insert},
        "/pull": {"POST": post_pull},
        "/fault": {"PUT": put_fault, "DELETE": delete_fault},
        "/state": {"GET": get_state},
    }


def _listeners(host: str, port: int, count: int) -> list[socket.socket]:
    """Listening sockets on ports that follow each other. Raises OSError."""
    for attempt in range(1, _PORT_ATTEMPTS + 1):
        opened: list[socket.socket] = []
        try:
            opened.append(socket.create_server((host, port)))
            first = opened[0].getsockname()[1]
            opened += [socket.create_server((host, first + slot)) for slot in range(1, count)]
        except (OSError, OverflowError) as error:
            for listener in opened:
                listener.close()
            if port or attempt == _PORT_ATTEMPTS:
                raise OSError(f"no {count} ports in a row from {port or 'any'}: {error}") from error
        else:
            return opened
    raise AssertionError("unreachable")
