"""Dossiers on disk: what is stored, what is refused, what a repeated call does, what a thief finds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from enrollment.core.dossier.completeness import missing
from enrollment.core.dossier.lifecycle import TransitionRefused
from enrollment.core.dossier.model import AbsentFinger, CapturedFinger, DossierState, FingerAbsence, QualityRecord
from enrollment.core.dossier.plan import Plan, PlannedField, PlannedFingerprint
from enrollment.core.errors import (
    DossierIncomplete,
    DossierNotOpen,
    EnrollmentError,
    InvalidDemographics,
    InvalidInput,
    PositionAlreadyCaptured,
    PositionNotInPlan,
)
from enrollment.service.store.chain import ChainLink
from enrollment.service.store.dossier_parts import StoredPrint
from enrollment.service.store.errors import (
    DossierUnknown,
    PartPurged,
    PartUnknown,
    RequestConflict,
    StoredDataDamaged,
)
from enrollment.service.store.new_capture import NewCapture
from enrollment.service.store.outbox_rows import NewPackage
from enrollment.service.store.store import Store
from enrollment.service.store.tables import PARTS
from tests.unit.store.conftest import SetClock

NewCaptures = Callable[..., NewCapture]
NAME = "Nguyễn Thị Kiểm Thử"


def opened(store: Store, plan: Plan, request_id: str = "r-1") -> str:
    return store.dossiers.create(plan, {"full_name": NAME}, request_id=request_id, operator_id="op-1").dossier_id


def test_same_request_gives_the_same_dossier_and_another_use_of_it_is_refused(store: Store, plan: Plan) -> None:
    first = opened(store, plan)
    assert opened(store, plan) == first
    with pytest.raises(RequestConflict):
        store.dossiers.create(plan, {}, request_id="r-1", operator_id="op-2")


def test_demographics_come_back_in_nfc_and_survive_reopening(store: Store, plan: Plan) -> None:
    decomposed = "Nguye\u0302\u0303n"
    dossier_id = store.dossiers.create(plan, {"full_name": decomposed}, request_id="r", operator_id="o").dossier_id
    assert store.dossiers.get(dossier_id).demographics == {"full_name": "Nguyễn"}


def test_wrong_demographics_name_the_field_and_never_the_value(store: Store, plan: Plan) -> None:
    with pytest.raises(InvalidDemographics) as refused:
        store.dossiers.create(plan, {"full_name": "SECRET" * 100}, request_id="r", operator_id="o")
    assert refused.value.facts["field"] == "full_name"
    assert "SECRET" not in str(refused.value)


def test_capture_comes_back_whole_and_its_parts_byte_for_byte(
    store: Store, plan: Plan, new_capture: NewCaptures
) -> None:
    dossier_id = opened(store, plan)
    stored = store.dossiers.add_capture(
        dossier_id, new_capture(1, image=b"\x00\xff" * 999), replace=False, request_id="c"
    )
    capture = store.dossiers.get(dossier_id).capture_of(1)
    assert capture == stored
    assert capture.quality.measures == {"area_mm2": 210.5}
    assert store.dossiers.read_part(dossier_id, "fingerprint-01.jpg") == b"\x00\xff" * 999
    assert store.dossiers.stored_prints(dossier_id) == (StoredPrint(stored.capture_id, 1, 1, "flat", b"FMR\x01"),)


def test_what_a_capture_brings_is_not_shown_by_its_repr(new_capture: NewCaptures) -> None:
    assert "IMAGE-BYTES" not in repr(new_capture(1))


@pytest.mark.parametrize("why", [NAME, f"bà {NAME.upper()} bỏ về"])
def test_a_reason_that_names_the_person_is_refused_as_it_would_outlive_the_dossier(
    store: Store, plan: Plan, why: str
) -> None:
    dossier_id = opened(store, plan)
    with pytest.raises(InvalidInput) as refused:
        store.dossiers.abandon(dossier_id, operator_id="op-1", why=why)
    assert NAME not in str(refused.value)
    assert store.dossiers.get(dossier_id).state is DossierState.OPEN
    store.dossiers.abandon(dossier_id, operator_id="op-1", why="left")


def test_repeated_capture_request_answers_what_it_stored(store: Store, plan: Plan, new_capture: NewCaptures) -> None:
    dossier_id = opened(store, plan)
    first = store.dossiers.add_capture(dossier_id, new_capture(1), replace=False, request_id="c")
    again = store.dossiers.add_capture(dossier_id, new_capture(1, score=99), replace=False, request_id="c")
    assert again == first
    assert store.dossiers.before_capture(dossier_id, 1, "c").earlier == first
    with pytest.raises(RequestConflict):
        store.dossiers.before_capture(dossier_id, 2, "c")
    with pytest.raises(RequestConflict):
        store.dossiers.add_capture(dossier_id, new_capture(2), replace=False, request_id="c")


def test_a_capture_begins_from_the_prints_that_are_not_known_yet(
    store: Store, plan: Plan, new_capture: NewCaptures
) -> None:
    dossier_id = opened(store, plan)
    first, second = (
        store.dossiers.add_capture(dossier_id, new_capture(position), replace=False, request_id=f"c-{position}")
        for position in (1, 2)
    )
    for known, read in (([], [1, 2]), ([first.capture_id], [2]), ([first.capture_id, second.capture_id], [])):
        before = store.dossiers.before_capture(dossier_id, 2, "next", known)
        assert (before.dossier, before.earlier) == (store.dossiers.get(dossier_id), None)
        assert [one.position for one in before.prints] == read
    assert store.dossiers.before_capture(dossier_id, None, "next").prints == ()


def test_second_capture_of_a_position_needs_replace(store: Store, plan: Plan, new_capture: NewCaptures) -> None:
    dossier_id = opened(store, plan)
    store.dossiers.add_capture(dossier_id, new_capture(1), replace=False, request_id="c1")
    with pytest.raises(PositionAlreadyCaptured):
        store.dossiers.add_capture(dossier_id, new_capture(1), replace=False, request_id="c2")
    replaced = store.dossiers.add_capture(dossier_id, new_capture(1, image=b"NEW"), replace=True, request_id="c3")
    assert store.dossiers.get(dossier_id).captures == (replaced,)
    assert store.dossiers.read_part(dossier_id, "fingerprint-01.jpg") == b"NEW"


def test_position_outside_the_plan_is_refused(store: Store, plan: Plan, new_capture: NewCaptures) -> None:
    with pytest.raises(PositionNotInPlan):
        store.dossiers.add_capture(opened(store, plan), new_capture(7), replace=False, request_id="c")


def test_completion_names_what_is_missing_and_is_idempotent(store: Store, plan: Plan, new_capture: NewCaptures) -> None:
    dossier_id = opened(store, plan)
    store.dossiers.add_capture(dossier_id, new_capture(1), replace=False, request_id="c1")
    with pytest.raises(DossierIncomplete) as refused:
        store.dossiers.complete(dossier_id, operator_id="op-1")
    assert refused.value.facts["items"] == "fingerprint 2, portrait"
    store.dossiers.record_absence(dossier_id, AbsentFinger(2, FingerAbsence.BANDAGED, "băng", "op-1"))
    store.dossiers.add_capture(dossier_id, new_capture(None), replace=False, request_id="c2")
    assert missing(store.dossiers.get(dossier_id)) == ()
    done = store.dossiers.complete(dossier_id, operator_id="op-1")
    assert done.state is DossierState.COMPLETE
    assert store.dossiers.complete(dossier_id, operator_id="op-1") == done
    assert store.dossiers.complete_dossiers() == (dossier_id,)
    with pytest.raises(DossierNotOpen):
        store.dossiers.update_demographics(dossier_id, {}, operator_id="op-1")
    with pytest.raises(DossierNotOpen):
        store.dossiers.add_capture(dossier_id, new_capture(2), replace=False, request_id="c9")


@pytest.mark.parametrize(("position", "words"), [(13, ""), (0, ""), (1, "x" * 201)])
def test_absence_of_no_single_finger_or_with_a_novel_is_refused(
    store: Store, plan: Plan, position: int, words: str
) -> None:
    with pytest.raises(InvalidInput):
        store.dossiers.record_absence(opened(store, plan), AbsentFinger(position, FingerAbsence.DAMAGED, words, "op-1"))


def test_captured_finger_cannot_be_absent_and_a_capture_ends_an_absence(
    store: Store, plan: Plan, new_capture: NewCaptures
) -> None:
    dossier_id = opened(store, plan)
    absent = AbsentFinger(1, FingerAbsence.DAMAGED, "", "op-1")
    store.dossiers.record_absence(dossier_id, absent)
    store.dossiers.add_capture(dossier_id, new_capture(1), replace=False, request_id="c")
    assert store.dossiers.get(dossier_id).absent_fingers == ()
    with pytest.raises(PositionAlreadyCaptured):
        store.dossiers.record_absence(dossier_id, absent)


SLAPS = Plan(
    "slaps",
    1,
    "Thử",
    "Trial",
    (PlannedFingerprint(15, "slap"), PlannedFingerprint(1, "rolled")),
    fields=(PlannedField("full_name", "Họ tên", "Full name"),),
)


def thumbs(clock: SetClock, *fingers: int) -> NewCapture:
    parts = {"fingerprint-15.fir": ("application/x-iso19794-4-2005", b"WHOLE")}
    for finger in fingers:
        parts[f"fingerprint-15-{finger:02}.fmr"] = ("application/x-iso19794-2-2005", b"FMR" + bytes([finger]))
    return NewCapture(
        position=15,
        impression="slap",
        quality=QualityRecord(50, "a", "1"),
        accepted=False,
        attempts=3,
        kept_attempt=2,
        operator_id="op-1",
        device_id="scanner-1",
        captured_at=clock.now(),
        parts=parts,
        fingers=tuple(
            CapturedFinger(
                finger,
                QualityRecord(50 + finger, "a", "1"),
                finger == 6,
                finger % 3,
                (f"fingerprint-15-{finger:02}.fmr",),
            )
            for finger in fingers
        ),
    )


def test_slap_comes_back_with_its_fingers_and_each_print_by_its_own_position(
    store: Store, clock: SetClock, new_capture: NewCaptures
) -> None:
    dossier_id = opened(store, SLAPS)
    stored = store.dossiers.add_capture(dossier_id, thumbs(clock, 1, 6), replace=False, request_id="c")
    assert stored == store.dossiers.get(dossier_id).capture_of(15)
    assert [
        (finger.position, finger.quality.score, finger.accepted, finger.kept_attempt) for finger in stored.fingers
    ] == [
        (1, 51, False, 1),
        (6, 56, True, 0),
    ]
    store.dossiers.add_capture(dossier_id, new_capture(1), replace=False, request_id="d")
    prints = {(one.capture_position, one.position, one.record) for one in store.dossiers.stored_prints(dossier_id)}
    assert prints == {(15, 1, b"FMR\x01"), (15, 6, b"FMR\x06"), (1, 1, b"FMR\x01")}


def test_finger_of_a_slap_cannot_be_absent_and_an_absence_can_be_taken_back(store: Store, clock: SetClock) -> None:
    dossier_id = opened(store, SLAPS)
    left, right = (AbsentFinger(position, FingerAbsence.BANDAGED, "", "op-1") for position in (6, 1))
    store.dossiers.record_absence(dossier_id, left)
    store.dossiers.add_capture(dossier_id, thumbs(clock, 1), replace=False, request_id="c")
    assert [item.name for item in missing(store.dossiers.get(dossier_id))] == ["1"]
    with pytest.raises(PositionAlreadyCaptured):
        store.dossiers.record_absence(dossier_id, right)
    for _ in range(2):  # again is no error
        assert store.dossiers.withdraw_absence(dossier_id, 6, operator_id="op-1").absent_fingers == ()
    assert [item.name for item in missing(store.dossiers.get(dossier_id))] == ["15", "1"]
    store.dossiers.record_absence(dossier_id, left)
    replaced = store.dossiers.add_capture(dossier_id, thumbs(clock, 1, 6), replace=True, request_id="e")
    assert replaced.shown == {1, 6}
    assert store.dossiers.get(dossier_id).absent_fingers == (), (
        "a capture ends the absence of each finger that it shows"
    )


def test_pages_hold_every_dossier_once_newest_first(store: Store, plan: Plan) -> None:
    made = [opened(store, plan, f"r-{number}") for number in range(7)]
    seen, token = [], ""
    while True:
        page = store.dossiers.list(DossierState.OPEN, 3, token)
        seen += [dossier.dossier_id for dossier in page.dossiers]
        token = page.next_page_token
        if not token:
            break
    assert seen == made[::-1]
    assert store.dossiers.list(DossierState.SEALED, 3, "").dossiers == ()


@pytest.mark.parametrize("call", ["get", "complete", "read_part", "stored_prints", "abandon", "purge"])
def test_unknown_dossier_is_named_as_unknown(store: Store, call: str) -> None:
    calls: dict[str, Callable[[], object]] = {
        "get": lambda: store.dossiers.get("x"),
        "complete": lambda: store.dossiers.complete("x", operator_id="o"),
        "read_part": lambda: store.dossiers.read_part("x", "p"),
        "stored_prints": lambda: store.dossiers.stored_prints("x"),
        "abandon": lambda: store.dossiers.abandon("x", operator_id="o", why=""),
        "purge": lambda: store.dossiers.purge("x", operator_id="o"),
    }
    with pytest.raises(DossierUnknown):
        calls[call]()


def test_unknown_part_is_named_as_unknown(store: Store, plan: Plan) -> None:
    with pytest.raises(PartUnknown):
        store.dossiers.read_part(opened(store, plan), "nothing.jpg")


def test_thief_with_the_file_finds_neither_name_nor_image_nor_words(
    store: Store, plan: Plan, new_capture: NewCaptures, tmp_path: Path
) -> None:
    dossier_id = opened(store, plan)
    image = b"PIXELS-OF-A-PERSON" * 50
    store.dossiers.add_capture(dossier_id, new_capture(1, image=image), replace=False, request_id="c")
    store.dossiers.record_absence(dossier_id, AbsentFinger(2, FingerAbsence.DAMAGED, "burnt-in-2019", "op-1"))
    store.close()
    files = [path.read_bytes() for path in tmp_path.glob("station.db*")]
    assert any(dossier_id.encode() in content for content in files), "looked in the wrong file"
    for content in files:
        assert NAME.encode() not in content
        assert image[:18] not in content
        assert b"burnt-in-2019" not in content


def test_purge_leaves_no_key_no_part_and_no_package(
    store: Store, complete_dossier: Callable[[], str], tmp_path: Path
) -> None:
    dossier_id = complete_dossier()
    with store.database.read() as connection:
        wrapped = connection.exec_driver_sql("select wrapped_key from dossiers").scalar_one()
        sealed = connection.execute(select(PARTS)).first()
    assert sealed is not None
    with pytest.raises(TransitionRefused):
        store.dossiers.purge(dossier_id, operator_id="boss")
    link = ChainLink(1, None)
    store.outbox.add(NewPackage("p-1", dossier_id, link, b"d" * 32, b"SEALED-PACKAGE-BYTES" * 500))
    store.outbox.acknowledge("p-1", b"receipt", store.dossiers.get(dossier_id).created_at)
    purged = store.dossiers.purge(dossier_id, operator_id="boss")
    assert (purged.state, dict(purged.demographics)) == (DossierState.PURGED, {})
    kept = {part.name: part.sha256 for capture in purged.captures for part in capture.parts}
    assert kept[sealed.name] == sealed.sha256, "ids and digests must stay"
    with pytest.raises(PartPurged):
        store.dossiers.read_part(dossier_id, sealed.name)
    with pytest.raises(PartPurged):
        store.outbox.read("p-1")
    assert store.outbox.receipt("p-1") == b"receipt"
    store.close()
    for path in tmp_path.glob("station.db*"):
        content = path.read_bytes()
        assert wrapped not in content, f"the wrapped key is still in {path.name}"
        assert sealed.sealed_content[:64] not in content
        assert b"SEALED-PACKAGE-BYTES" not in content


def test_blob_moved_to_another_place_or_changed_does_not_open(
    store: Store, plan: Plan, new_capture: NewCaptures
) -> None:
    dossier_id = opened(store, plan)
    for position in (1, 2):
        store.dossiers.add_capture(dossier_id, new_capture(position), replace=False, request_id=f"c{position}")
    swap = "update parts set sealed_content = (select sealed_content from parts where name = ?) where name = ?"
    with store.database.write() as connection:
        connection.exec_driver_sql(swap, ("fingerprint-01.jpg", "fingerprint-02.jpg"))
    with pytest.raises(StoredDataDamaged):
        store.dossiers.read_part(dossier_id, "fingerprint-02.jpg")


def test_no_error_of_the_store_shows_a_personal_field(store: Store, plan: Plan) -> None:
    dossier_id = opened(store, plan)
    store.dossiers.abandon(dossier_id, operator_id="op-1", why="left")
    with pytest.raises(EnrollmentError) as late:
        store.dossiers.update_demographics(dossier_id, {"full_name": NAME}, operator_id="o")
    with pytest.raises(EnrollmentError) as unknown:
        store.dossiers.create(plan, {NAME: NAME}, request_id="z", operator_id="o")
    for refused in (late.value, unknown.value):
        assert NAME not in str(refused) + repr(refused.facts)
