"""Cards that are written through the real pcscd, and lost on the way; raw connections, and our encoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from drivers.card.pcsc_encoder import PcscEncoder
from drivers.errors import CardGone
from drivers.spi import CancelToken
from enrollment.core.chip import personalisation_commands as commands
from enrollment.core.chip.access.opening import Way, open_access, select_application
from enrollment.core.chip.access.password import AccessKey
from enrollment.core.chip.apdu import Transmit
from enrollment.core.chip.personalisation import Personalised, personalise
from enrollment.core.chip.reading import Channel
from enrollment.service.cards.held_card import transmit_each_of, transmit_of
from firmware_stubs.card.memory import MAX_TRIES
from tests.faults.card_losses import commands_of
from tests.pcsc.card_process import WAIT_S, CardStub, Connection, PcscError, connected
from tests.pcsc.conftest import READERS, CardShelf
from tests.unit.chip.blank_cards import FILE_IDS, chance, keys, plan_of, wire

pytest.importorskip("yubikit", reason="needs requirements/card.lock: ./run setup dev, with its Debian packages")

PLAN = plan_of(scale=0.3)
BLOCK = 2000
# Commands of a card: 0 SELECT, 1 INITIALIZE UPDATE, 2 EXTERNAL AUTHENTICATE, 3 SELECT, 4 PUT KEY, 5 and 6 the channel
# anew, 7 CREATE FILE, 8 UPDATE BINARY and so on; the last are four PUT DATA, lock, and the write that must be refused.
PUT_KEY, CREATE, UPDATE = 4, 7, 8


@dataclass(frozen=True)
class Loss:
    """after: commands before it."""

    after: int
    executed: bool
    kind: str = "power_loss"


@pytest.fixture
def blank(cards: CardShelf) -> Iterator[CardStub]:
    """A blank card in each slot, in place of the shelf's."""
    cards.stub.stop()
    stub = CardStub(cards.gate, slots=2 * READERS)
    try:
        for slot in range(2 * READERS):
            stub.await_connected(slot)
        yield stub
    finally:
        Connection.close_all()
        stub.stop()
        cards.restart()


def write(transmit: Transmit) -> Personalised:
    return personalise(transmit, PLAN, keys(), block=BLOCK, challenge_source=chance())


def written_after(stub: CardStub, slot: int, losses: Sequence[Loss]) -> int:
    """How often it took to write the card of a slot."""
    for loss in losses:
        stub.arm(loss.kind, slot, after=loss.after, executed=loss.executed)
    for run in range(1, 6):
        try:
            write(wire(connected(slot).transmit))
        except PcscError:
            stub.insert(slot)
            stub.await_connected(slot)
        else:
            return run
    raise AssertionError("the card was never finished")


def shown(transmit: Transmit) -> dict[str, bytes]:
    """The files that a reader is shown by the zone."""
    profile, secrets = PLAN.profile, PLAN.secrets
    select_application(transmit, profile)
    key = AccessKey.of_fields(secrets.document_number, secrets.date_of_birth, secrets.date_of_expiry)
    session = open_access(transmit, Way(), key, chance(3))
    channel = Channel(session.send, 1500)
    return {file.name: whole(channel, file.file_id) for file in profile.files if file.read != "terminal"}


def whole(channel: Channel, file_id: str) -> bytes:
    channel.transmit(commands.select_file(file_id)).expect("SELECT")
    content = b""
    while True:
        answer = channel.transmit(commands.read(len(content), channel.room))
        if answer.status == 0x6B00:
            return content
        content += answer.expect("READ BINARY", 0x6282)


def require_finished(stub: CardStub, slot: int, files: dict[str, bytes]) -> None:
    state = stub.state(slot)
    assert (state["life_cycle"], state["tries"]) == ("operational", MAX_TRIES)
    assert {int(fid, 16): length for fid, length in state["files"].items()} == {
        FILE_IDS[name]: len(octets) for name, octets in PLAN.files.items()
    }
    assert files == {name: octets for name, octets in PLAN.files.items() if name != "EF.DG3"}


ROUNDS: tuple[Sequence[Sequence[Loss]], ...] = (
    ([], [Loss(2, True)], [Loss(PUT_KEY, False)], [Loss(PUT_KEY, True)]),
    ([Loss(CREATE, True)], [Loss(UPDATE, False), Loss(9, True)], [Loss(20, True)], [Loss(-3, False)]),
    ([Loss(-2, False)], [Loss(-2, True)], [Loss(-2, True, "pull")], [Loss(-1, True)]),
)


@pytest.mark.parametrize("losses", ROUNDS, ids=["keys", "files", "lock"])
def test_cards_that_are_lost_are_finished_by_another_run(blank: CardStub, losses: Sequence[Sequence[Loss]]) -> None:
    count = commands_of(PLAN, BLOCK)
    placed = [[Loss(loss.after % count, loss.executed, loss.kind) for loss in of] for of in losses]
    with ThreadPoolExecutor(len(placed)) as pool:
        runs = list(pool.map(lambda slot: written_after(blank, slot, placed[slot]), range(len(placed))))
    assert runs == [1 + len(of) for of in placed]
    for slot in range(len(placed)):
        transmit = wire(connected(slot).transmit)
        assert write(transmit).written == 0
        require_finished(blank, slot, shown(transmit))


def test_our_encoder_writes_a_card_that_loses_its_power_on_the_way(blank: CardStub) -> None:
    slot = 3
    blank.arm("power_loss", slot, after=20, executed=True)
    encoder = PcscEncoder(f"pcsc:{connected(slot).reader}")
    Connection.close_all()
    encoder.open()
    runs: list[Personalised | CardGone] = []
    try:
        while not runs or isinstance(runs[-1], CardGone):
            with encoder.hold(timeout_s=WAIT_S, cancel=CancelToken()) as card:
                transmit, each = transmit_of(card, CancelToken()), transmit_each_of(card, CancelToken())
                try:
                    runs.append(
                        personalise(
                            transmit,
                            PLAN,
                            keys(),
                            block=card.block,
                            challenge_source=chance(),
                            transmit_each=each,
                        )
                    )
                    require_finished(blank, slot, shown(transmit))
                except CardGone as lost:
                    runs.append(lost)
    finally:
        encoder.close()
    assert [type(run).__name__ for run in runs] == ["TransmitLost", "Personalised"]
