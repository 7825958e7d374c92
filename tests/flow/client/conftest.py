"""One station of the demo's processes, for all tests of clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from enrollment.cli.demo.station import DemoStation, running_station


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoStation]:
    with running_station(tmp_path_factory.mktemp("s") / "d", lambda en, vi: None) as station:
        yield station
