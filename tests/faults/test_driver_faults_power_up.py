"""Power-up and waiting on a scanner whose registers a test sets: states that no healthy scanner shows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from drivers.errors import CaptureTimedOut, DeviceNotReady, ProtocolViolation
from drivers.fingerprint.uru4000.driver import Uru4000
from drivers.spi import CancelToken, ScanEvent
from tests.contract.scripted_usbip import Server, Session, device_record, import_answer

HWSTAT, MODE, INFO = 0x07, 0x4E, 0xF0
POWER_ON, FINGER_ON, DEATH, UNKNOWN = b"\x56\xaa", b"\x01\x01", b"\x08\x00", b"\x77\x77"


class Registers:
    """The registers of a 4500. statuses: what HWSTAT reads, in order; the last one stays."""

    def __init__(self, statuses: bytes, on_power: tuple[bytes, ...] = (POWER_ON,)) -> None:
        self.statuses = list(statuses)
        self.on_power = on_power
        self.on_mode: dict[int, tuple[bytes, ...]] = {}
        self.before_status: list[bytes] = []  # interrupts, one ahead of each answer about HWSTAT
        self.written: list[tuple[int, int]] = []

    def serve(self, session: Session) -> None:
        waiting: list[bytes] = []
        pending: int | None = None
        while True:
            seqnum, direction, endpoint, length, setup, payload = session.next_vendor_submit()
            register = int.from_bytes(setup[2:4], "little")
            if endpoint == 1:
                pending = seqnum
            elif endpoint == 0 and direction == 0:
                session.complete(seqnum, length=length)
                self.written.append((register, payload[0]))
                if register == HWSTAT and not payload[0] & 0x80:
                    waiting.extend(self.on_power)
                elif register == MODE:
                    waiting.extend(self.on_mode.get(payload[0], ()))
            elif endpoint == 0 and register == HWSTAT:
                if self.before_status and pending is not None:
                    session.complete(pending, self.before_status.pop(0).ljust(64, b"\0"))
                    pending = None
                session.complete(seqnum, bytes([self.statuses[0]]))
                del self.statuses[: len(self.statuses) > 1]
            elif endpoint == 0:
                session.complete(seqnum, bytes(length))
            elif endpoint == 2:
                session.complete(seqnum)  # an empty image
            if pending is not None and waiting:
                session.complete(pending, waiting.pop(0).ljust(64, b"\0"))
                pending = None


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every power interrupt comes here, and one that is late on a busy machine is not asked for again."""
    monkeypatch.setattr("drivers.fingerprint.uru4000.registers._POWER_INTERRUPT_S", 5.0)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    running.import_answer = import_answer(record=device_record(vendor=0x05BA, product=0x000A))
    yield running
    running.stop()


@contextlib.contextmanager
def opened(server: Server, registers: Registers) -> Iterator[Uru4000]:
    server.urbs = registers.serve
    server.device_ids = (0x05BA, 0x000A)
    scanner = Uru4000(f"{server.url}/1-1")
    scanner.open()
    yield scanner
    scanner.close()


def status_writes(registers: Registers) -> list[int]:
    return [value for register, value in registers.written if register == HWSTAT]


def test_healthy_scanner_is_powered_down_and_up(server: Server) -> None:
    registers = Registers(b"\x01\x01")
    with opened(server, registers):
        assert status_writes(registers) == [0x81, 0x01]


def test_scanner_that_is_in_low_power_is_only_powered_up(server: Server) -> None:
    registers = Registers(b"\x81\x01")
    with opened(server, registers):
        assert status_writes(registers) == [0x01]


def test_wedged_scanner_is_freed_first(server: Server) -> None:
    registers = Registers(b"\x85\x84\x84\x01\x01")
    with opened(server, registers):
        assert status_writes(registers) == [0x05, 0x81, 0x01]


def test_scanner_that_stays_wedged_is_not_ready(server: Server) -> None:
    with pytest.raises(DeviceNotReady, match="wedged"), opened(server, Registers(b"\x84")):
        pass


def test_scanner_that_stays_in_low_power_is_not_ready(server: Server) -> None:
    with pytest.raises(DeviceNotReady, match="low power"), opened(server, Registers(b"\x81")):
        pass


def test_power_interrupt_that_comes_thrice_and_late_disturbs_nothing(server: Server) -> None:
    registers = Registers(b"\x01\x01", on_power=(UNKNOWN, POWER_ON, POWER_ON, POWER_ON))
    with opened(server, registers) as scanner, pytest.raises(CaptureTimedOut):
        scanner.capture(timeout_s=0.05, cancel=CancelToken(), on_event=lambda _: None)


def test_announced_death_leads_to_power_up_and_then_to_a_typed_error(server: Server) -> None:
    registers = Registers(b"\x01")
    registers.on_mode = {0x10: (DEATH, FINGER_ON)}
    events: list[ScanEvent] = []
    with opened(server, registers) as scanner:
        before = len(status_writes(registers))
        with pytest.raises(ProtocolViolation):
            scanner.capture(timeout_s=5, cancel=CancelToken(), on_event=events.append)
        assert events == [ScanEvent.WAITING, ScanEvent.FINGER_ON] * 3
        assert len(status_writes(registers)) == before + 2 * 2


def test_finger_that_is_told_of_later_than_it_is_waited_for_is_known_all_the_same(server: Server) -> None:
    registers = Registers(b"\x01")
    with opened(server, registers) as scanner:
        registers.before_status = [FINGER_ON]
        with pytest.raises(CaptureTimedOut):
            scanner.wait_finger_off(timeout_s=1.0, cancel=CancelToken())
        assert registers.written[-2:] == [(MODE, 0x10), (MODE, 0x12)]  # its coming was awaited, and then its going
