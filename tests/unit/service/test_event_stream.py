"""A session's events as a stream: in order, with its error last, and without a session that waits for its reader."""

from __future__ import annotations

import asyncio

import pytest

from enrollment.core.errors import DossierNotOpen
from enrollment.service.capture.events import Emit, FingerOn, Live, stream


async def test_events_come_in_order_and_end_with_the_session() -> None:
    async def session(emit: Emit) -> None:
        for attempt in range(3):
            emit(FingerOn(attempt))
            await asyncio.sleep(0)

    assert [event async for event in stream(session)] == [FingerOn(0), FingerOn(1), FingerOn(2)]


async def test_an_error_comes_after_the_events_before_it() -> None:
    async def session(emit: Emit) -> None:
        emit(FingerOn(1))
        raise DossierNotOpen("sealed")

    events = stream(session)
    assert await anext(events) == FingerOn(1)
    with pytest.raises(DossierNotOpen):
        await anext(events)


async def test_a_reader_that_does_not_read_does_not_hold_the_session_up() -> None:
    done = asyncio.Event()

    async def session(emit: Emit) -> None:
        for attempt in range(100):
            emit(FingerOn(attempt))
        done.set()

    events = stream(session)
    await anext(events)
    await asyncio.wait_for(done.wait(), 5)
    await events.aclose()


def live(sequence: int) -> Live:
    return Live(1, sequence, (1600, 1500), (), (), None, 0.0, (), (), 0, 5)


async def test_a_reader_that_does_not_read_misses_all_live_verdicts_but_the_newest() -> None:
    done = asyncio.Event()

    async def session(emit: Emit) -> None:
        emit(FingerOn(1))
        for sequence in range(1000):
            emit(live(sequence))
        emit(FingerOn(2))
        emit(live(1000))
        done.set()

    events = stream(session)
    first = await anext(events)
    await asyncio.wait_for(done.wait(), 5)
    assert [first, *[event async for event in events]] == [FingerOn(1), live(999), FingerOn(2), live(1000)]


async def test_closing_the_stream_cancels_the_session_and_waits_until_it_is_out() -> None:
    out: list[str] = []

    async def session(emit: Emit) -> None:
        emit(FingerOn(1))
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            out.append("tidied up")

    events = stream(session)
    await anext(events)
    await events.aclose()
    assert out == ["tidied up"]


async def test_an_error_of_a_session_whose_reader_left_is_nobodys() -> None:
    async def session(emit: Emit) -> None:
        emit(FingerOn(1))
        raise DossierNotOpen("sealed")

    events = stream(session)
    await anext(events)
    await asyncio.sleep(0)
    await events.aclose()
