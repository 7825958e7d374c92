"""One thread a device: jobs in order, checked on the thread, cancelled in time, the driver closed after a failure.

The driver is scripted: what is looked at is the thread that owns it. Real drivers meet it in the fault tests.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from drivers.errors import CaptureCancelled, CaptureTimedOut, DeviceError, DeviceGone, DeviceNotReady, DeviceStalled
from drivers.frame import Frame
from drivers.spi import (
    CancelToken,
    DeviceIdentity,
    FingerprintScanner,
    ScanEvent,
    ScannerCapabilities,
)
from enrollment.service.devices.errors import LeaseExpired
from enrollment.service.devices.worker import DeviceWorker, Driver


class ScriptedScanner:
    """Counts what is done to it, and remembers on which thread."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0
        self.threads: set[str] = set()
        self.refuses_to_open = False

    identity = DeviceIdentity("vendor", "model", "serial", "1.0")
    capabilities = ScannerCapabilities(384, 290, 500.0, frozenset())

    def open(self) -> None:
        self.threads.add(threading.current_thread().name)
        if self.refuses_to_open:
            raise DeviceNotReady("no power")
        self.opened += 1

    def close(self) -> None:
        self.threads.add(threading.current_thread().name)
        self.closed += 1

    def capture(self, *, timeout_s: float, cancel: CancelToken, on_event: Callable[[ScanEvent], None]) -> Frame:
        raise CaptureTimedOut("nobody came")

    def wait_finger_off(self, *, timeout_s: float, cancel: CancelToken) -> None:
        released = threading.Event()
        cancel.on_cancel(released.set)
        released.wait(timeout_s)
        cancel.raise_if_cancelled()


class Bench:
    """A worker over a scripted scanner."""

    def __init__(self) -> None:
        self.scanner = ScriptedScanner()
        self.openings: list[Driver] = []
        self.failures: list[DeviceError] = []
        self.worker = DeviceWorker(
            "scanner-1", lambda: self.scanner, at_opened=self.openings.append, at_failed=self.failures.append
        )

    async def run(self, job: Callable[[Any], Any], check: Callable[[], None] = lambda: None) -> Any:
        return await self.worker.run(job, cancel=CancelToken(), check=check)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.worker.stop()


async def test_the_first_job_opens_the_device_once_on_the_devices_own_thread(bench: Bench) -> None:
    names = {await bench.run(lambda _: threading.current_thread().name) for _ in range(3)}
    assert bench.scanner.opened == 1
    assert bench.openings == [bench.scanner]
    assert names == bench.scanner.threads
    assert names != {threading.current_thread().name}


async def test_jobs_run_one_at_a_time_and_in_order(bench: Bench) -> None:
    running: list[int] = []
    order: list[int] = []

    def job(number: int) -> None:
        running.append(number)
        assert running == [number]
        order.append(number)
        running.clear()

    await asyncio.gather(*(bench.run(lambda _, number=number: job(number)) for number in range(20)))  # type: ignore[misc]
    assert order == list(range(20))


async def test_a_job_whose_check_fails_never_touches_the_device(bench: Bench) -> None:
    def expired() -> None:
        raise LeaseExpired("over")

    with pytest.raises(LeaseExpired):
        await bench.run(lambda _: pytest.fail("it ran"), expired)
    assert bench.scanner.opened == 0


async def test_the_check_runs_when_the_jobs_turn_comes_not_when_it_is_asked_for(bench: Bench) -> None:
    go, live = threading.Event(), [True]

    def check() -> None:
        if not live[0]:
            raise LeaseExpired("taken over while it waited")

    first = asyncio.ensure_future(bench.run(lambda _: go.wait(10)))
    second = asyncio.ensure_future(bench.run(lambda _: pytest.fail("it ran"), check))
    await asyncio.sleep(0)
    live[0] = False
    go.set()
    assert await first
    with pytest.raises(LeaseExpired):
        await second


@pytest.mark.parametrize("error", [DeviceStalled("no answer"), DeviceGone("unplugged")])
async def test_a_failed_device_is_closed_told_of_and_opened_afresh_by_the_next_job(
    bench: Bench, error: DeviceError
) -> None:
    def fail(_: FingerprintScanner) -> None:
        raise error

    with pytest.raises(type(error)):
        await bench.run(fail)
    assert bench.scanner.closed == 1
    assert bench.failures == [error]
    assert not bench.worker.is_open
    assert await bench.run(lambda _: "works") == "works"
    assert bench.scanner.opened == 2


