"""Our values -> API messages. One function a message; nothing is decided here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import cv2
import numpy as np
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from drivers.catalogue import Proof
from drivers.spi import CameraSetting, DeviceKind, SettingState
from enrollment.core.dossier.model import QualityRecord
from enrollment.service.devices.inventory import DeviceState, StationDevice, shown
from enrollment.service.devices.leases import Ended, Granted, Lease, LeaseEvent, Queued
from enrollment.service.diagnostics import self_test
from enrollment.service.diagnostics.findings import Finding, Severity
from enrollment.v1 import device_pb2, diagnostics_pb2, types_pb2

KINDS: Final = {
    DeviceKind.FINGERPRINT_SCANNER: device_pb2.DEVICE_KIND_FINGERPRINT_SCANNER,
    DeviceKind.CAMERA: device_pb2.DEVICE_KIND_CAMERA,
    DeviceKind.CARD_ENCODER: device_pb2.DEVICE_KIND_CARD_ENCODER,
}
_DEVICE_STATES: Final = {
    DeviceState.READY: device_pb2.DEVICE_STATE_READY,
    DeviceState.BUSY: device_pb2.DEVICE_STATE_BUSY,
    DeviceState.FAULTY: device_pb2.DEVICE_STATE_FAULTY,
    DeviceState.DETACHED: device_pb2.DEVICE_STATE_DETACHED,
}

CAMERA_SETTINGS: Final = {
    CameraSetting.EXPOSURE_TIME: device_pb2.CAMERA_SETTING_EXPOSURE_TIME,
    CameraSetting.APERTURE: device_pb2.CAMERA_SETTING_APERTURE,
    CameraSetting.ISO: device_pb2.CAMERA_SETTING_ISO,
    CameraSetting.EXPOSURE_COMPENSATION: device_pb2.CAMERA_SETTING_EXPOSURE_COMPENSATION,
    CameraSetting.ZOOM: device_pb2.CAMERA_SETTING_ZOOM,
}

_DRIVER_PROOFS: Final = {
    Proof.RECORDING: device_pb2.DRIVER_PROOF_RECORDING,
    Proof.MODEL_ONLY: device_pb2.DRIVER_PROOF_MODEL_ONLY,
}


def timestamp(moment: datetime) -> Timestamp:
    """An aware moment as UTC."""
    message = Timestamp()
    message.FromDatetime(moment.astimezone(UTC))
    return message


def duration(seconds: float) -> Duration:
    """Seconds."""
    message = Duration()
    message.FromTimedelta(timedelta(seconds=seconds))
    return message


# ------------------------------------------------------------------------------------------------- devices and leases


def device(known: StationDevice, lease: Lease | None) -> device_pb2.Device:
    """A device, with who holds it."""
    identity = known.identity
    return device_pb2.Device(
        device_id=known.device_id,
        kind=KINDS[known.kind],
        state=_DEVICE_STATES[known.state],
        generation=known.generation,
        driver=known.found.driver,
        vendor=identity.vendor if identity is not None else known.found.vendor,
        model=identity.model if identity is not None else known.found.model,
        serial=identity.serial if identity is not None else known.found.serial,
        firmware=identity.firmware if identity is not None else "",
        address=shown(known.found.address),
        width_px=known.size[0],
        height_px=known.size[1],
        resolution_ppi=known.resolution_ppi,
        lease_holder=None if lease is None else _holder(lease),
        problem=known.problem,
        driver_proof=_DRIVER_PROOFS[known.found.proven],
    )


def _holder(lease: Lease) -> device_pb2.LeaseHolder:
    return device_pb2.LeaseHolder(
        operator_id=lease.operator_id, client_name=lease.client_name, expires_at=_expiry(lease)
    )


def _expiry(lease: Lease) -> Timestamp:
    return timestamp(lease.clock.now() + timedelta(seconds=lease.remaining_s))


def lease(granted: Lease) -> device_pb2.Lease:
    """A lease, for its holder's eyes."""
    return device_pb2.Lease(
        lease_id=granted.lease_id,
        device_id=granted.device_id,
        fencing_token=granted.fencing_token,
        generation=granted.generation,
        expires_at=_expiry(granted),
        time_to_live=duration(granted.remaining_s),
    )


