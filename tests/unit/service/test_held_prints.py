"""A new print beside what the dossier holds: alone, beside its slap, beside earlier tries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from bench.toy_templates import draw_finger, draw_impression
from enrollment.core.acceptance import Objection
from enrollment.core.fingerprint import FingerprintTemplate
from enrollment.service.capture.held_prints import HeldPrint, HeldPrints, KeptPrints, Likeness
from enrollment.service.config import SystemClock
from enrollment.service.devices.leases import Granted, Leases

Prints = Mapping[int, FingerprintTemplate]


@pytest.fixture(scope="module")
def people() -> tuple[tuple[Prints, Prints], tuple[Prints, Prints]]:
    """Two people: two prints of each finger."""
    rng = np.random.default_rng(31)

    def person() -> tuple[Prints, Prints]:
        fingers = {position: draw_finger(rng) for position in range(1, 6)}
        first, second = (
            {position: draw_impression(finger, rng, turn=0.3).template for position, finger in fingers.items()}
            for _ in range(2)
        )
        return first, second

    return person(), person()


def held(prints: Prints, *, rolled: bool = False) -> HeldPrints:
    return HeldPrints(tuple(prints), (rolled,) * len(prints), tuple(prints.values()))


def some(prints: Prints, *positions: int) -> Prints:
    return {position: prints[position] for position in positions}


def test_an_empty_dossier_objects_to_nothing(people: tuple[tuple[Prints, Prints], ...]) -> None:
    found = held({}).judge(people[0][0], "slap", {})
    assert found == dict.fromkeys(range(1, 6), Likeness())


def test_a_finger_of_another_position_is_named_and_others_pass(people: tuple[tuple[Prints, Prints], ...]) -> None:
    (first, second), _ = people
    found = held(some(first, 1, 2)).judge({3: second[2], 4: second[4]}, "flat", {})
    assert found == {3: Likeness(Objection.SAME_FINGER, 2), 4: Likeness()}


def test_a_rolled_print_beside_its_slap_passes_unless_it_is_another_finger(
    people: tuple[tuple[Prints, Prints], ...],
) -> None:
    (first, second), (stranger, _) = people
    slap = held(some(first, 2, 3, 4, 5))
    slap.prepare()
    broad = replace_breadth(second[2])
    assert slap.judge({2: broad}, "rolled", {}) == {2: Likeness()}
    assert slap.judge({2: second[3]}, "rolled", {}) == {2: Likeness(Objection.SAME_FINGER, 3)}
    assert slap.judge({2: stranger[2]}, "rolled", {}) == {2: Likeness(Objection.OTHER_FINGER, None)}


def test_a_print_that_is_no_broader_than_its_flat_one_was_not_rolled(
    people: tuple[tuple[Prints, Prints], ...],
) -> None:
    (first, second), _ = people
    narrow = held({2: replace_breadth(first[2])})
    assert narrow.judge({2: replace_breadth(second[2])}, "rolled", {}) == {2: Likeness(Objection.NOT_ROLLED, None)}


def test_the_second_rolled_finger_of_a_stranger_makes_the_hand_anothers(
    people: tuple[tuple[Prints, Prints], ...],
) -> None:
    (first, _), (stranger, _) = people
    slap, earlier = some(first, 2, 3, 4, 5), stranger[2]
    both = HeldPrints((*slap, 2), (False,) * 4 + (True,), (*slap.values(), earlier))
    assert both.judge({3: stranger[3]}, "rolled", {}) == {3: Likeness(Objection.OTHER_PERSON, None)}


def test_a_second_try_by_another_person_is_told_from_the_first(people: tuple[tuple[Prints, Prints], ...]) -> None:
    (first, second), (stranger, _) = people
    fingers = (2, 3, 4, 5)
    own = held({}).judge(some(second, *fingers), "slap", some(first, *fingers))
    assert own == dict.fromkeys(fingers, Likeness())
    others = held({}).judge(some(stranger, *fingers), "slap", some(first, *fingers))
    assert {one.objection for one in others.values()} == {Objection.OTHER_PERSON}


async def test_prints_are_kept_of_the_newest_dossier_only_and_forgotten_with_the_lease(
    people: tuple[tuple[Prints, Prints], ...],
) -> None:
    leases, kept = Leases(SystemClock(), lambda device_id: 1, lambda device_id: None), KeptPrints()
    prints = (HeldPrint("capture", 1, 1, False, people[0][0][1]),)
    stream = leases.hold("scanner", operator_id="an", client_name="counter", time_to_live_s=30, wait_s=0)
    granted = await anext(stream)
    assert isinstance(granted, Granted)
    lease = granted.lease
    kept.keep(lease, "dossier", prints)
    assert kept.of(lease, "dossier") == prints
    assert kept.of(lease, "another") == ()
    kept.keep(lease, "another", ())
    assert kept.of(lease, "dossier") == ()
    kept.keep(lease, "dossier", prints)
    await stream.aclose()
    assert kept.of(lease, "dossier") == ()


def replace_breadth(template: FingerprintTemplate) -> FingerprintTemplate:
    """The same print with its ridges known over 30 cells of 8 px."""
    return replace(template, mask=np.ones((40, 30), np.bool_), waves=None)
