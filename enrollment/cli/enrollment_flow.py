"""One person's visit as a client carries it out, from the list of devices to the receipt, only through the API."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol

import grpc

from enrollment.cli import words
from enrollment.cli.connection import Station
from enrollment.cli.failure import Failure, Refusal, describe
from enrollment.cli.lease import held_lease
from enrollment.v1 import capture_pb2, device_pb2, dossier_pb2, outbox_pb2, types_pb2

CLIENT_NAME = "enrollctl"
UPLOAD_WAIT_S = 60.0


class Subject(Protocol):
    """The person in front of the devices. At a real station the methods do nothing: a real person acts."""

    def present_finger(self, position: int, attempt: int) -> None: ...

    def lift_finger(self) -> None: ...

    def present_face(self) -> None: ...


class Person:
    """A real person, who needs no program to move."""

    def present_finger(self, position: int, attempt: int) -> None:
        """The operator's screen asks; the person does it."""

    def lift_finger(self) -> None:
        """As above."""

    def present_face(self) -> None:
        """As above."""


class Listener(Protocol):
    """Hears of each step, in order; `Narrator` prints them."""

    def devices(self, devices: Iterable[device_pb2.Device]) -> None: ...

    def opened(self, dossier: dossier_pb2.Dossier) -> None: ...

    def queued(self, device_id: str, position: int) -> None: ...

    def fingerprint(self, position: int, event: capture_pb2.CaptureFingerprintResponse) -> None: ...

    def portrait(self, event: capture_pb2.CapturePortraitResponse) -> None: ...

    def completed(self, dossier: dossier_pb2.Dossier) -> None: ...

    def package(self, package: outbox_pb2.Package) -> None: ...


@dataclass(frozen=True, slots=True)
class Absence:
    """Why a finger cannot be captured, in the operator's words."""

    reason: types_pb2.FingerAbsence.ValueType
    words: str = ""


@dataclass(slots=True)
class Enrollment:
    """What one visit came to. seconds: by step."""

    dossier: dossier_pb2.Dossier
    package: outbox_pb2.Package
    seconds: dict[str, float] = field(default_factory=dict)


class DeviceMissing(Refusal):
    """The station has no ready device of a kind that is needed."""

    def __init__(self, kind: device_pb2.DeviceKind.ValueType) -> None:
        name = device_pb2.DeviceKind.Name(kind)
        en = f"no {words.state(name, 'en')} is ready: plug it in, or ask enrollctl devices and enrollctl doctor"
        vi = (
            f"chưa có {words.state(name, 'vi')} nào sẵn sàng: hãy cắm vào, hoặc xem enrollctl devices, enrollctl doctor"
        )
        super().__init__(
            Failure("FAILED_PRECONDITION", "DEVICE_MISSING", {"kind": name}, {"en": en, "vi": vi}, answered=True)
        )


class FieldsMissing(Refusal):
    """A personal field that the plan requires was not given; nothing was opened."""

    def __init__(self, fields: Sequence[dossier_pb2.PlannedField]) -> None:
        en = f"give {', '.join(f'{field.name} ({field.label_en})' for field in fields)}: --field NAME=VALUE"
        vi = f"còn thiếu {', '.join(f'{field.name} ({field.label_vi})' for field in fields)}: --field TÊN=GIÁ_TRỊ"
        facts = {"fields": ",".join(field.name for field in fields)}
        super().__init__(Failure("INVALID_ARGUMENT", "FIELDS_MISSING", facts, {"en": en, "vi": vi}, answered=True))


def ready_device(devices: Iterable[device_pb2.Device], kind: device_pb2.DeviceKind.ValueType, wanted: str = "") -> str:
    """The name of the wanted device, or of the first that can be used. Raises DeviceMissing."""
    usable = (device_pb2.DEVICE_STATE_READY, device_pb2.DEVICE_STATE_BUSY, device_pb2.DEVICE_STATE_FAULTY)
    for device in devices:
        if device.kind == kind and device.state in usable and wanted in ("", device.device_id):
            return device.device_id
    raise DeviceMissing(kind)


def captured_fingers(dossier: dossier_pb2.Dossier) -> frozenset[int]:
    """Positions of the single fingers that a dossier holds a print of, of slaps as well."""
    prints = [capture for capture in dossier.captures if capture.position]
    return frozenset(
        int(position)
        for capture in prints
        for position in ([finger.position for finger in capture.fingers] or [capture.position])
    )


