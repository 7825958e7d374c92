"""A dossier's card through the daemon, the real pcscd and the card model: written, verified, in the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from enrollment.v1 import card_pb2
from firmware_stubs.card.pcscd import Pcscd, missing
from tests.flow.cards.issuing_station import enroll, issuing, with_cards
from tests.flow.running_station import MakeStation, StationFolder

if TYPE_CHECKING:
    from tests.pcsc.card_process import CardStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")
READERS = 1
SLOTS = 2
PASSED = card_pb2.CHECK_RESULT_PASSED


@pytest.fixture(scope="module")
def pcscd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pcscd]:
    if missing():
        pytest.skip(missing())
    pytest.importorskip("smartcard")
    with pytest.MonkeyPatch.context() as patch, Pcscd(tmp_path_factory.mktemp("pcsc"), READERS) as running:
        for name, value in running.environment.items():
            patch.setenv(name, value)  # of the processes that readers are served by
        yield running


@pytest.fixture
def cards(pcscd: Pcscd, tmp_path: Path) -> Iterator[CardStub]:
    """Blank cards in every slot."""
    from tests.pcsc.card_process import CardStub

    stub = CardStub(pcscd.gate, slots=SLOTS, state=tmp_path / "cards.json")
    yield stub
    stub.stop()


@pytest.fixture
def folder(make_station: MakeStation) -> StationFolder:
    return with_cards(make_station(["pcsc:"]))


async def test_dossiers_card_is_written_verified_and_in_the_ledger(cards: CardStub, folder: StationFolder) -> None:
    dossier_id = enroll(folder)
    async with issuing(folder) as (_, desk):
        written = await desk.personalise(dossier_id)
        assert written.card.state == card_pb2.CARD_STATE_PERSONALISED
        assert written.card.dossier_id == dossier_id
        assert {name for name, check in written.checks.items() if check.result == card_pb2.CHECK_RESULT_FAILED} == set()
        assert written.checks["dossier"].result == PASSED
        assert written.checks["active-authentication"].result == PASSED
        checks, files = await desk.verify(dossier_id)
        assert checks["dossier"].result == PASSED
        assert {"EF.COM", "EF.SOD", "EF.DG1", "EF.DG2", "EF.DG13", "EF.DG14", "EF.DG15"} <= set(files)
    assert cards.state(0)["life_cycle"] == "operational"
