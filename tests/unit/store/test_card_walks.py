"""Any sequence of acts, allowed or not: every card stays in one state, and its history says how it came there."""

from __future__ import annotations

import random
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from enrollment.core.dossier.card_batch import CardArrival
from enrollment.core.dossier.card_lifecycle import CardState
from enrollment.core.dossier.plan import Plan, PlannedField
from enrollment.core.errors import EnrollmentError
from enrollment.service.keys.software_keys import SoftwareKeys
from enrollment.service.store.outbox_rows import NewPackage
from enrollment.service.store.store import Store
from tests.unit.store.card_invariants import require_consistent
from tests.unit.store.conftest import SetClock

PLAN = Plan("walk", 1, "", "", fields=(PlannedField("name", "", ""),), card_profile="vn-cccd")
ACTS = {  # and how often each is tried
    "open": 3, "collect": 4, "send": 8, "abandon": 1, "purge": 3, "make": 10, "spoil": 5, "arrive": 3, "give": 6,
    "undo": 4, "return": 3, "destroy": 2, "wait": 1,
}  # fmt: skip
STEPS = 350


class Walk:
    """A station, and acts on its n-th dossier and card; each may be refused, with a type."""

    def __init__(self, folder: Path, keys: SoftwareKeys) -> None:
        self.clock = SetClock()
        self.store = Store.open(folder / "station.db", self.clock, keys, place="T-1")
        self.dossiers: list[str] = []
        self.done: set[str] = set()

    def act(self, what: str, chance: random.Random) -> None:
        """Do it to any dossier, or any card: one that is there, or a new one."""
        store, cards = self.store, self.store.cards
        if not self.dossiers or what == "open":
            opened = store.dossiers.create(PLAN, {}, request_id=str(uuid.uuid4()), operator_id="op")
            self.dossiers.append(opened.dossier_id)
        dossier_id, card_id = chance.choice(self.dossiers[-5:]), f"NEW-{chance.randrange(1000)}"
        sought = CardState.HANDED_OVER if what == "undo" else None
        numbers = [card.card_id for card in cards.list(500, "", state=sought).cards if card.card_id is not None]
        if numbers and chance.random() < 0.6:
            card_id = chance.choice(numbers)
        act = cards.act("op", "why", request_id=str(uuid.uuid4()))
        match what:
            case "collect":
                store.dossiers.complete(dossier_id, operator_id="op")
            case "send":
                package_id, link = str(uuid.uuid4()), store.outbox.next_link()
                content = package_id.encode()
                store.outbox.add(NewPackage(package_id, dossier_id, link, content[:32], content))
                store.outbox.acknowledge(package_id, b"receipt", self.clock.now())
            case "abandon":
                store.dossiers.abandon(dossier_id, operator_id="op", why="left")
            case "purge":
                store.dossiers.purge(dossier_id, operator_id="op")
            case "make":
                cards.personalised(dossier_id, card_id, operator_id="op")
            case "spoil":
                cards.spoiled(dossier_id, card_id, operator_id="op", reason="broken")
            case "arrive":
                others = [CardArrival(f"{card_id}-{step}", one) for step, one in enumerate(self.dossiers[-2:])]
                rows = [CardArrival(card_id, dossier_id), CardArrival(card_id), *others]
                store.card_batches.carry_out(str(uuid.uuid4()), rows, operator_id="op")
            case "give":
                cards.hand_over(card_id, replace(act, receipt=b"signed"))
            case "undo":
                cards.undo(card_id, b"signed", replace(act, receipt=b"void"))
            case "return" | "destroy":
                state = CardState.RETURNED if what == "return" else CardState.DESTROYED
                request_id = str(uuid.uuid4())
                cards.retire(card_id, state, operator_id="op", reason="r", supervisor=True, request_id=request_id)
            case "wait":
                self.clock.move(chance.choice((3600, -3600)))
        self.done.add(what)


@pytest.mark.parametrize("seed", range(2))
def test_every_card_stays_in_one_state_whatever_is_done(tmp_path: Path, keys: SoftwareKeys, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - which acts, not a secret
    walking = Walk(tmp_path, keys)
    for _ in range(STEPS):
        what = chance.choices(list(ACTS), list(ACTS.values()))[0]
        before = history(walking.store)
        try:
            walking.act(what, chance)
        except EnrollmentError:
            assert history(walking.store) == before, f"{what} was refused, and changed something"
        else:
            assert history(walking.store)[: len(before)] == before, f"{what} changed the history"
        require_consistent(walking.store)
    walking.store.close()
    assert walking.done == set(ACTS), "some act never succeeded: the walk shows nothing of it"


def history(store: Store) -> list[tuple[object, ...]]:
    with store.database.read() as connection:
        return [tuple(row) for row in connection.exec_driver_sql("select * from card_events order by number")]
