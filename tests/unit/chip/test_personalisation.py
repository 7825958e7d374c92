"""A card is written to its plan, whatever stands on it; in process, against the card model."""

from __future__ import annotations

import pytest

from enrollment.core.chip.personalisation import Personalised, personalise
from firmware_stubs.card.card import Card
from firmware_stubs.card.memory import MAX_TRIES, LifeCycle
from tests.unit.chip.blank_cards import blank_card, chance, holds, keys, plan_of, wire

pytest.importorskip("yubikit", reason="needs requirements/card.lock: ./run setup dev, with its Debian packages")


def encode(card: Card, block: int = 4096) -> Personalised:
    return personalise(wire(card.transmit), plan_of(), keys(), block=block, challenge_source=chance())


@pytest.mark.parametrize("block", [255, 1000, 4096, 65_535])
def test_a_blank_card_becomes_its_plan_and_is_locked(block: int) -> None:
    card = blank_card()
    done = encode(card, block)
    assert done == Personalised(card.memory.serial, 1, plan_of().octets)
    assert holds(card, plan_of())
    assert (card.memory.life_cycle, card.memory.tries) == (LifeCycle.OPERATIONAL, MAX_TRIES)
    assert sorted(card.memory.objects) == [0x62, 0x63, 0x65, 0x66]


def test_a_finished_card_is_known_again() -> None:
    card = blank_card()
    encode(card)
    before = card.memory.to_json()
    assert encode(card, 255).written == 0
    assert card.memory.to_json() | {"sequence": 0} == before | {"sequence": 0}
