"""Plans as data: what is read, what is refused, by which key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.dossier.plan import MAX_PLAN_CHARACTERS, parse_plan, plan_from_table, plan_to_table
from enrollment.core.errors import InvalidPlan
from enrollment.service.config import StationConfig, load_plans

GOOD = """
plan_id = "trial"
version = 2
title_vi = "Thử"
title_en = "Trial"
fingerprints = [{ position = 13, impression = "slap" }, { position = 1, impression = "rolled", accept_score = 30 }]
[portrait]
min_width_px = 100
[[fields]]
name = "full_name"
label_vi = "Họ tên"
label_en = "Name"
"""


def test_plan_is_read_as_written_with_its_defaults() -> None:
    plan = parse_plan(GOOD)
    assert [(planned.position, planned.impression, planned.accept_score) for planned in plan.fingerprints] == [
        (13, "slap", 45),
        (1, "rolled", 30),
    ]
    assert plan.portrait is not None
    assert plan.portrait.min_width_px == 100
    assert plan.fingerprint(1) is plan.fingerprints[1]
    assert plan.fingerprint(2) is None
    assert plan_from_table(plan_to_table(plan)) == plan


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (("position = 13", "position = 12"), "position"),
        (("position = 13", "position = 1"), "impression"),
        (('"slap"', '"flat"'), "impression"),
        (('"rolled"', '"pressed"'), "impression"),
        (("accept_score = 30", "accept_score = 101"), "accept_score"),
        (("accept_score = 30", 'accept_score = "30"'), "accept_score"),
        (("accept_score = 30", "accept_score = true"), "accept_score"),
        (("accept_score = 30", "accept_scoer = 30"), "accept_scoer"),
        (("min_width_px = 100", "min_width_px = 0"), "min_width_px"),
        (('plan_id = "trial"', 'plan_id = "../trial"'), "plan_id"),
        (("version = 2", "version = 0"), "version"),
        (("version = 2", ""), "version"),
        (('name = "full_name"', 'name = "Full Name"'), "name"),
        (('label_en = "Name"', 'label_en = "Name"\npattern = "("'), ""),
        (('label_en = "Name"', 'label_en = "Name"\nrule = "astrology"'), "rule"),
    ],
)
def test_plan_that_cannot_be_carried_out_is_refused_by_key(change: tuple[str, str], key: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(InvalidPlan) as refused:
        parse_plan(GOOD.replace(*change))
    assert refused.value.facts.get("key", "") == key


def test_same_position_twice_is_refused() -> None:
    with pytest.raises(InvalidPlan):
        parse_plan(GOOD.replace("position = 13, impression", "position = 1, impression").replace("slap", "flat"))


@given(st.text(max_size=300))
def test_any_text_is_a_plan_or_is_refused(text: str) -> None:
    try:
        parse_plan(text)
    except InvalidPlan:
        return


@pytest.mark.parametrize("text", ["x" * (MAX_PLAN_CHARACTERS + 1), "a = " + "[" * 5000, "fields = 3", "portrait = []"])
def test_hostile_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidPlan):
        parse_plan(text)


def test_built_in_plans_read_and_the_card_plan_asks_for_ten_flat_fingers(tmp_path: Path) -> None:
    plans = load_plans(StationConfig("S", tmp_path, tmp_path / "s"))
    assert {"card-issue", "level2-eid"} <= plans.keys()
    card = plans["card-issue"]
    assert [(planned.position, planned.impression) for planned in card.fingerprints] == [
        (position, "flat") for position in range(1, 11)
    ]
    assert card.portrait is not None
