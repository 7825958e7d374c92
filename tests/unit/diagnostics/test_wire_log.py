"""A wire log's reader: in order, bounded, told of what it lost; and off when nobody listens."""

from __future__ import annotations

import asyncio
import logging

from drivers import traffic
from enrollment.service.diagnostics.wire_log import TRAFFIC_LEVEL, TRAFFIC_LOGGER, WireTap, tapped

LOGGER = logging.getLogger(TRAFFIC_LOGGER)


def log(number: int, opened_by: str = "device uru4000-1_0") -> None:
    extra = {"opened_by": opened_by, "kind": "control", "elapsed_s": number / 1000}
    LOGGER.log(TRAFFIC_LEVEL, "line %d", number, extra=extra)


async def read(tap: WireTap, count: int) -> list[str]:
    lines = tap.lines()
    texts = [(await anext(lines)).text for _ in range(count)]
    await lines.aclose()
    return texts


def test_the_service_listens_where_the_transport_speaks() -> None:
    assert traffic.traffic is LOGGER
    assert traffic.TRAFFIC_LEVEL == TRAFFIC_LEVEL
    assert not LOGGER.isEnabledFor(TRAFFIC_LEVEL)
    assert not LOGGER.propagate


async def test_lines_of_the_device_come_in_order_and_lines_of_others_do_not_come() -> None:
    with tapped("uru4000-1") as tap:
        for number in range(3):
            log(number)
            log(100 + number, "device uru4000-11_0")
            log(100 + number, "device uru4000-1_2_0")
        assert await read(tap, 3) == ["line 0", "line 1", "line 2"]
        assert [transfer.elapsed_s for transfer in tap.transfers()] == [0.0, 0.001, 0.002]


async def test_slow_reader_loses_the_oldest_lines_and_is_told_how_many() -> None:
    with tapped("uru4000-1", capacity=10) as tap:
        for number in range(25):
            log(number)
        first, *rest = await read(tap, 11)
        assert first == "-- 15 lines lost: they came faster than they were read"
        assert rest == [f"line {number}" for number in range(15, 25)]
        assert len(tap.transfers()) == 10


async def test_reader_that_waits_is_woken_by_a_line_of_another_thread() -> None:
    with tapped("uru4000-1") as tap:
        reading = asyncio.create_task(read(tap, 2))
        await asyncio.sleep(0)
        for number in range(2):
            await asyncio.to_thread(log, number)
        assert await reading == ["line 0", "line 1"]


async def test_log_is_on_until_the_last_reader_has_gone() -> None:
    with tapped("a"):
        with tapped("b"):
            assert LOGGER.isEnabledFor(TRAFFIC_LEVEL)
        assert LOGGER.isEnabledFor(TRAFFIC_LEVEL)
    assert not LOGGER.isEnabledFor(TRAFFIC_LEVEL)
    assert not any(isinstance(handler, WireTap) for handler in LOGGER.handlers)