def lease_event(event: LeaseEvent) -> device_pb2.HoldLeaseResponse:
    """What happened to a lease."""
    match event:
        case Queued(position):
            return device_pb2.HoldLeaseResponse(queued=device_pb2.LeaseQueued(position=position))
        case Granted(granted):
            return device_pb2.HoldLeaseResponse(granted=lease(granted))
        case Ended(end):
            return device_pb2.HoldLeaseResponse(ended=device_pb2.LeaseEnded(reason=end.value))


def camera_settings(settings: Mapping[CameraSetting, SettingState]) -> list[device_pb2.CameraSettingState]:
    """A camera's settings, in the order of the API."""
    return [
        device_pb2.CameraSettingState(setting=number, value=settings[setting].value, choices=settings[setting].choices)
        for setting, number in CAMERA_SETTINGS.items()
        if setting in settings
    ]


# ------------------------------------------------------------------------------------------------------------ quality


def hint(name: str | None) -> Any:
    """A hint by its stable name; unspecified for none, and for one that this version of the API does not know."""
    return _HINTS.get(f"CAPTURE_HINT_{_CALLED.get(name, name)}", types_pb2.CAPTURE_HINT_UNSPECIFIED)


_CALLED: Final[dict[str | None, str]] = {"CLEAN_SENSOR": "CLEAN_PLATEN"}  # the core knows no platen
_HINTS: Final = dict(types_pb2.CaptureHint.items())


def quality(record: QualityRecord) -> types_pb2.Quality:
    """A score with what made it."""
    return types_pb2.Quality(
        score=record.score,
        algorithm=record.algorithm,
        algorithm_version=record.version,
        measures=[types_pb2.Measure(name=name, value=value) for name, value in record.measures.items()],
        hints=[hint(name) for name in record.hints],
    )


# ----------------------------------------------------------------------------------------------------------- captures


def position(number: int | None) -> Any:
    """An ISO position as the enum's value, which is the same number; 0 for none."""
    return number or 0


# -------------------------------------------------------------------------------------------------------- diagnostics

_SEVERITIES: Final = {
    Severity.OK: diagnostics_pb2.SEVERITY_OK,
    Severity.WARNING: diagnostics_pb2.SEVERITY_WARNING,
    Severity.ERROR: diagnostics_pb2.SEVERITY_ERROR,
}


def finding(found: Finding) -> diagnostics_pb2.Finding:
    """What a check found."""
    return diagnostics_pb2.Finding(
        check=found.check,
        severity=_SEVERITIES[found.severity],
        text_vi=found.text_vi,
        text_en=found.text_en,
        remedy_vi=found.remedy_vi,
        remedy_en=found.remedy_en,
    )


def self_test_event(event: self_test.Event) -> diagnostics_pb2.RunDeviceSelfTestResponse:
    """One event of a self-test."""
    Response = diagnostics_pb2.RunDeviceSelfTestResponse
    match event:
        case self_test.Step(name):
            return Response(step=name)
        case self_test.Measured(name, value):
            return Response(measure=types_pb2.Measure(name=name, value=value))
        case Finding():
            return Response(finding=finding(event))
        case self_test.SensorMap():
            return Response(map=_sensor_map(event))


def _sensor_map(given: self_test.SensorMap) -> diagnostics_pb2.SensorMap:
    if given.values.dtype == bool:
        low, high = 0.0, 1.0
    else:
        low, high = float(given.values.min()), float(given.values.max())
    scaled = (given.values.astype(np.float32) - low) * (255.0 / max(high - low, 1e-6))
    _, png = cv2.imencode(".png", np.clip(np.rint(scaled), 0, 255).astype(np.uint8))
    return diagnostics_pb2.SensorMap(name=given.name, png=png.tobytes(), low=low, high=high, cell_px=given.cell_px)
