"""Dossiers and packages over the API: what is told, what is left out, what is refused."""

from __future__ import annotations

import uuid

import pytest

from enrollment.service.store.operator_sessions import Role
from enrollment.v1 import dossier_pb2, outbox_pb2, types_pb2
from tests.flow.running_station import DEMOGRAPHICS, InProcess, refused

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

UNKNOWN = "01890000-0000-7000-8000-000000000000"


async def test_the_built_in_plans_are_listed_by_name(here: InProcess) -> None:
    plans = (await here.client.dossiers.ListPlans(dossier_pb2.ListPlansRequest())).plans
    assert [plan.plan_id for plan in plans] == sorted(plan.plan_id for plan in plans)
    card = next(plan for plan in plans if plan.plan_id == "card-issue")
    assert [finger.position for finger in card.fingerprints] == list(range(1, 11))
    assert all(finger.impression == types_pb2.IMPRESSION_FLAT for finger in card.fingerprints)
    assert card.HasField("portrait")
    assert {field.name for field in card.fields if field.required} >= set(DEMOGRAPHICS)


async def test_the_same_request_opens_one_dossier(here: InProcess) -> None:
    request = dossier_pb2.CreateDossierRequest(
        plan_id="card-issue", demographics=DEMOGRAPHICS, request_id=str(uuid.uuid4())
    )
    first, again = [(await here.client.dossiers.CreateDossier(request)).dossier for _ in range(2)]
    assert first.dossier_id == again.dossier_id
    assert dict(first.demographics) == DEMOGRAPHICS
    assert first.operator_id == "op-1"


async def test_a_plan_that_the_station_does_not_offer_is_not_found(here: InProcess) -> None:
    request = dossier_pb2.CreateDossierRequest(plan_id="passport")
    assert (await refused(here.client.dossiers.CreateDossier(request)))[:2] == ("NOT_FOUND", "PLAN_UNKNOWN")


async def test_a_personal_field_that_breaks_its_rule_is_named_and_its_value_is_not(here: InProcess) -> None:
    request = dossier_pb2.CreateDossierRequest(
        plan_id="card-issue", demographics=DEMOGRAPHICS | {"date_of_birth": "31/02/1991"}
    )
    code, reason, facts = await refused(here.client.dossiers.CreateDossier(request))
    assert (code, reason, facts["field"]) == ("INVALID_ARGUMENT", "INVALID_DEMOGRAPHICS", "date_of_birth")
    assert "31/02" not in str(facts)


async def test_lists_are_newest_first_in_pages_and_without_personal_fields(here: InProcess) -> None:
    opened = [(await here.client.open_dossier()).dossier_id for _ in range(5)]
    await here.client.dossiers.RecordFingerAbsence(
        dossier_pb2.RecordFingerAbsenceRequest(
            dossier_id=opened[0],
            position=types_pb2.FINGER_POSITION_LEFT_LITTLE,
            absence=types_pb2.FINGER_ABSENCE_AMPUTATED,
            description="tai nạn năm 1999",
        )
    )
    listed: list[dossier_pb2.Dossier] = []
    token = ""
    while True:
        request = dossier_pb2.ListDossiersRequest(page_size=2, page_token=token)
        page = await here.client.dossiers.ListDossiers(request)
        listed += page.dossiers
        token = page.next_page_token
        if not token:
            break
    assert [found.dossier_id for found in listed] == opened[::-1]
    assert not any(found.demographics for found in listed)
    assert not any(finger.description for found in listed for finger in found.absent_fingers)
    assert (await here.client.dossier(opened[0])).absent_fingers[0].description == "tai nạn năm 1999"


