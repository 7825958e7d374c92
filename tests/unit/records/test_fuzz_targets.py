"""The fuzzer's targets read their seeds: a seed that is refused would leave the fuzzer at the door."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from bench.fuzzing.target import PropertyBroken, Target, require
from bench.fuzzing.targets import TARGETS
from enrollment.core.errors import EnrollmentError

every_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


@every_target
def test_every_seed_is_read(target: Target) -> None:
    seeds = list(target.seeds())
    assert seeds
    for seed in seeds:
        assert len(seed) <= target.max_octets
        target.run(seed)


@every_target
def test_changed_seeds_are_read_or_refused(target: Target) -> None:
    choice = random.Random(1)  # noqa: S311
    for seed in list(target.seeds())[:2]:
        for _ in range(20):
            data = bytearray(seed)
            for _ in range(choice.randrange(1, 4)):
                data[choice.randrange(len(data))] = choice.randrange(256)
            with suppress(target.refusal):
                target.run(bytes(data))


def test_names_are_files_and_stand_once() -> None:
    names = [target.name for target in TARGETS]
    assert len(set(names)) == len(names)
    assert all(name.replace(":", "").replace("-", "").isalnum() for name in names)


def test_property_that_does_not_hold_is_no_refusal() -> None:
    with pytest.raises(PropertyBroken):
        require(False, "it holds")
    assert not issubclass(PropertyBroken, EnrollmentError)
