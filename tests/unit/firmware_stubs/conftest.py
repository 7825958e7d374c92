"""Masters that several tests look at; each takes a quarter of a second to grow."""

from __future__ import annotations

import pytest

from firmware_stubs.fingers import Master, Pattern, make_master


@pytest.fixture(scope="session")
def masters() -> dict[Pattern, Master]:
    return {pattern: make_master(40 + number, pattern=pattern) for number, pattern in enumerate(Pattern)}
