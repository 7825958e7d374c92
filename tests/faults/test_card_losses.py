"""At whichever command a card is lost, or answers nonsense: it is finished right, or not at all."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

pytest.importorskip("yubikit", reason="needs requirements/card.lock: ./run setup dev, with its Debian packages")

from enrollment.core.chip.personalisation_plan import CardPlan
from tests.faults import card_losses
from tests.unit.chip.blank_cards import blank_card, holds, plan_of

PLAN = plan_of(scale=0.1)
BLOCK = 300  # so that the larger files take several commands


def bad(outcomes: list[card_losses.Outcome]) -> list[card_losses.Outcome]:
    return [found for found in outcomes if found.is_bad]


def test_a_loss_at_every_command_is_made_good() -> None:
    outcomes = list(card_losses.losses(PLAN, BLOCK))
    assert bad(outcomes) == []
    assert len(outcomes) == len(card_losses.LOSSES) * card_losses.commands_of(PLAN, BLOCK) > 160
    assert {found.ended for found in outcomes} == {"finished"}
    assert {found.runs for found in outcomes} == {2}


def test_two_losses_are_made_good() -> None:
    assert bad(list(card_losses.losses_in_pairs(PLAN, BLOCK, step=47))) == []


def test_nonsense_once_is_made_good() -> None:
    count = card_losses.commands_of(PLAN, BLOCK)
    source = random.Random(5)  # noqa: S311 - for a choice
    outcomes = []
    for answer in card_losses.NONSENSE:
        for executed in (False, True):
            for at in source.sample(range(count), 6):
                disturb = card_losses.answering(answer, executed=executed)
                outcomes.append(card_losses.try_card(answer, PLAN, BLOCK, (at,), disturb))
    assert bad(outcomes) == []
    assert {found.ended for found in outcomes} == {"finished"}


@pytest.mark.parametrize(
    ("instruction", "first", "ended", "refused"),
    [
        (0xD8, 0, "unfinished", {"CARD_REFUSED"}),  # as blank as it was
        (0xE0, 0, "spoiled", {"CARD_SPOILED"}),
        (0xE0, 15, "spoiled", {"CARD_SPOILED"}),
        (0xD6, 0, "spoiled", {"CARD_SPOILED"}),
        (0xD6, 20, "spoiled", {"CARD_SPOILED"}),
        (0xDA, 0, "spoiled", {"CARD_SPOILED"}),
    ],
)
def test_a_card_that_refuses_for_ever_is_said_to_be_spoiled(
    instruction: int, first: int, ended: str, refused: set[str]
) -> None:
    at = range(first, card_losses.MAX_COMMANDS)
    found = card_losses.try_card("", PLAN, BLOCK, at, card_losses.refusing(instruction))
    assert not found.is_bad
    assert (found.ended, set(found.refused), found.locked) == (ended, refused, False)


def test_the_table_shows_what_would_be_bad() -> None:
    found = next(card_losses.losses(PLAN, BLOCK))
    assert not found.is_bad
    for change in ({"right": False}, {"tries_lost": 1}, {"keys_put": 2}, {"locks": 2}, {"ended": "spoiled"}):
        assert replace(found, **change).is_bad
    card = blank_card()
    card.memory.files = {fid: bytearray(content) for fid, content in files_of(PLAN).items()}
    assert holds(card, PLAN)
    card.memory.files[0x0102][-1] ^= 1
    assert not holds(card, PLAN)


def files_of(plan: CardPlan) -> dict[int, bytes]:
    return {int(file.file_id, 16): octets for file, octets in plan.in_writing_order}
