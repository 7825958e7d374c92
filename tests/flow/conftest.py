"""Before whole processes are timed: what they would compile in their first comparison is compiled."""

from __future__ import annotations

import pytest

from enrollment.core.fingerprint.compiled import prepare


@pytest.fixture(scope="session", autouse=True)
def prepared() -> None:
    prepare()
