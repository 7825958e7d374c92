"""DossierService: read, call the store once, write."""

# ruff: noqa: N802  the methods' names are the API's

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Final

from enrollment.core.dossier.model import AbsentFinger, Dossier
from enrollment.core.dossier.plan import Plan
from enrollment.service.capture.studio import Studio
from enrollment.service.rpc import dossier_messages, requests
from enrollment.service.rpc.authentication import operator_id
from enrollment.service.rpc.errors import PlanUnknown
from enrollment.v1 import dossier_pb2, dossier_pb2_grpc

DEFAULT_PAGE: Final = 50

_STATES: Final = {int(number): state for state, number in dossier_messages.DOSSIER_STATES.items()}


class DossierServicer(dossier_pb2_grpc.DossierServiceServicer):
    """Dossiers over gRPC. at_complete: called when a dossier waits for sealing."""

    def __init__(self, studio: Studio, plans: Mapping[str, Plan], at_complete: Callable[[], None]) -> None:
        self._stored = studio.stored
        self._dossiers = studio.dossiers
        self._plans = plans
        self._at_complete = at_complete

    async def ListPlans(self, request: dossier_pb2.ListPlansRequest, context: Any) -> dossier_pb2.ListPlansResponse:
        plans = [dossier_messages.plan(self._plans[name]) for name in sorted(self._plans)]
        return dossier_pb2.ListPlansResponse(plans=plans)

    async def CreateDossier(
        self, request: dossier_pb2.CreateDossierRequest, context: Any
    ) -> dossier_pb2.CreateDossierResponse:
        plan_id = requests.name(request.plan_id, "plan_id")
        if plan_id not in self._plans:
            raise PlanUnknown("this station does not offer this procedure", plan_id=plan_id)
        opened: Dossier = await self._stored(
            self._dossiers.create,
            self._plans[plan_id],
            requests.demographics(request.demographics),
            request_id=requests.request_id(request.request_id),
            operator_id=operator_id(),
        )
        return dossier_pb2.CreateDossierResponse(dossier=dossier_messages.dossier(opened))

    async def GetDossier(self, request: dossier_pb2.GetDossierRequest, context: Any) -> dossier_pb2.GetDossierResponse:
        found = await self._stored(self._dossiers.get, requests.uuid_id(request.dossier_id, "dossier_id"))
        return dossier_pb2.GetDossierResponse(dossier=dossier_messages.dossier(found))

    async def ListDossiers(
        self, request: dossier_pb2.ListDossiersRequest, context: Any
    ) -> dossier_pb2.ListDossiersResponse:
        page = await self._stored(
            self._dossiers.list,
            requests.choice(request.state, "state", _STATES),
            requests.page_size(request.page_size, DEFAULT_PAGE),
            requests.name(request.page_token, "page_token", required=False),
        )
        return dossier_pb2.ListDossiersResponse(
            dossiers=[dossier_messages.dossier(found, personal=False) for found in page.dossiers],
            next_page_token=page.next_page_token,
        )

    async def UpdateDemographics(
        self, request: dossier_pb2.UpdateDemographicsRequest, context: Any
    ) -> dossier_pb2.UpdateDemographicsResponse:
        changed = await self._stored(
            self._dossiers.update_demographics,
            requests.uuid_id(request.dossier_id, "dossier_id"),
            requests.demographics(request.demographics),
            operator_id=operator_id(),
        )
        return dossier_pb2.UpdateDemographicsResponse(dossier=dossier_messages.dossier(changed))

    async def RecordFingerAbsence(
        self, request: dossier_pb2.RecordFingerAbsenceRequest, context: Any
    ) -> dossier_pb2.RecordFingerAbsenceResponse:
        absent = AbsentFinger(
            position=requests.single_finger(request.position),
            absence=requests.absence(request.absence),
            description=requests.words(request.description, "description"),
            operator_id=operator_id(),
        )
        changed = await self._stored(
            self._dossiers.record_absence, requests.uuid_id(request.dossier_id, "dossier_id"), absent
        )
        return dossier_pb2.RecordFingerAbsenceResponse(dossier=dossier_messages.dossier(changed))

    async def WithdrawFingerAbsence(
        self, request: dossier_pb2.WithdrawFingerAbsenceRequest, context: Any
    ) -> dossier_pb2.WithdrawFingerAbsenceResponse:
        changed = await self._stored(
            self._dossiers.withdraw_absence,
            requests.uuid_id(request.dossier_id, "dossier_id"),
            requests.single_finger(request.position),
            operator_id=operator_id(),
        )
        return dossier_pb2.WithdrawFingerAbsenceResponse(dossier=dossier_messages.dossier(changed))

    async def CompleteDossier(
        self, request: dossier_pb2.CompleteDossierRequest, context: Any
    ) -> dossier_pb2.CompleteDossierResponse:
        completed = await self._stored(
            self._dossiers.complete, requests.uuid_id(request.dossier_id, "dossier_id"), operator_id=operator_id()
        )
        self._at_complete()
        return dossier_pb2.CompleteDossierResponse(dossier=dossier_messages.dossier(completed))

    async def AbandonDossier(
        self, request: dossier_pb2.AbandonDossierRequest, context: Any
    ) -> dossier_pb2.AbandonDossierResponse:
        abandoned = await self._stored(
            self._dossiers.abandon,
            requests.uuid_id(request.dossier_id, "dossier_id"),
            operator_id=operator_id(),
            why=requests.kept_reason(request.reason, "reason"),
        )
        return dossier_pb2.AbandonDossierResponse(dossier=dossier_messages.dossier(abandoned))

    async def PurgeDossier(
        self, request: dossier_pb2.PurgeDossierRequest, context: Any
    ) -> dossier_pb2.PurgeDossierResponse:
        purged = await self._stored(
            self._dossiers.purge, requests.uuid_id(request.dossier_id, "dossier_id"), operator_id=operator_id()
        )
        return dossier_pb2.PurgeDossierResponse(dossier=dossier_messages.dossier(purged))

    async def ReadPart(
        self, request: dossier_pb2.ReadPartRequest, context: Any
    ) -> AsyncGenerator[dossier_pb2.ReadPartResponse, None]:
        content = await self._stored(
            self._dossiers.read_part,
            requests.uuid_id(request.dossier_id, "dossier_id"),
            requests.name(request.part_name, "part_name"),
        )
        for chunk in dossier_messages.chunks(content):
            yield dossier_pb2.ReadPartResponse(chunk=chunk)
