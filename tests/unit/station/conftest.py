"""One SoftHSM for all tests of tokens: a process reads once where it is."""

from __future__ import annotations

import pytest

from tests.unit.station.soft_hsm import MODULE, make_tokens


@pytest.fixture(scope="session")
def soft_hsm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tokens, or a skip."""
    if not MODULE.exists():
        pytest.skip("needs the Debian package softhsm2: ./run setup dev")
    pytest.importorskip("pkcs11", reason="needs requirements/card.lock: ./run setup dev, with its Debian packages")
    make_tokens(tmp_path_factory.mktemp("softhsm"))
