"""What the daemon counts. Labels come from closed sets (methods, status codes, reasons, hints): none is of a person.

Everything is counted on the event loop, so that nothing needs a lock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from enrollment.service.capture.events import CaptureEvent, Judged, Outcome
from enrollment.service.diagnostics.prometheus_text import Family, Kind, Sample, number

# Upper ends in seconds: a status takes a millisecond, a finger's examination some ten, a slow disk a second.
LATENCY_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

Labels = tuple[str, ...]


@dataclass(slots=True)
class _Latencies:
    counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BUCKETS_S) + 1))
    total_s: float = 0.0


class Metrics:
    """Counters since the daemon started."""

    def __init__(self) -> None:
        self._calls: Counter[Labels] = Counter()
        self._refusals: Counter[Labels] = Counter()
        self._latencies: dict[str, _Latencies] = {}
        self._tries: Counter[Labels] = Counter()
        self._captures: Counter[Labels] = Counter()
        self._device_errors: Counter[Labels] = Counter()

    def called(self, method: str, code: str, reason: str, seconds: float | None) -> None:
        """A call has ended. reason: "" where it went well; seconds: None for streams, which last as readers do."""
        self._calls[method, code] += 1
        if reason:
            self._refusals[method, reason] += 1
        if seconds is not None:
            latencies = self._latencies.setdefault(method, _Latencies())
            latencies.counts[bisect_left(LATENCY_BUCKETS_S, seconds)] += 1
            latencies.total_s += seconds

    def captured(self, kind: str, event: CaptureEvent) -> None:
        """Something happened in a capture of this kind: fingerprint, portrait."""
        match event:
            case Judged():
                self._tries[kind, "acceptable" if event.acceptable else event.hint or "not acceptable"] += 1
            case Outcome():
                self._captures[kind, "accepted" if event.accepted else "tries_exhausted"] += 1
            case _:
                pass

    def device_failed(self, driver: str, reason: str) -> None:
        """A device raised an error."""
        self._device_errors[driver, reason] += 1

    def families(self) -> list[Family]:
        """Everything that is counted here."""
        return [
            _counter("enroll_captures_total", "Captures on disk.", ("kind", "outcome"), self._captures),
            _counter("enroll_tries_total", "Judged pictures, by verdict or hint.", ("kind", "verdict"), self._tries),
            _counter("enroll_device_errors_total", "Device errors.", ("driver", "reason"), self._device_errors),
            _counter("enroll_rpc_total", "Calls that have ended.", ("method", "code"), self._calls),
            _counter("enroll_rpc_refusals_total", "Calls refused.", ("method", "reason"), self._refusals),
            self._latency_family(),
        ]

    def _latency_family(self) -> Family:
        samples = []
        for method, latencies in sorted(self._latencies.items()):
            label = {"method": method}
            ends = (*map(number, LATENCY_BUCKETS_S), "+Inf")
            for end, count in zip(ends, accumulate(latencies.counts), strict=True):
                samples.append(Sample(count, label | {"le": end}, "_bucket"))
            samples.append(Sample(latencies.total_s, label, "_sum"))
            samples.append(Sample(sum(latencies.counts), label, "_count"))
        text = "Duration of calls that are no streams, in seconds."
        return Family("enroll_rpc_duration_seconds", "histogram", text, tuple(samples))


def gauge(name: str, text: str, value: float) -> Family:
    """A family of one value."""
    return Family(name, "gauge", text, (Sample(value),))


def gauges(name: str, text: str, labels: Labels, values: dict[Labels, float]) -> Family:
    """A family of values by their labels."""
    return _family(name, "gauge", text, labels, values)


def _counter(name: str, text: str, labels: Labels, counts: Counter[Labels]) -> Family:
    return _family(name, "counter", text, labels, dict(counts))


def _family(
    name: str, kind: Kind, text: str, labels: Labels, values: dict[Labels, float] | dict[Labels, int]
) -> Family:
    samples = (Sample(value, dict(zip(labels, key, strict=True))) for key, value in sorted(values.items()))
    return Family(name, kind, text, tuple(samples))
