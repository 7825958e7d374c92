"""One table tells every exception to clients, and tells nothing that it should not."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from google.rpc import error_details_pb2

from enrollment.core import errors as core
from enrollment.registry import errors as registry
from enrollment.registry.error_status import INTERNAL, TABLE, row_of, status_of

# Raised where a chip card is written or verified, never by a registry
OF_CARDS = {
    core.UntrustedChain,
    core.CertificateNotValid,
    core.CertificateRevoked,
    core.CardBelongsElsewhere,
    core.CardChannelBroken,
    core.CardNotGenuine,
}


def classes_under(base: type[Exception]) -> Iterator[type[Exception]]:
    """The classes of the two modules' own trees."""
    yield base
    for kind in base.__subclasses__():
        if kind.__module__ in (core.__name__, registry.__name__):
            yield from classes_under(kind)


def info_of(error: Exception) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    assert status_of(error).details[0].Unpack(info)
    return info


@pytest.mark.parametrize(
    "kind", sorted({*classes_under(registry.RegistryError), *classes_under(core.TrustFailure)} - OF_CARDS, key=str)
)
def test_every_class_that_the_registry_raises_has_its_own_row(kind: type[Exception]) -> None:
    assert kind in TABLE


@pytest.mark.parametrize("kind", list(classes_under(core.EnrollmentError)))
def test_every_class_of_the_core_is_a_refusal_with_its_reason(kind: type[core.EnrollmentError]) -> None:
    assert row_of(kind("text")) is not INTERNAL
    assert info_of(kind("text", number=3)).reason == kind.reason
    assert info_of(kind("text", number=3)).metadata == {"number": "3"}


@pytest.mark.parametrize("row", TABLE.values())
def test_every_row_speaks_both_languages(row: tuple[grpc.StatusCode, str, str]) -> None:
    code, vietnamese, english = row
    assert code is not grpc.StatusCode.OK
    assert vietnamese != english
    assert vietnamese.endswith(".")
    assert english.endswith(".")


def test_an_unforeseen_exception_keeps_its_text_to_itself() -> None:
    status = status_of(ValueError("a secret"))
    assert "secret" not in str(status)
    assert info_of(ValueError("a secret")).reason == "INTERNAL"
    assert not info_of(ValueError("a secret")).metadata


def test_a_class_without_a_row_is_told_as_the_nearest_above_it() -> None:
    class Special(core.SequenceBroken):
        reason = "SPECIAL"

    assert row_of(Special("text")) is TABLE[core.SequenceBroken]
    assert info_of(Special("text")).reason == "SPECIAL"
