"""One thread a device: every call into a driver happens here, one job at a time.

Whoever submits a job brings a cancel token and a check. The check (a lease that is live) runs on the thread itself,
right before the device is touched: a job that queued behind another cannot use a device that was taken over meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from drivers.errors import DeviceError, DeviceGone, DriverError
from drivers.spi import CancelToken, Device
from enrollment.core.errors import EnrollmentError

_log = logging.getLogger(__name__)

CANCEL_GRACE_S: Final = 0.15  # a cancelled stream ends within 200 ms, even where a driver is slower

Driver = Device
T = TypeVar("T")


class DeviceWorker:
    """Owns one driver and its thread. Opened by the first job, closed by `close`, opened again by the next job.

    at_opened, at_failed: called on the worker's thread, with the driver that was opened, or what it raised.
    """

    def __init__(
        self,
        device_id: str,
        build: Callable[[], Driver],
        *,
        at_opened: Callable[[Driver], None],
        at_failed: Callable[[DeviceError], None],
    ) -> None:
        self._device_id = device_id
        self._build = build
        self._at_opened = at_opened
        self._at_failed = at_failed
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"device {device_id}")
        self._driver: Driver | None = None
        self._running: set[CancelToken] = set()
        self._lock = threading.Lock()
        self._used = False
        self._stopped = False

    @property
    def is_open(self) -> bool:
        return self._driver is not None

    async def run(self, job: Callable[[Driver], T], *, cancel: CancelToken, check: Callable[[], None]) -> T:
        """Run a job on the device's thread.

        job: gets the open driver; must return soon after `cancel` is cancelled.
        check: raises when the job must not run any more.
        Raises what check, the driver or the job raises. When the caller is cancelled, the job is told to stop and given
        150 ms before this returns; whatever is left of it still ends before the next job begins.
        """
        if self._stopped:
            raise DeviceGone("the station is letting this device go", device_id=self._device_id)
        self._used = True
        future = asyncio.get_running_loop().run_in_executor(self._executor, self._run, job, cancel, check)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # seen: the caller is gone
            cancel.cancel()
            await asyncio.wait({future}, timeout=CANCEL_GRACE_S)
            raise

    def _run(self, job: Callable[[Driver], T], cancel: CancelToken, check: Callable[[], None]) -> T:
        cancel.raise_if_cancelled()
        check()
        with self._lock:
            self._running.add(cancel)
            if self._stopped:
                cancel.cancel()
        try:
            driver = self._opened()
            cancel.raise_if_cancelled()
            return job(driver)
        except DeviceError as error:
            self._close()
            self._at_failed(error)
            raise
        except (DriverError, EnrollmentError):
            raise
        except Exception:  # what a driver may not raise, or a mistake here: nobody knows how the device was left
            self._close()
            raise
        finally:
            with self._lock:
                self._running.discard(cancel)

    def _opened(self) -> Driver:
        if self._driver is None:
            driver = self._build()
            try:
                driver.open()
            except BaseException:
                self._let_go(driver)
                raise
            self._driver = driver
            self._at_opened(driver)
        return self._driver

    def _close(self) -> None:
        driver, self._driver = self._driver, None
        if driver is not None:
            self._let_go(driver)

    def _let_go(self, driver: Driver) -> None:
        try:
            driver.close()
        except Exception as error:  # noqa: BLE001  a driver may not, and whoever asked must hear of what came before
            _log.error("%s: its driver's close raised %s", self._device_id, type(error).__name__)

    async def close(self) -> None:
        """Close the device after the jobs that wait; the next job opens it again."""
        if self._used and not self._stopped:  # a thread that was never needed is not begun for this
            await asyncio.get_running_loop().run_in_executor(self._executor, self._close)

    async def stop(self) -> None:
        """Cancel what runs, close the device and end the thread. Idempotent."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            running = list(self._running)
        for cancel in running:
            cancel.cancel()
        closing = asyncio.get_running_loop().run_in_executor(self._executor, self._close) if self._used else None
        self._executor.shutdown(wait=False)
        if closing is not None:
            await closing
