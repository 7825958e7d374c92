"""Counters as text that another program reads."""

from __future__ import annotations

import pytest

from enrollment.service.diagnostics.metrics import LATENCY_BUCKETS_S, Metrics
from enrollment.service.diagnostics.prometheus_text import Family, Sample, encode, number
from tests.unit.diagnostics.exposition import parse, value

METHOD = "/enrollment.v1.DeviceService/GetDevice"


def test_nothing_counted_is_still_well_formed() -> None:
    assert parse(encode(Metrics().families())) == {}


def test_calls_are_counted_by_code_refusals_by_reason_and_durations_in_cumulative_buckets() -> None:
    metrics = Metrics()
    for seconds in (0.0005, 0.001, 0.02, 0.02, 99.0):
        metrics.called(METHOD, "OK", "", seconds)
    metrics.called(METHOD, "NOT_FOUND", "DEVICE_UNKNOWN", 0.3)
    metrics.called(METHOD, "CANCELLED", "", None)
    samples = parse(encode(metrics.families()))
    assert value(samples, "enroll_rpc_total", method=METHOD, code="OK") == 5
    assert value(samples, "enroll_rpc_total", method=METHOD, code="CANCELLED") == 1
    assert value(samples, "enroll_rpc_refusals_total", method=METHOD, reason="DEVICE_UNKNOWN") == 1
    name = "enroll_rpc_duration_seconds"
    buckets = [value(samples, f"{name}_bucket", method=METHOD, le=number(end)) for end in LATENCY_BUCKETS_S]
    assert buckets == [2, 2, 2, 2, 4, 4, 4, 4, 5, 5, 5, 5]
    assert value(samples, f"{name}_bucket", method=METHOD, le="+Inf") == 6
    assert value(samples, f"{name}_count", method=METHOD) == 6
    assert value(samples, f"{name}_sum", method=METHOD) == pytest.approx(99.3415)


def test_labels_with_quotes_backslashes_and_line_feeds_come_back_as_they_were() -> None:
    said = 'a"b\\c\nd'
    samples = parse(encode([Family("x_total", "counter", "first\nsecond \\", (Sample(1.5, {"name": said}),))]))
    assert samples == {("x_total", frozenset({("name", said)})): 1.5}


@pytest.mark.parametrize(
    ("given", "written"), [(3.0, "3"), (0.0025, "0.0025"), (float("inf"), "+Inf"), (2.0**60, "1.152921504606847e+18")]
)
def test_numbers_are_written_as_the_format_says(given: float, written: str) -> None:
    assert number(given) == written
