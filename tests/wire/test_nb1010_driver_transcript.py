"""What the driver says to an NB-1010-U, transfer by transfer, against a server whose every answer a test decides.

The commands and answers are the recorded ones, written here once more from the recording.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from threading import Timer

import numpy as np
import pytest

from drivers.errors import CaptureCancelled, CaptureTimedOut, DeviceStalled, ProtocolViolation
from drivers.fingerprint.nb1010.driver import Nb1010
from drivers.spi import CancelToken, ScanEvent
from tests.contract.scripted_usbip import Server, Session, device_record, import_answer

IDS = (0x298D, 0x1010)
CONFIGURATION = bytes.fromhex(
    "09022700010100a032 090400000300000000 07058103040005 07050202400000 07058302400000".replace(" ", "")
)

LIMIT_S, LATE_S, ANSWER_S = 1.0, 1.1, 0.02

ASK = "8038010008000000"
PREPARE = "800d03000c00000000040000"
CAPTURE = "8012040020000000" + "02" + "00" * 19 + "20000000"
PRESENT = bytes.fromhex("803701001000000000000000f7000000")
ABSENT = bytes.fromhex("80370100100000000000000000000000")
FAINT = bytes.fromhex("8037010010000000000000002f000000")  # 47: one less than it takes
PREPARED = bytes.fromhex("80200300100000000000000000000000")
CAPTURING = bytes.fromhex("80200400100000000000000003000000")

RIDGES = np.tile(np.array([20, 230], np.uint8).repeat(4), (180, 32))
READS = [("read", 16)]
OPENING = [("read", 576), ("write", ASK), *READS]
IMAGE = [("write", PREPARE), *READS, ("write", CAPTURE), *READS, *[("read", 540)] * 90]


def rows(picture: np.ndarray = RIDGES) -> list[bytes]:
    head = bytes.fromhex("802100001c02000000000000")
    return [
        head
        + bytes([number > 0, 0, 0, 0])
        + (number + 1).to_bytes(4, "little")
        + bytes.fromhex("0001000001")
        + picture[number : number + 2].tobytes()
        + bytes(3)
        for number in range(0, 180, 2)
    ]


class Scanner:
    """Answers commands from its lists, the last answer of each for ever; notes each transfer.

    stale: what lies in the pipe before anything is asked. mute: from this transfer on, nothing is answered.
    late: the transfer, a write, that it takes LATE_S for, and ANSWER_S for the answer after it.
    """

    def __init__(self) -> None:
        self.answers = {ASK: [[PRESENT]], PREPARE: [[PREPARED]], CAPTURE: [[CAPTURING, *rows()]]}
        self.stale: list[bytes] = []
        self.mute = self.late = 1_000_000
        self.transcript: list[tuple[str, str | int]] = []
        self.asked = threading.Event()

    def serve(self, session: Session) -> None:
        pipe, reading = list(self.stale), None
        while True:
            submit = session.next_submit()
            seqnum, direction, endpoint, length, _, payload = submit
            if endpoint == 0:
                self._answer_control(session, submit)
                continue
            if reading in session.unlinked:
                reading = None
            self.transcript.append(("read", length) if direction else ("write", payload.hex()))
            if len(self.transcript) > self.mute:
                self.asked.set()
                continue
            if direction:
                reading = seqnum
                if len(self.transcript) == self.late + 1:
                    Timer(ANSWER_S, self._answer_late, (session, seqnum, pipe.pop(0))).start()
                    reading = None
            else:
                if len(self.transcript) == self.late:
                    time.sleep(LATE_S)
                session.complete(seqnum, length=length)
                answers = self.answers[payload.hex()]
                pipe += answers.pop(0) if len(answers) > 1 else answers[0]
            if reading is not None and pipe:
                session.complete(reading, pipe.pop(0))
                reading = None

    def _answer_late(self, session: Session, reading: int, answer: bytes) -> None:
        if reading not in session.unlinked:
            session.complete(reading, answer)

    def _answer_control(self, session: Session, submit: tuple[int, int, int, int, bytes, bytes]) -> None:
        seqnum, _, _, _, setup, _ = submit
        if setup[:4] == b"\x80\x06\x00\x02":
            session.complete(seqnum, CONFIGURATION[: int.from_bytes(setup[6:8], "little")])
        elif not session.answer_standard(submit):
            session.complete(seqnum)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    running.import_answer = import_answer(record=device_record(vendor=IDS[0], product=IDS[1]))
    running.device_ids = IDS
    yield running
    running.stop()


@contextlib.contextmanager
def opened(server: Server, device: Scanner, **options: float) -> Iterator[Nb1010]:
    server.urbs = device.serve
    scanner = Nb1010(f"{server.url}/1-1", **options)
    scanner.open()
    try:
        yield scanner
    finally:
        scanner.close()


def capture(
    scanner: Nb1010, timeout_s: float = 5.0, on_event: Callable[[ScanEvent], None] = lambda _: None
) -> np.ndarray:
    return scanner.capture(timeout_s=timeout_s, cancel=CancelToken(), on_event=on_event).pixels


def test_open_empties_the_pipe_and_asks_a_first_question(server: Server) -> None:
    device = Scanner()
    with opened(server, device):
        assert device.transcript == OPENING


def test_capture_asks_prepares_captures_and_reads_ninety_times(server: Server) -> None:
    device = Scanner()
    with opened(server, device) as scanner:
        assert np.array_equal(capture(scanner), RIDGES)
        assert device.transcript == [*OPENING, ("write", ASK), *READS, *IMAGE]


def test_finger_is_asked_for_until_its_presence_suffices(server: Server) -> None:
    device = Scanner()
    device.answers[ASK] = [[ABSENT], [ABSENT], [FAINT], [PRESENT]]
    events: list[ScanEvent] = []
    with opened(server, device) as scanner:
        capture(scanner, on_event=events.append)
    assert device.transcript == [*OPENING, *[("write", ASK), *READS] * 3, *IMAGE]
    assert events == [ScanEvent.WAITING, ScanEvent.FINGER_ON, ScanEvent.IMAGE]


def test_close_says_nothing(server: Server) -> None:
    device = Scanner()
    with opened(server, device):
        pass
    assert device.transcript == OPENING


def test_stale_messages_of_any_length_are_read_away_first(server: Server) -> None:
    device = Scanner()
    device.stale = [rows()[40][128:], *rows()[41:], PRESENT]
    with opened(server, device):
        assert device.transcript == [("read", 576)] * 51 + OPENING


def test_damaged_rows_are_followed_by_an_empty_pipe_and_another_image(server: Server) -> None:
    device = Scanner()
    damaged = rows()
    damaged[3] = damaged[3][:300]
    device.answers[CAPTURE] = [[CAPTURING, *damaged], [CAPTURING, *rows()]]
    with opened(server, device) as scanner:
        assert np.array_equal(capture(scanner), RIDGES)
    again = [*[("read", 576)] * 87, ("write", ASK), *READS, *IMAGE]
    assert device.transcript == [*OPENING, ("write", ASK), *READS, *IMAGE[: 4 + 4], *again]


def test_rows_of_another_order_never_become_a_picture(server: Server) -> None:
    device = Scanner()
    device.answers[CAPTURE] = [[CAPTURING, *rows()[::-1]]]
    with opened(server, device) as scanner, pytest.raises(ProtocolViolation, match="out of order"):
        capture(scanner)


def test_image_is_blank_and_the_finger_gone_so_the_wait_goes_on(server: Server) -> None:
    device = Scanner()
    bare = np.full((180, 256), 229, np.uint8)
    bare[::8, ::8] = 0  # dead pixels, as the recording has them, are no skin
    device.answers[CAPTURE] = [[CAPTURING, *rows(bare)], [CAPTURING, *rows()]]
    device.answers[ASK] = [[PRESENT], [PRESENT], [ABSENT], [ABSENT], [PRESENT]]
    events: list[ScanEvent] = []
    with opened(server, device) as scanner:
        capture(scanner, on_event=events.append)
    assert events == [ScanEvent.WAITING, ScanEvent.FINGER_ON, ScanEvent.WAITING, ScanEvent.FINGER_ON, ScanEvent.IMAGE]


def test_wait_that_ends_without_a_finger_tells_the_strongest_presence(server: Server) -> None:
    device = Scanner()
    device.answers[ASK] = [[ABSENT], [ABSENT], [FAINT], [ABSENT]]
    with opened(server, device) as scanner, pytest.raises(CaptureTimedOut) as raised:
        capture(scanner, timeout_s=1.0)
    assert raised.value.facts == {"strongest_presence": 47, "needed": 49}


def test_finger_that_stays_times_out_with_its_presence(server: Server) -> None:
    device = Scanner()
    with opened(server, device) as scanner, pytest.raises(CaptureTimedOut) as raised:
        scanner.wait_finger_off(timeout_s=0, cancel=CancelToken())
    assert raised.value.facts == {"presence": 247}


@pytest.mark.parametrize("mute", [3, 4], ids=["write", "read"])
def test_device_that_falls_mute_is_stalled_and_within_a_shorter_wait_only_late(server: Server, mute: int) -> None:
    device = Scanner()
    device.mute = mute
    with opened(server, device, transfer_timeout_s=1.0) as scanner:
        with pytest.raises(CaptureTimedOut, match="before the scanner answered"):
            capture(scanner, timeout_s=0)
        with pytest.raises(DeviceStalled):
            capture(scanner)


def test_answer_to_a_command_that_was_taken_after_the_limit_is_still_read(server: Server) -> None:
    device = Scanner()
    device.late = len(OPENING) + 3  # the first command of an image
    with opened(server, device, transfer_timeout_s=LIMIT_S) as scanner:
        assert np.array_equal(capture(scanner), RIDGES)


def test_device_that_is_mute_from_the_start_does_not_open(server: Server) -> None:
    device = Scanner()
    device.mute = 0
    with pytest.raises(DeviceStalled), opened(server, device, transfer_timeout_s=0.2):
        pass


# Transfers until the driver waits in: emptying the pipe, a question, its answer, a command, the rows.
@pytest.mark.parametrize("mute", [3, 4, 5, 6, 9, 50])
def test_cancel_ends_a_capture_wherever_the_device_falls_mute(server: Server, mute: int) -> None:
    device = Scanner()
    device.mute = mute
    cancel = CancelToken()
    with opened(server, device, transfer_timeout_s=60) as scanner:

        def cancel_when_mute() -> None:
            device.asked.wait(30)
            cancel.cancel()

        watcher = threading.Thread(target=cancel_when_mute)
        watcher.start()
        with pytest.raises(CaptureCancelled):
            scanner.capture(timeout_s=60, cancel=cancel, on_event=lambda _: None)
        watcher.join()