async def test_an_excused_finger_is_not_missing_and_a_wrong_excuse_is_refused(here: InProcess) -> None:
    dossier = await here.client.open_dossier()
    changed = await here.client.dossiers.RecordFingerAbsence(
        dossier_pb2.RecordFingerAbsenceRequest(
            dossier_id=dossier.dossier_id,
            position=types_pb2.FINGER_POSITION_RIGHT_RING,
            absence=types_pb2.FINGER_ABSENCE_BANDAGED,
        )
    )
    assert "4" not in {item.name for item in changed.dossier.missing}
    assert changed.dossier.absent_fingers[0].operator_id == "op-1"
    for wrong in ({"position": 13, "absence": 1}, {"position": 4, "absence": 0}):
        request = dossier_pb2.RecordFingerAbsenceRequest(dossier_id=dossier.dossier_id, **wrong)  # type: ignore[arg-type]
        told = await refused(here.client.dossiers.RecordFingerAbsence(request))
        assert told[:2] == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")


async def test_an_abandoned_dossier_keeps_its_id_and_nothing_else(here: InProcess) -> None:
    dossier = await here.client.open_dossier()
    for personal in ("số 001191012345", f"{DEMOGRAPHICS['full_name']} bỏ về"):  # the reason is kept in the clear
        named = dossier_pb2.AbandonDossierRequest(dossier_id=dossier.dossier_id, reason=personal)
        assert (await refused(here.client.dossiers.AbandonDossier(named)))[2]["field"] == "reason"
    abandon = dossier_pb2.AbandonDossierRequest(dossier_id=dossier.dossier_id, reason="người dân bỏ về")
    gone = (await here.client.dossiers.AbandonDossier(abandon)).dossier
    assert gone.state == dossier_pb2.DOSSIER_STATE_ABANDONED
    assert not gone.demographics
    update = dossier_pb2.UpdateDemographicsRequest(dossier_id=dossier.dossier_id, demographics=DEMOGRAPHICS)
    told = await refused(here.client.dossiers.UpdateDemographics(update))
    assert told[:2] == ("FAILED_PRECONDITION", "DOSSIER_NOT_OPEN")
    ledger = await here.client.outbox.GetLedger(outbox_pb2.GetLedgerRequest())
    assert (ledger.opened, ledger.abandoned, ledger.collected) == (1, 1, 0)


async def test_a_dossier_without_a_receipt_is_not_purged(here: InProcess) -> None:
    dossier = await here.client.open_dossier()
    supervisor = await here.another_client("sup-1", Role.SUPERVISOR)
    purge = dossier_pb2.PurgeDossierRequest(dossier_id=dossier.dossier_id)
    told = await refused(supervisor.dossiers.PurgeDossier(purge))
    assert told[:2] == ("FAILED_PRECONDITION", "DOSSIER_TRANSITION_REFUSED")


async def test_what_is_not_there_is_not_found(here: InProcess) -> None:
    client = here.client
    dossier = await client.open_dossier()
    part = dossier_pb2.ReadPartRequest(dossier_id=dossier.dossier_id, part_name="portrait.jpg")
    assert (await refused(client.dossiers.ReadPart(part)))[:2] == ("NOT_FOUND", "PART_UNKNOWN")
    package = {"package_id": UNKNOWN}
    for call in (
        client.outbox.GetPackage(outbox_pb2.GetPackageRequest(**package)),
        client.outbox.ReadPackage(outbox_pb2.ReadPackageRequest(**package)),
        client.outbox.GetReceipt(outbox_pb2.GetReceiptRequest(**package)),
        client.outbox.RetryPackage(outbox_pb2.RetryPackageRequest(**package)),
    ):
        assert (await refused(call))[:2] == ("NOT_FOUND", "PACKAGE_UNKNOWN")
    watch = client.outbox.WatchPackage(outbox_pb2.WatchPackageRequest(dossier_id=UNKNOWN))
    assert (await refused(watch))[:2] == ("NOT_FOUND", "DOSSIER_UNKNOWN")


@pytest.mark.parametrize("state", [outbox_pb2.PACKAGE_STATE_UNSPECIFIED, outbox_pb2.PACKAGE_STATE_REFUSED])
async def test_an_empty_outbox_lists_nothing(here: InProcess, state: outbox_pb2.PackageState.ValueType) -> None:
    listed = await here.client.outbox.ListPackages(outbox_pb2.ListPackagesRequest(state=state))
    assert (list(listed.packages), listed.next_page_token) == ([], "")
