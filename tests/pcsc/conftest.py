"""A pcscd of the tests' own with two readers of two slots, and cards for them.

One pcscd socket a process: libpcsclite reads its path once. So the daemon and the cards live as long as the tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware_stubs.card.memory import Memory, StateFile
from firmware_stubs.card.pcscd import Pcscd, missing

pytest.register_assert_rewrite("tests.contract.device_stubs")  # which a module here loads as a plugin, too

from tests.pcsc.card_process import CardStub, Connection  # noqa: E402

READERS = 2


def why_not() -> str:
    if missing():
        return missing()
    try:
        import smartcard  # noqa: F401
    except ImportError:
        return "needs pyscard, which is built with Debian's swig and libpcsclite-dev: ./run setup dev"
    return ""


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pcscd]:
    if why_not():
        pytest.skip(why_not())
    daemon = Pcscd(tmp_path_factory.mktemp("pcsc"), READERS)
    os.environ.update(daemon.environment)
    with daemon:
        yield daemon


@contextmanager
def away(daemon: Pcscd) -> Iterator[None]:
    """Killed, and started again whatever comes: the daemon is for the tests that follow, too."""
    daemon.kill()
    try:
        yield
    finally:
        daemon.start()


class CardShelf:
    """The cards' process, which a test may end and start again on the same state."""

    def __init__(self, gate: Path, state: Path) -> None:
        self.gate = gate
        self._state = state
        self.stub = CardStub(gate, slots=2 * READERS, state=state)

    def settle(self) -> None:
        """All cards in, no faults, and nothing that pcscd still takes for what was there before."""
        for slot in range(2 * READERS):
            self.stub.control("DELETE", f"/fault?slot={slot}")
            self.stub.insert(slot)
        for slot in range(2 * READERS):
            self.stub.await_connected(slot)

    def put(self, slot: int, memory: Memory) -> None:
        """Another card in a slot."""
        self.stub.stop()
        memories = StateFile(self._state).load(2 * READERS)
        memories[slot] = memory
        StateFile(self._state).save(memories)
        self.restart()

    def restart(self) -> None:
        self.stub.stop()
        self.stub = CardStub(self.gate, slots=2 * READERS, state=self._state)
        self.settle()


@pytest.fixture(scope="session")
def shelf(daemon: Pcscd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CardShelf]:
    shelf = CardShelf(daemon.gate, tmp_path_factory.mktemp("cards") / "cards.json")
    yield shelf
    shelf.stub.stop()


@pytest.fixture
def cards(shelf: CardShelf) -> Iterator[CardShelf]:
    """All cards in, no faults."""
    shelf.settle()
    yield shelf
    Connection.close_all()
