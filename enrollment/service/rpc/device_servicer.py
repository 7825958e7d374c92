"""DeviceService: read, call one thing, write."""

# ruff: noqa: N802  the methods' names are the API's

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

from enrollment.service.capture.camera_settings import camera_settings
from enrollment.service.capture.studio import Studio
from enrollment.service.devices.inventory import StationDevice
from enrollment.service.rpc import messages, requests
from enrollment.service.rpc.authentication import operator_id
from enrollment.service.store.audit_log import AuditLog
from enrollment.v1 import device_pb2, device_pb2_grpc

DEFAULT_PAGE: Final = 100
SHORTEST_LEASE_S: Final = 5.0
LONGEST_LEASE_S: Final = 600.0
DEFAULT_LEASE_S: Final = 30.0
LONGEST_WAIT_S: Final = 3600.0

_CAMERA_SETTINGS: Final = {int(number): setting for setting, number in messages.CAMERA_SETTINGS.items()}
_KINDS: Final = {int(number): kind for kind, number in messages.KINDS.items()}


class DeviceServicer(device_pb2_grpc.DeviceServiceServicer):
    """Inventory and leases over gRPC."""

    def __init__(self, studio: Studio, audit: AuditLog) -> None:
        self._studio = studio
        self._inventory = studio.inventory
        self._leases = studio.leases
        self._audit = audit

    async def ListDevices(self, request: device_pb2.ListDevicesRequest, context: Any) -> device_pb2.ListDevicesResponse:
        kind = requests.choice(request.kind, "kind", _KINDS)
        size = requests.page_size(request.page_size, DEFAULT_PAGE)
        after = requests.name(request.page_token, "page_token", required=False)
        await self._inventory.first_scan()
        known = [device for device in self._inventory.devices() if kind in (None, device.kind)]
        names = [device.device_id for device in known]
        begin = names.index(after) + 1 if after in names else 0
        page = known[begin : begin + size]
        return device_pb2.ListDevicesResponse(
            devices=[self._message(device) for device in page],
            next_page_token=page[-1].device_id if begin + size < len(known) else "",
            unreachable=self._inventory.unreachable,
        )

    async def GetDevice(self, request: device_pb2.GetDeviceRequest, context: Any) -> device_pb2.GetDeviceResponse:
        device = await self._device(request.device_id)
        return device_pb2.GetDeviceResponse(device=self._message(device))

    async def WatchDevices(
        self, request: device_pb2.WatchDevicesRequest, context: Any
    ) -> AsyncGenerator[device_pb2.WatchDevicesResponse, None]:
        await self._inventory.first_scan()
        async with aclosing(self._inventory.watch()) as changes:
            async for device in changes:
                yield device_pb2.WatchDevicesResponse(device=self._message(device))

    async def HoldLease(
        self, request: device_pb2.HoldLeaseRequest, context: Any
    ) -> AsyncGenerator[device_pb2.HoldLeaseResponse, None]:
        device = await self._device(request.device_id)
        stream = self._leases.hold(
            device.device_id,
            operator_id=operator_id(),
            client_name=requests.words(
                request.client_name, "client_name", max_length=requests.MAX_CLIENT_NAME_LENGTH, required=True
            ),
            time_to_live_s=requests.seconds(
                request.time_to_live, "time_to_live", low=SHORTEST_LEASE_S, high=LONGEST_LEASE_S
            )
            if request.HasField("time_to_live")
            else DEFAULT_LEASE_S,
            wait_s=requests.seconds(request.wait, "wait", low=0, high=LONGEST_WAIT_S),
        )
        async with aclosing(stream) as events:
            async for event in events:
                yield messages.lease_event(event)

    async def RenewLease(self, request: device_pb2.RenewLeaseRequest, context: Any) -> device_pb2.RenewLeaseResponse:
        renewed = self._leases.renew(
            requests.name(request.lease_id, "lease_id", required=False),
            operator_id=operator_id(),
            time_to_live_s=requests.seconds(
                request.time_to_live, "time_to_live", low=SHORTEST_LEASE_S, high=LONGEST_LEASE_S
            )
            if request.HasField("time_to_live")
            else None,
        )
        return device_pb2.RenewLeaseResponse(lease=messages.lease(renewed))

    async def ReleaseLease(
        self, request: device_pb2.ReleaseLeaseRequest, context: Any
    ) -> device_pb2.ReleaseLeaseResponse:
        self._leases.release(requests.name(request.lease_id, "lease_id", required=False), operator_id=operator_id())
        return device_pb2.ReleaseLeaseResponse()

    async def TakeOverLease(
        self, request: device_pb2.TakeOverLeaseRequest, context: Any
    ) -> device_pb2.TakeOverLeaseResponse:
        why = requests.kept_reason(request.reason, "reason")
        device = await self._device(request.device_id)
        holder = self._leases.holder(device.device_id)
        await self._studio.stored(
            self._audit.append,
            "lease-taken-over",
            operator_id(),
            device_id=device.device_id,
            from_operator=holder.operator_id if holder is not None else "",
            why=why,
        )
        previous = self._leases.take_over(device.device_id)
        return device_pb2.TakeOverLeaseResponse(previous_operator_id=previous)

    async def ListCameraSettings(
        self, request: device_pb2.ListCameraSettingsRequest, context: Any
    ) -> device_pb2.ListCameraSettingsResponse:
        lease = requests.lease_reference(request.lease)
        settings = await camera_settings(self._studio, lease, operator_id())
        return device_pb2.ListCameraSettingsResponse(settings=messages.camera_settings(settings))

    async def ChangeCameraSetting(
        self, request: device_pb2.ChangeCameraSettingRequest, context: Any
    ) -> device_pb2.ChangeCameraSettingResponse:
        lease = requests.lease_reference(request.lease)
        setting = requests.required_choice(request.setting, "setting", _CAMERA_SETTINGS)
        value = requests.words(request.value, "value", required=True)
        settings = await camera_settings(self._studio, lease, operator_id(), (setting, value))
        return device_pb2.ChangeCameraSettingResponse(settings=messages.camera_settings(settings))

    async def _device(self, name: str) -> StationDevice:
        device_id = requests.name(name, "device_id")
        await self._inventory.first_scan()
        return self._inventory.get(device_id)

    def _message(self, device: StationDevice) -> device_pb2.Device:
        return messages.device(device, self._leases.holder(device.device_id))
