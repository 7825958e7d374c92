"""Tries cells of the table in encoder_matrix.py: an encoder, the real pcscd, a card, a fault, and what comes of it."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from drivers.card.pcsc_encoder import PcscEncoder
from drivers.card.probing import LengthMemory
from drivers.errors import DeviceBusy, DeviceError, DeviceGone, DeviceStalled, TransmitLost
from drivers.messages import Language, sentence
from drivers.pcsc.names import parse_name
from drivers.spi import CancelToken
from firmware_stubs.card.memory import LifeCycle, Memory, StateFile
from firmware_stubs.card.pcscd import Pcscd
from tests.faults.encoder_matrix import ALONE, Answer, Cause, Cell, Script
from tests.pcsc.card_process import CardStub
from tests.pcsc.other_program import OtherProgram
from tests.processes import children_of, pause

READERS: Final = 5  # the last one is where a reader leaves, and as many tries as there are other slots run at a time
SLOTS: Final = 2 * READERS
CONTENT: Final = bytes(range(256)) * 3
HOLD_S: Final = 20.0
STALLED_S: Final = 0.5  # for an answer that does not come; whatever does has the encoder's own limits
BUSY_S: Final = 0.3  # likewise for a program that does not let go

SELECT: Final = bytes.fromhex("00A4020C02011C")
UPDATE: Final = bytes.fromhex("00D6000000") + (900).to_bytes(2) + bytes(900)
REFUSED: Final = bytes.fromhex("6982")  # an update without a secure channel


@dataclass(frozen=True, slots=True)
class Try:
    """failure: what of the promises was not kept; "" where all were."""

    cell: Cell
    failure: str = ""
    seconds: float = 0.0


def name_of(slot: int) -> str:
    return f"Card Model {slot // 2} 00 {slot % 2:02X}"


class Rig:
    """A pcscd and cards with one readable file each."""

    def __init__(self, folder: Path) -> None:
        self.pcscd = Pcscd(folder / "p", READERS)
        self._readers = folder / "p" / "readers"
        state = folder / "cards.json"
        memories = [Memory.blank(slot) for slot in range(SLOTS)]
        for memory in memories:
            memory.life_cycle = LifeCycle.OPERATIONAL
            memory.files[0x011C] = bytearray(CONTENT)
        StateFile(state).save(memories)
        self._environment = {name: os.environ.get(name) for name in self.pcscd.environment}
        os.environ.update(self.pcscd.environment)  # of the encoders' processes
        self.pcscd.start()
        self.cards = CardStub(self.pcscd.gate, slots=SLOTS, state=state)

    def restart_without_last_reader(self) -> None:
        self.pcscd.kill()
        (self._readers / f"reader-{READERS - 1}").rename(self._readers.parent / "left")
        self.pcscd.start()

    def bring_last_reader_back(self) -> None:
        self.pcscd.kill()
        (self._readers.parent / "left").rename(self._readers / f"reader-{READERS - 1}")
        self.pcscd.start()

    def restart(self) -> None:
        self.pcscd.kill()
        self.pcscd.start()

    def close(self) -> None:
        self.cards.stop()
        self.pcscd.stop()
        for name, value in self._environment.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def running_rig() -> Iterator[Rig]:
    with tempfile.TemporaryDirectory(prefix="enc") as folder:
        (Path(folder) / "p").mkdir()
        rig = Rig(Path(folder))
        try:
            yield rig
        finally:
            rig.close()


def children() -> set[int]:
    """Processes of ours that serve readers."""
    return set(children_of(os.getpid(), "drivers.pcsc.process"))


def handles() -> int:
    return len(os.listdir("/proc/self/fd"))


def try_all(rig: Rig, cells: Iterable[Cell], tell: Callable[[Try], None] = lambda tried: None) -> list[Try]:
    """Try each cell in a slot of its own, as many at a time as there are slots; what strikes all of them, alone."""
    slots: queue.SimpleQueue[int] = queue.SimpleQueue()
    for slot in range(SLOTS - 2):
        slots.put(slot)

    def one(cell: Cell) -> Try:
        slot = slots.get()
        try:
            tried = try_cell(rig, cell, slot)
        finally:
            slots.put(slot)
        tell(tried)
        return tried

    wanted = list(cells)
    with ThreadPoolExecutor(SLOTS - 2) as pool:
        tries = list(pool.map(one, (cell for cell in wanted if cell.row.cause not in ALONE)))
    for cell in wanted:
        if cell.row.cause in ALONE:
            tries.append(try_cell(rig, cell, SLOTS - 2))
            tell(tries[-1])
    return tries


def try_cell(rig: Rig, cell: Cell, slot: int) -> Try:
    """One cell: the fault, its outcome, and the next card."""
    began = time.monotonic()
    try:
        _Attempt(rig, cell, slot).run()
    except (AssertionError, DeviceError, OSError, subprocess.SubprocessError) as error:
        words = str(error) or type(error).__name__
        return Try(cell, f"{type(error).__name__}: {words}", time.monotonic() - began)
    finally:
        rig.cards.control("DELETE", f"/fault?slot={slot}")
        rig.cards.insert(slot)
    return Try(cell, "", time.monotonic() - began)


class _Attempt:
    def __init__(self, rig: Rig, cell: Cell, slot: int) -> None:
        self._rig, self._cell, self._slot = rig, cell, slot
        memory = LengthMemory()
        if cell.script is Script.SHORT:
            memory.lower(parse_name(name_of(slot)).model, 256)
        patience_s = BUSY_S if cell.row.outcome is DeviceBusy else HOLD_S
        self._encoder = PcscEncoder(f"pcsc:{name_of(slot)}", busy_patience_s=patience_s, memory=memory)
        self._other: OtherProgram | None = None
        self._killing: threading.Thread | None = None
        self._apdus = 0

    def run(self) -> None:
        with ExitStack() as at_end:
            self._encoder.open()
            at_end.callback(self._encoder.close)
            assert self._sound(), "the script fails before anything is wrong"
            try:  # whatever comes of it: the next cell finds all in order
                self._come_before(at_end)
                outcome = self._outcome()
                if self._other is not None:
                    said = self._other.end()
                    told = self._cell.row.cause in (Cause.OTHER_RESETS, Cause.OTHER_SELECTS)
                    assert said == ("done\n" if told else ""), said
                self._judge(outcome)
            finally:
                self._repair()
            assert self._sound(), "the next card is not answered as before"
        assert self._encoder._reader is None

    def _come_before(self, at_end: ExitStack) -> None:
        """What is there before the card is held."""
        shares = {
            Cause.OTHER_RESETS: "share",
            Cause.OTHER_SELECTS: "share",
            Cause.OTHER_HOLDS: "hold",
            Cause.OTHER_IN_TRANSACTION: "transaction",
        }
        cause = self._cell.row.cause
        if cause in shares:
            self._other = at_end.enter_context(OtherProgram(shares[cause], name_of(self._slot)))
        elif cause is Cause.READER_LEFT:
            self._rig.restart_without_last_reader()

    def _outcome(self) -> DeviceError | list[bytes]:
        try:
            return self._script(self._strike)
        except DeviceError as error:
            return error

    def _script(self, before: Callable[[Any, int], None] = lambda card, at: None) -> list[bytes]:
        """The answers. before: called before each exchange, with its number."""
        in_a_row = self._cell.script is Script.ROW
        with self._encoder.hold(timeout_s=HOLD_S, cancel=CancelToken()) as card:
            held: Any = card
            numbers = iter(range(-in_a_row, 10_000))

            def counted(exchange: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
                def after(apdu: bytes) -> Any:
                    before(held, next(numbers))
                    return exchange(apdu)

                return after

            # Nothing but the driver knows where one exchange ends and the next begins.
            held._exchange, held._begin = counted(held._exchange), counted(held._begin)
            read = bytes.fromhex("00B0000000") + (b"" if self._cell.script is Script.SHORT else (600).to_bytes(2))
            if in_a_row:
                return list(card.transmit_each((SELECT, read, read)))
            return [card.transmit(apdu) for apdu in (SELECT, UPDATE, read)]

    def _sound(self) -> bool:
        return self._script() == self._right()

    def _right(self) -> list[bytes]:
        """The answers where nothing is wrong."""
        content = CONTENT[: 256 if self._cell.script is Script.SHORT else 600] + b"\x90\x00"
        return [b"\x90\x00", content if self._cell.script is Script.ROW else REFUSED, content]

    def _strike(self, held: Any, at: int) -> None:
        row = self._cell.row
        if at < 0:
            self._apdus = self._rig.cards.state(self._slot)["apdus"]
        if at != self._cell.at:
            return
        if self._cell.script is Script.ROW:  # or what comes before in the row would meet the fault
            self._rig.cards.await_apdus(self._apdus + 1, self._slot)
        if row.outcome is DeviceStalled:
            held._limit_s = STALLED_S
        match row.cause:
            case Cause.CARD:
                self._rig.cards.arm(slot=self._slot, **dict(row.fault))  # type: ignore[arg-type]
            case Cause.SERVICE_KILLED:
                self._rig.cards.arm("silent", self._slot)
                self._killing = threading.Thread(target=self._kill_service)
                self._killing.start()
            case Cause.SERVICE_RESTARTED:
                self._rig.restart()
            case Cause.SERVICE_HANGS:
                pause(self._rig.pcscd.pid)
            case Cause.OTHER_RESETS | Cause.OTHER_SELECTS if self._other is not None:
                self._other.begin("reset" if row.cause is Cause.OTHER_RESETS else "select")
            case Cause.PROCESS_KILLED:
                os.kill(held._reader._process.pid, signal.SIGKILL)
            case _:
                pass

    def _kill_service(self) -> None:
        """Once the exchange is with the card."""
        try:
            self._rig.cards.await_struck(self._slot)
        finally:
            self._rig.pcscd.kill()

    def _judge(self, outcome: DeviceError | list[bytes]) -> None:
        expected = self._cell.row.outcome
        if isinstance(expected, Answer):
            assert not isinstance(outcome, DeviceError), f"{expected.value} expected, and not {outcome!r}"
            assert all(len(answer) >= 2 for answer in outcome)
            if expected is Answer.UNNOTICED:
                assert outcome[:2] == self._right()[:2]
            return
        assert type(outcome) is expected, f"{expected.__name__} expected, and not {outcome!r}"
        assert sentence(outcome, Language.VIETNAMESE)
        if isinstance(outcome, TransmitLost):
            assert outcome.facts["outcome"] == "unknown"
        assert outcome.facts["reader"] == name_of(self._slot)
        assert outcome.facts.get("under") or expected is DeviceBusy

    def _repair(self) -> None:
        """What a hand at the reader does."""
        rig, slot = self._rig, self._slot
        rig.cards.control("DELETE", f"/fault?slot={slot}")
        match self._cell.row.cause:
            case Cause.CARD:
                if self._cell.row.outcome is DeviceStalled:
                    rig.cards.pull(slot)
                rig.cards.insert(slot)
                rig.cards.await_connected(slot)
            case Cause.SERVICE_KILLED if self._killing is not None:
                self._killing.join()
                rig.cards.pull(slot)
                rig.cards.insert(slot)
                rig.pcscd.start()
            case Cause.SERVICE_HANGS:
                os.kill(rig.pcscd.pid, signal.SIGCONT)
            case Cause.READER_LEFT:
                try:
                    with suppress(DeviceGone):
                        self._script()
                finally:
                    rig.bring_last_reader_back()
            case _:
                pass
