"""The cards as a process runs them: each in a slot of vpcd, and one port for the hand, on loopback.

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
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from firmware_stubs.camera.http_server import Handler, Server
from firmware_stubs.camera.refusal import Refusal
from firmware_stubs.camera.serving import running
from firmware_stubs.card.card import Card
from firmware_stubs.card.faults import MAX_FAULT_BYTES, parse_order
from firmware_stubs.card.gate import LOOPBACK, connect
from firmware_stubs.card.memory import StateFile
from firmware_stubs.card.pcscd import FIRST_PORT, MAX_SLOTS
from firmware_stubs.card.profile import VN_CCCD, Profile
from firmware_stubs.card.reader_slot import Pace, ReaderSlot


def serve(
    host: str,
    port: int,
    control_port: int,
    *,
    gate: Path | None = None,
    slots: int = 1,
    state: Path | None = None,
    profile: Profile = VN_CCCD,
    pace: Pace = Pace(),  # noqa: B008 - frozen
    ready: Callable[[str, str], None],
    stop: threading.Event,
) -> None:
    """Serve cards until `stop` is set; blocks.

    host, port: of vpcd's first slot, the others follow; port 0 for vpcd's own, 35963. gate: to a vpcd in a network of
    its own, instead of host. slots: with a card in each, 1 to 16. state: keeps the cards over the process's end.
    pace: of their wire.
    ready: called once with the URL of the first slot and that of the control port; vpcd need not be there yet.
    Raises OSError where a port cannot be bound or `state` cannot be used.
    """
    if not 1 <= slots <= MAX_SLOTS:
        raise ValueError(f"slots are 1 to {MAX_SLOTS}, not {slots}")
    first = port or FIRST_PORT
    file = StateFile(state)
    memories = file.load(slots)
    lock = threading.RLock()

    def keep() -> None:
        with lock:
            file.save(memories)

    def to_vpcd(number: int) -> socket.socket:
        return socket.create_connection((host, first + number)) if gate is None else connect(gate, first + number)

    with contextlib.ExitStack() as at_end:
        served: list[ReaderSlot] = []
        control = at_end.enter_context(running(Server((LOOPBACK, control_port), ControlHandler, served)))
        for number, memory in enumerate(memories[:slots]):
            slot = ReaderSlot(number, partial(to_vpcd, number), Card(memory, profile, keep), lock, pace)
            at_end.callback(slot.close)
            served.append(slot)
        ready(f"vpcd://{host}:{first}" if gate is None else f"vpcd+unix://{gate}", control.url)
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
