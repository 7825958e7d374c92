"""Which readers there are, and word of each that comes or goes. Nothing of PC/SC is loaded into this process.

While somebody watches, a process of its own listens to the service, finds it again after a restart, and every look is
answered from what it told last; else a look asks once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from drivers import pipe
from drivers.errors import CardServiceGone, DriverError, UnsupportedDevice
from drivers.pcsc.names import parse_name
from drivers.pcsc.remote import RemoteReader
from drivers.pipe import Message
from drivers.side_process import SideProcess, error_of

_FIRST_WORD_LIMIT_S: Final = 10.0
_SILENCE_LIMIT_S: Final = 10.0  # it tells something every second
_RESTART_S: Final = 1.0

_logger = logging.getLogger(__name__)
_watching: list[Monitor] = []


@dataclass(frozen=True, slots=True)
class Reader:
    """One slot of a reader. name: as PC/SC has it now. arrival: differs from one plugging in to the next, or ""."""

    name: str
    model: str
    serial: str
    slot: int
    vendor: str
    arrival: str = ""


def list_readers() -> list[Reader]:
    """All of them. Raises UnsupportedDevice where pyscard is missing, CardServiceGone, DeviceStalled."""
    if _watching:
        return _watching[-1].readers()
    asked = RemoteReader("PC/SC")
    try:
        return [_reader(told, "") for told in asked.readers()]
    finally:
        asked.close()


def watch_readers(on_change: Callable[[], None]) -> Callable[[], None]:
    """Call back, on another thread, when a reader comes or goes or the service does; returns what ends it."""
    monitor = Monitor(on_change)
    _watching.append(monitor)

    def end() -> None:
        _watching.remove(monitor)
        monitor.close()

    return end


class Monitor:
    """Listens until closed; survives the service, and its own process."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._readers: Sequence[Reader] = ()
        self._problem: DriverError | None = None
        self._known = threading.Event()
        self._closing = threading.Event()
        self._arrivals = 0
        self._lock = threading.Lock()
        self._process: SideProcess | None = None
        self._thread = threading.Thread(target=self._run, name="pcsc-monitor", daemon=True)
        self._thread.start()

    def readers(self) -> list[Reader]:
        """As last told. Raises the DriverError that keeps it from being known."""
        if not self._known.wait(_FIRST_WORD_LIMIT_S):
            raise CardServiceGone("the PC/SC service does not answer", limit_s=_FIRST_WORD_LIMIT_S)
        with self._lock:
            if self._problem is not None:
                raise self._problem
            return list(self._readers)

    def close(self) -> None:
        """End the thread and its process."""
        with self._lock:
            self._closing.set()
            if self._process is not None:
                self._process.kill()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                with self._lock:
                    if self._closing.is_set():
                        return
                    self._process = SideProcess("drivers.pcsc.process")
                self._listen(self._process)
            except UnsupportedDevice as error:
                self._tell((), error)
                self._closing.wait()
            except DriverError as error:
                self._tell((), error)
            except (EOFError, OSError) as error:
                if not self._closing.is_set():
                    _logger.warning("the process that watches card readers ended (%s): another is started", error)
                    self._tell((), CardServiceGone("the PC/SC service does not answer"))
            finally:
                if self._process is not None:
                    self._process.close()
            self._closing.wait(_RESTART_S)

    def _listen(self, process: SideProcess) -> None:
        pipe.send(process.channel, Message({"call": "watch"}))
        while True:
            said = pipe.receive(process.channel, _SILENCE_LIMIT_S).said
            if "error" in said:
                raise error_of(said)
            state = said["value"]
            if state:
                self._tell(state["readers"], error_of(state["problem"]) if state["problem"] else None)

    def _tell(self, told: Sequence[dict[str, Any]], problem: DriverError | None) -> None:
        before = {reader.name: reader for reader in self._readers}
        now = []
        for one in told:
            known = before.get(one["name"])
            if known is None or known.serial != one["serial"]:
                self._arrivals += 1
                known = _reader(one, str(self._arrivals))
            now.append(known)
        with self._lock:
            self._readers, self._problem = now, problem
        self._known.set()
        self._on_change()


def _reader(told: dict[str, Any], arrival: str) -> Reader:
    name = parse_name(told["name"])
    return Reader(told["name"], name.model, told["serial"], name.slot, told["vendor"], arrival)
