"""OutboxService: read, call the store once, write."""

# ruff: noqa: N802  the methods' names are the API's

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final

from enrollment.service.capture.studio import Studio
from enrollment.service.outbox.events import OutboxEvents
from enrollment.service.rpc import dossier_messages, requests
from enrollment.service.rpc.authentication import operator_id
from enrollment.service.store.outbox_rows import PackageState
from enrollment.service.store.outbox_store import OutboxStore
from enrollment.v1 import outbox_pb2, outbox_pb2_grpc

DEFAULT_PAGE: Final = 50

_STATES: Final = {int(number): state for state, number in dossier_messages.PACKAGE_STATES.items()}


class OutboxServicer(outbox_pb2_grpc.OutboxServiceServicer):
    """The queue over gRPC.

    at_retry: called when a package is due now. trust: the pinned registry trust file, b"" while there is none.
    """

    def __init__(
        self,
        studio: Studio,
        outbox: OutboxStore,
        events: OutboxEvents,
        at_retry: Callable[[], None],
        trust: Callable[[], bytes],
    ) -> None:
        self._stored = studio.stored
        self._outbox = outbox
        self._events = events
        self._at_retry = at_retry
        self._trust = trust

    async def ListPackages(
        self, request: outbox_pb2.ListPackagesRequest, context: Any
    ) -> outbox_pb2.ListPackagesResponse:
        page = await self._stored(
            self._outbox.list,
            requests.choice(request.state, "state", _STATES),
            requests.page_size(request.page_size, DEFAULT_PAGE),
            requests.name(request.page_token, "page_token", required=False),
        )
        return outbox_pb2.ListPackagesResponse(
            packages=[dossier_messages.package(queued) for queued in page.packages],
            next_page_token=page.next_page_token,
        )

    async def GetPackage(self, request: outbox_pb2.GetPackageRequest, context: Any) -> outbox_pb2.GetPackageResponse:
        queued = await self._stored(self._outbox.get, requests.uuid_id(request.package_id, "package_id"))
        return outbox_pb2.GetPackageResponse(package=dossier_messages.package(queued))

    async def WatchPackage(
        self, request: outbox_pb2.WatchPackageRequest, context: Any
    ) -> AsyncGenerator[outbox_pb2.WatchPackageResponse, None]:
        dossier_id = requests.uuid_id(request.dossier_id, "dossier_id")
        told = None
        async with aclosing(self._events.changes(dossier_id)) as changes:
            async for _ in changes:
                queued = await self._stored(self._outbox.for_dossier, dossier_id)
                if queued is None or queued == told:
                    continue
                told = queued
                yield outbox_pb2.WatchPackageResponse(package=dossier_messages.package(queued))
                if queued.state is PackageState.ACKNOWLEDGED:
                    return

    async def ReadPackage(
        self, request: outbox_pb2.ReadPackageRequest, context: Any
    ) -> AsyncGenerator[outbox_pb2.ReadPackageResponse, None]:
        content = await self._stored(self._outbox.read, requests.uuid_id(request.package_id, "package_id"))
        for chunk in dossier_messages.chunks(content):
            yield outbox_pb2.ReadPackageResponse(chunk=chunk)

    async def GetReceipt(self, request: outbox_pb2.GetReceiptRequest, context: Any) -> outbox_pb2.GetReceiptResponse:
        package_id = requests.uuid_id(request.package_id, "package_id")
        queued = await self._stored(self._outbox.get, package_id)
        receipt = await self._stored(self._outbox.receipt, package_id)
        return outbox_pb2.GetReceiptResponse(
            receipt=receipt, registry_trust=self._trust(), package_sha256=queued.sha256.hex()
        )

    async def RetryPackage(
        self, request: outbox_pb2.RetryPackageRequest, context: Any
    ) -> outbox_pb2.RetryPackageResponse:
        due = await self._stored(
            self._outbox.retry, requests.uuid_id(request.package_id, "package_id"), operator_id=operator_id()
        )
        self._events.changed(due.dossier_id)
        self._at_retry()
        return outbox_pb2.RetryPackageResponse(package=dossier_messages.package(due))

    async def GetLedger(self, request: outbox_pb2.GetLedgerRequest, context: Any) -> outbox_pb2.GetLedgerResponse:
        return dossier_messages.ledger(await self._stored(self._outbox.ledger))