def enroll(
    station: Station,
    *,
    plan_id: str,
    demographics: Mapping[str, str],
    subject: Subject,
    listener: Listener,
    scanner: str = "",
    camera: str = "",
    absent: Mapping[int, Absence] = MappingProxyType({}),
    wait_s: int = 0,
) -> Enrollment:
    """Carry out one enrollment.

    absent: by finger position, recorded before anything is captured; a slap is then taken without them.
    scanner, camera: device names; empty for the first that is ready. wait_s: how long to queue for each, where another
    PC has it.
    Raises grpc.RpcError as the daemon answers; FieldsMissing and DeviceMissing before anything is opened; TimeoutError
    when no receipt came (the package stays queued and goes on by itself).
    """
    seconds: dict[str, float] = {}
    started = time.monotonic()

    def lap(step: str) -> None:
        nonlocal started
        now = time.monotonic()
        seconds[step] = round(now - started, 3)
        started = now

    def hold(device_id: str) -> AbstractContextManager[capture_pb2.LeaseReference]:
        queued = partial(listener.queued, device_id)
        return held_lease(station, device_id, client_name=CLIENT_NAME, wait_s=wait_s, queued=queued)

    devices = station.devices.ListDevices(device_pb2.ListDevicesRequest()).devices
    listener.devices(devices)
    for plan in station.dossiers.ListPlans(dossier_pb2.ListPlansRequest()).plans:
        if plan.plan_id != plan_id:
            continue
        if lacking := [field for field in plan.fields if field.required and not demographics.get(field.name)]:
            raise FieldsMissing(lacking)
        if plan.fingerprints:
            ready_device(devices, device_pb2.DEVICE_KIND_FINGERPRINT_SCANNER, scanner)
        if plan.HasField("portrait"):
            ready_device(devices, device_pb2.DEVICE_KIND_CAMERA, camera)
    dossier = station.dossiers.CreateDossier(
        dossier_pb2.CreateDossierRequest(plan_id=plan_id, demographics=dict(demographics), request_id=str(uuid.uuid4()))
    ).dossier
    for position, absence in absent.items():
        finger: Any = position
        dossier = station.dossiers.RecordFingerAbsence(
            dossier_pb2.RecordFingerAbsenceRequest(
                dossier_id=dossier.dossier_id, position=finger, absence=absence.reason, description=absence.words
            )
        ).dossier
    listener.opened(dossier)
    lap("open")
    if dossier.plan.fingerprints:
        name = ready_device(devices, device_pb2.DEVICE_KIND_FINGERPRINT_SCANNER, scanner)
        with hold(name) as lease:
            still_missing = {item.name for item in dossier.missing if item.kind == "fingerprint"}
            for planned in dossier.plan.fingerprints:
                if str(planned.position) not in still_missing:
                    continue  # all of it is excused
                _capture_fingerprint(station, dossier.dossier_id, planned.position, lease, subject, listener)
    lap("fingerprints")
    if dossier.plan.HasField("portrait"):
        name = ready_device(devices, device_pb2.DEVICE_KIND_CAMERA, camera)
        with hold(name) as lease:
            subject.present_face()
            request = capture_pb2.CapturePortraitRequest(
                dossier_id=dossier.dossier_id, lease=lease, request_id=str(uuid.uuid4())
            )
            for event in station.capture.CapturePortrait(request):
                listener.portrait(event)
    lap("portrait")
    dossier = station.dossiers.CompleteDossier(
        dossier_pb2.CompleteDossierRequest(dossier_id=dossier.dossier_id)
    ).dossier
    listener.completed(dossier)
    lap("complete")
    package = _await_receipt(station, dossier.dossier_id, listener)
    lap("seal_and_upload")
    dossier = station.dossiers.GetDossier(dossier_pb2.GetDossierRequest(dossier_id=dossier.dossier_id)).dossier
    return Enrollment(dossier, package, seconds)


def _capture_fingerprint(
    station: Station,
    dossier_id: str,
    position: types_pb2.FingerPosition.ValueType,
    lease: capture_pb2.LeaseReference,
    subject: Subject,
    listener: Listener,
) -> None:
    request = capture_pb2.CaptureFingerprintRequest(
        dossier_id=dossier_id, lease=lease, position=position, request_id=str(uuid.uuid4())
    )
    for event in station.capture.CaptureFingerprint(request):
        listener.fingerprint(position, event)
        match event.WhichOneof("event"):
            case "waiting":
                subject.present_finger(position, event.waiting.attempt)
            case "lift_finger" | "accepted" | "exhausted":
                subject.lift_finger()


def _await_receipt(station: Station, dossier_id: str, listener: Listener) -> outbox_pb2.Package:
    call = station.outbox.WatchPackage(outbox_pb2.WatchPackageRequest(dossier_id=dossier_id), timeout=UPLOAD_WAIT_S)
    package = outbox_pb2.Package()
    try:
        for answer in call:
            package = answer.package
            listener.package(package)
            if package.state in (outbox_pb2.PACKAGE_STATE_ACKNOWLEDGED, outbox_pb2.PACKAGE_STATE_REFUSED):
                return package
    except grpc.RpcError as error:
        if describe(error).code == "DEADLINE_EXCEEDED":
            raise TimeoutError(package.problem_text or "no receipt yet") from error
        raise
    return package
