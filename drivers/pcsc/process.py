"""python -m drivers.pcsc.process: PC/SC for the driver that started it, on the socket at standard input.

A process an open reader, because a transmit has no limit in time and cannot be interrupted: whoever waits for it too
long ends this process. It ends when its socket does.

    {"call": "list", "only"}                       {"value": [reader, ...]}; only: of that name, "" for all
    {"call": "wait_card", "reader", "wait_s"}      {"value": "card" | "mute" | "in_use" | "empty"}
    {"call": "connect", "reader"}                  nothing said
    {"call": "reset"}                              {"value": {...}}, content: the answer to reset
    nothing said, content: a command APDU          nothing said, content: its answer
    {"after": "9000"}, content: likewise           the same; {"value": "not sent"} unless the one before brought 9000
    {"call": "let_go"}                             nothing said
    {"call": "watch"}                              {"value": {...}} at each change, until the socket ends (`watching`)
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import threading
import time
from typing import Any, Final

from drivers import pipe
from drivers.errors import DriverError
from drivers.pcsc.library import Library
from drivers.pcsc.slot import Slot
from drivers.pcsc.watching import describe, watch
from drivers.pipe import Message
from drivers.side_process import told

_ORPHAN_GRACE_S: Final = 1.0  # for a call that is under way when the driver's process has died


def main() -> None:
    """Answer until the socket ends; then let go of the card."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver's process, which then closes the reader
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    channel = socket.socket(fileno=os.dup(0))
    threading.Thread(target=_end_with, args=(channel,), name="orphan", daemon=True).start()
    server = _Server()
    try:
        while True:
            request = pipe.receive(channel)
            try:
                if request.said.get("call") == "watch":
                    watch(server.library(), lambda state: pipe.send(channel, Message({"value": state})))
                answer = server.answer(request)
            except DriverError as error:
                answer = told(error)
            pipe.send(channel, answer)
    except (EOFError, OSError):
        return  # nobody is there to be told
    finally:
        server.close()


class _Server:
    def __init__(self) -> None:
        self._library: Library | None = None
        self._slot: Slot | None = None
        self._last = b""  # status word

    def library(self) -> Library:
        if self._library is None:
            self._library = Library()
        return self._library

    def answer(self, request: Message) -> Message:
        said: dict[str, Any] = request.said
        if "call" not in said and self._slot is not None:
            return self._transmit(self._slot, request)
        match said.get("call"):
            case "list":
                return Message({"value": describe(self.library(), said["only"])})
            case "wait_card":
                return Message({"value": Slot(self.library(), said["reader"]).wait_card(said["wait_s"])})
            case "connect":
                self._let_go()
                self._slot = Slot(self.library(), said["reader"])
                self._slot.connect()
                return Message()
            case "reset" if self._slot is not None:
                held = self._slot.reset()
                value = {"protocol": held.protocol, "shared": held.shared, "max_apdu_data": held.max_apdu_data}
                return Message({"value": value}, held.answer_to_reset)
            case "let_go":
                self._let_go()
                return Message()
            case call:
                raise ValueError(call)

    def _transmit(self, slot: Slot, request: Message) -> Message:
        if request.said and self._last != b"\x90\x00":
            return Message({"value": "not sent"})
        self._last = b""
        answer = slot.transmit(request.content)
        self._last = answer[-2:]
        return Message(content=answer)

    def _let_go(self) -> None:
        slot, self._slot = self._slot, None
        if slot is not None:
            slot.let_go()

    def close(self) -> None:
        self._let_go()
        if self._library is not None:
            self._library.forget()


def _end_with(channel: socket.socket) -> None:
    """End this process soon after the other side of the channel closed, whatever a call is waiting for."""
    poll = select.poll()
    poll.register(channel, getattr(select, "POLLRDHUP", 0))
    poll.poll()
    time.sleep(_ORPHAN_GRACE_S)
    os._exit(1)


if __name__ == "__main__":
    main()
