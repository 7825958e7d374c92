"""The documents that go into a package: deterministic, and whole."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import cbor2
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.dossier.documents import CAPTURES_PART, DEMOGRAPHICS_PART, DOCUMENT_PARTS, documents
from enrollment.core.dossier.model import (
    AbsentFinger,
    Capture,
    Dossier,
    DossierState,
    FingerAbsence,
    PartRecord,
    QualityRecord,
)
from enrollment.core.dossier.plan import Plan, PlannedFingerprint, plan_from_table

PLAN = Plan("trial", 2, "Thử", "Trial", (PlannedFingerprint(1), PlannedFingerprint(2)))


def dossier(demographics: dict[str, str], measures: dict[str, float] | None = None) -> Dossier:
    capture = Capture(
        capture_id="c-1",
        position=1,
        impression="flat",
        quality=QualityRecord(70, "a", "1", measures or {"area_mm2": 210.5}, ("TOO_DRY",)),
        accepted=True,
        attempts=2,
        kept_attempt=1,
        operator_id="op-1",
        device_id="scanner-1",
        captured_at=datetime(2026, 11, 23, 8, 0, 0, 5000, tzinfo=UTC),
        parts=(PartRecord("fingerprint-01.fir", "application/x-iso19794-4-2005", 3, bytes(32)),),
    )
    return Dossier(
        dossier_id="d-1",
        state=DossierState.COMPLETE,
        plan=PLAN,
        operator_id="op-1",
        created_at=datetime(2026, 11, 23, tzinfo=UTC),
        demographics=demographics,
        captures=(capture,),
        absent_fingers=(AbsentFinger(2, FingerAbsence.BANDAGED, "băng", "op-2"),),
    )


def test_documents_hold_what_the_dossier_holds() -> None:
    made = documents(dossier({"full_name": "Nguyễn Văn A"}))
    assert made.keys() == DOCUMENT_PARTS
    assert cbor2.loads(made[DEMOGRAPHICS_PART][1]) == {"full_name": "Nguyễn Văn A"}
    captures: Any = cbor2.loads(made[CAPTURES_PART][1])
    assert plan_from_table(captures["plan"]) == PLAN
    assert captures["absent_fingers"] == [
        {"position": 2, "absence": "bandaged", "description": "băng", "operator_id": "op-2"}
    ]
    (capture,) = captures["captures"]
    assert capture["quality"]["measures"] == {"area_mm2": 210.5}
    assert (capture["captured_at"], capture["parts"]) == ("2026-11-23T08:00:00.005+00:00", ["fingerprint-01.fir"])
    assert {media_type for media_type, _ in made.values()} == {"application/cbor"}


@given(st.dictionaries(st.text(max_size=40), st.text(max_size=10), max_size=8), st.randoms())
def test_same_fields_in_any_order_give_the_same_bytes_with_keys_in_bytewise_order(
    fields: dict[str, str], chance: Any
) -> None:
    shuffled = list(fields.items())
    chance.shuffle(shuffled)
    made = documents(dossier(fields))[DEMOGRAPHICS_PART][1]
    assert documents(dossier(dict(shuffled)))[DEMOGRAPHICS_PART][1] == made
    encoded = [cbor2.dumps(key) for key in cbor2.loads(made)]
    assert encoded == sorted(encoded), "RFC 8949 section 4.2.1"
    assert made[0] == 0xA0 + len(fields), "a definite length in the shortest head"


@given(st.floats(allow_nan=False, width=16))
def test_measures_are_in_the_shortest_float_that_holds_them(value: float) -> None:
    made = documents(dossier({}, {"x": value}))[CAPTURES_PART][1]
    assert cbor2.dumps({"x": value}, canonical=True) in made
    assert len(cbor2.dumps(value, canonical=True)) == 3, "half precision holds it"
