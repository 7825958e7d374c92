"""The one table: every error that can reach a caller has its own row, with a code and a sentence in both languages."""

from __future__ import annotations

import importlib
import pkgutil

import drivers
import enrollment.core
import enrollment.service
from drivers.errors import DriverError
from enrollment.core.errors import EnrollmentError
from enrollment.service.rpc.error_status import status_of
from enrollment.service.rpc.error_table import TABLE


def every_class() -> list[type[EnrollmentError] | type[DriverError]]:
    """Both trees, from every module that the service is made of."""
    for package in (enrollment.core, enrollment.service, drivers):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    found: list[type[EnrollmentError] | type[DriverError]] = [EnrollmentError, DriverError]
    for kind in found:
        found.extend(child for child in kind.__subclasses__() if child not in found)
    return [kind for kind in found if kind.__module__.startswith(("enrollment.core", "enrollment.service", "drivers"))]


def test_every_error_class_has_its_own_row() -> None:
    classes = every_class()
    assert len(classes) > 50
    assert [kind.__qualname__ for kind in classes if kind not in TABLE] == []


def test_no_row_is_left_of_a_class_that_is_gone() -> None:
    assert set(TABLE) <= set(every_class())


def test_reasons_are_upper_snake_and_each_means_one_class() -> None:
    reasons = {kind: kind.reason for kind in every_class()}
    assert all(reason.replace("_", "").isalnum() and reason == reason.upper() for reason in reasons.values())
    twice = {reason for reason in reasons.values() if list(reasons.values()).count(reason) > 1}
    assert twice == set()


def test_sentences_are_there_in_both_languages_and_differ() -> None:
    for kind, row in TABLE.items():
        assert row.vi.endswith("."), kind
        assert row.en.endswith("."), kind
        assert row.vi != row.en, kind


def test_an_error_of_a_class_that_is_newer_than_the_table_is_answered_as_its_parent() -> None:
    from enrollment.core.errors import PositionNotInPlan

    class Newer(PositionNotInPlan):
        reason = "NEWER"

    status = status_of(Newer("new"))
    assert status.code == TABLE[PositionNotInPlan].code.value[0]