async def test_a_timeout_is_the_persons_and_leaves_the_device_open(bench: Bench) -> None:
    with pytest.raises(CaptureTimedOut):
        await bench.run(lambda scanner: scanner.capture(timeout_s=0, cancel=CancelToken(), on_event=lambda _: None))
    assert bench.worker.is_open
    assert bench.failures == []


async def test_a_device_that_does_not_open_is_told_of(bench: Bench) -> None:
    bench.scanner.refuses_to_open = True
    with pytest.raises(DeviceNotReady):
        await bench.run(lambda _: None)
    assert [failure.reason for failure in bench.failures] == ["DEVICE_NOT_READY"]
    bench.scanner.refuses_to_open = False
    assert await bench.run(lambda _: "works") == "works"


async def test_a_cancelled_caller_stops_the_job_and_the_next_job_runs(bench: Bench) -> None:
    cancel, began, outcome = CancelToken(), threading.Event(), []

    def wait(scanner: Any) -> None:
        began.set()
        try:
            scanner.wait_finger_off(timeout_s=60, cancel=cancel)
        except CaptureCancelled as error:
            outcome.append(error.reason)
            raise

    waiting = asyncio.ensure_future(bench.worker.run(wait, cancel=cancel, check=lambda: None))
    await asyncio.to_thread(began.wait, 10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await bench.run(lambda _: "works") == "works"
    assert outcome == ["CAPTURE_CANCELLED"]  # before the next began: its caller waits for a part of a second alone
    assert bench.scanner.opened == 1


async def test_a_caller_gets_away_from_a_job_that_does_not_stop_and_the_next_one_waits_for_it(bench: Bench) -> None:
    began, let_go = threading.Event(), threading.Event()

    def deaf(_: Any) -> None:
        began.set()
        let_go.wait(10)

    waiting = asyncio.ensure_future(bench.run(deaf))
    await asyncio.to_thread(began.wait, 10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting  # although the job still runs
    following = asyncio.ensure_future(bench.run(lambda _: "works"))
    let_go.set()
    assert await following == "works"


async def test_closing_waits_for_the_jobs_before_it_and_the_next_job_opens_again(bench: Bench) -> None:
    first = asyncio.ensure_future(bench.run(lambda _: bench.scanner.closed))
    await asyncio.sleep(0)
    await bench.worker.close()
    assert await first == 0
    assert bench.scanner.closed == 1
    await bench.worker.close()
    assert bench.scanner.closed == 1
    await bench.run(lambda _: None)
    assert bench.scanner.opened == 2


async def test_a_stopped_worker_cancels_its_job_closes_the_device_and_takes_no_more(bench: Bench) -> None:
    cancel, began = CancelToken(), threading.Event()

    def wait(scanner: Any) -> None:
        began.set()
        scanner.wait_finger_off(timeout_s=60, cancel=cancel)

    waiting = asyncio.ensure_future(bench.worker.run(wait, cancel=cancel, check=lambda: None))
    await asyncio.to_thread(began.wait, 10)
    await bench.worker.stop()
    with pytest.raises(CaptureCancelled):
        await waiting
    assert bench.scanner.closed == 1
    with pytest.raises(DeviceGone):
        await bench.run(lambda _: None)
    await bench.worker.close()
    await bench.worker.stop()


async def test_a_driver_that_breaks_its_promise_is_closed_and_the_next_job_opens_it_anew(bench: Bench) -> None:
    def broken(_driver: Any) -> None:
        raise OSError("a library's own")

    with pytest.raises(OSError, match="own"):
        await bench.run(broken)
    assert (bench.scanner.opened, bench.scanner.closed) == (1, 1)
    assert await bench.run(lambda driver: driver.opened) == 2


async def test_a_refusal_of_ours_within_a_job_leaves_the_device_open(bench: Bench) -> None:
    def refused(_driver: Any) -> None:
        raise LeaseExpired("over")

    with pytest.raises(LeaseExpired):
        await bench.run(refused)
    assert (bench.scanner.opened, bench.scanner.closed) == (1, 0)


async def test_a_driver_that_fails_to_open_and_to_close_is_heard_for_the_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(what: str) -> None:
        bench.scanner.closed += what == "close"
        raise OSError(what)

    monkeypatch.setattr(bench.scanner, "open", lambda: fail("open"))
    monkeypatch.setattr(bench.scanner, "close", lambda: fail("close"))
    with pytest.raises(OSError, match="open"):
        await bench.run(lambda driver: None)
    assert bench.scanner.closed == 1
    assert not bench.worker.is_open
