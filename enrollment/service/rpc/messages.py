"""Our values -> API messages. One function a message; nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from drivers.spi import DeviceKind
from enrollment.core.dossier.completeness import missing
from enrollment.core.dossier.model import AbsentFinger, Capture, Dossier, DossierState, FingerAbsence, QualityRecord
from enrollment.core.dossier.plan import Plan
from enrollment.service.capture import events
from enrollment.service.devices.inventory import DeviceState, StationDevice, shown
from enrollment.service.devices.leases import Ended, Granted, Lease, LeaseEvent, Queued
from enrollment.service.store.outbox_store import Ledger, OutboxPackage, PackageState
from enrollment.v1 import capture_pb2, device_pb2, dossier_pb2, outbox_pb2, types_pb2

CHUNK_BYTES: Final = 256 * 1024

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
DOSSIER_STATES: Final = {
    DossierState.OPEN: dossier_pb2.DOSSIER_STATE_OPEN,
    DossierState.COMPLETE: dossier_pb2.DOSSIER_STATE_COMPLETE,
    DossierState.SEALED: dossier_pb2.DOSSIER_STATE_SEALED,
    DossierState.ACKNOWLEDGED: dossier_pb2.DOSSIER_STATE_ACKNOWLEDGED,
    DossierState.ABANDONED: dossier_pb2.DOSSIER_STATE_ABANDONED,
    DossierState.PURGED: dossier_pb2.DOSSIER_STATE_PURGED,
}
PACKAGE_STATES: Final = {
    PackageState.QUEUED: outbox_pb2.PACKAGE_STATE_QUEUED,
    PackageState.SENDING: outbox_pb2.PACKAGE_STATE_SENDING,
    PackageState.ACKNOWLEDGED: outbox_pb2.PACKAGE_STATE_ACKNOWLEDGED,
    PackageState.REFUSED: outbox_pb2.PACKAGE_STATE_REFUSED,
}
_ABSENCES: Final = {
    FingerAbsence.AMPUTATED: types_pb2.FINGER_ABSENCE_AMPUTATED,
    FingerAbsence.BANDAGED: types_pb2.FINGER_ABSENCE_BANDAGED,
    FingerAbsence.DAMAGED: types_pb2.FINGER_ABSENCE_DAMAGED,
}
_IMPRESSIONS: Final = {
    "flat": types_pb2.IMPRESSION_FLAT,
    "rolled": types_pb2.IMPRESSION_ROLLED,
    "slap": types_pb2.IMPRESSION_SLAP,
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


# ------------------------------------------------------------------------------------------------------------ quality


def hint(name: str | None) -> Any:
    """A hint by its stable name; unspecified for none, and for one that this version of the API does not know."""
    return _HINTS.get(f"CAPTURE_HINT_{name}", types_pb2.CAPTURE_HINT_UNSPECIFIED)


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


def fingerprint_event(event: events.CaptureEvent) -> capture_pb2.CaptureFingerprintResponse:
    """One event of a fingerprint capture."""
    Response = capture_pb2.CaptureFingerprintResponse
    match event:
        case events.Waiting():
            return Response(waiting=_waiting(event))
        case events.FingerOn(attempt):
            return Response(finger_on=capture_pb2.FingerOn(attempt=attempt))
        case events.Judged():
            return Response(judged=_judged(event))
        case events.LiftFinger(attempt):
            return Response(lift_finger=capture_pb2.LiftFinger(attempt=attempt))
        case events.Outcome(accepted=True):
            return Response(accepted=_outcome(event))
        case events.Outcome():
            return Response(exhausted=_outcome(event))


def portrait_event(event: events.CaptureEvent) -> capture_pb2.CapturePortraitResponse:
    """One event of a portrait capture."""
    Response = capture_pb2.CapturePortraitResponse
    match event:
        case events.Waiting():
            return Response(waiting=_waiting(event))
        case events.Judged():
            return Response(judged=_judged(event))
        case events.Outcome(accepted=True):
            return Response(accepted=_outcome(event))
        case events.Outcome():
            return Response(exhausted=_outcome(event))
        case events.FingerOn() | events.LiftFinger():
            raise TypeError(event)


def _waiting(event: events.Waiting) -> capture_pb2.Waiting:
    return capture_pb2.Waiting(attempt=event.attempt, max_attempts=event.max_attempts)


def _judged(event: events.Judged) -> capture_pb2.Judged:
    return capture_pb2.Judged(
        attempt=event.attempt,
        quality=quality(event.quality),
        acceptable=event.acceptable,
        minutiae=event.minutiae,
        same_as=_position(event.same_as),
        hint=hint(event.hint),
        times=_times(event.times),
    )


def _outcome(event: events.Outcome) -> capture_pb2.Outcome:
    return capture_pb2.Outcome(
        capture_id=event.capture_id,
        kept_attempt=event.kept_attempt,
        attempts=event.attempts,
        quality=quality(event.quality),
        stored_at=timestamp(event.stored_at),
        part_names=event.part_names,
        times=_times(event.times),
    )


def _times(times: events.StageTimes) -> capture_pb2.StageTimes:
    return capture_pb2.StageTimes(
        device_ms=times.device_ms,
        judge_ms=times.judge_ms,
        compare_ms=times.compare_ms,
        record_ms=times.record_ms,
        store_ms=times.store_ms,
    )


def _position(number: int | None) -> Any:
    return number or 0  # the enum's numbers are ISO's


# ----------------------------------------------------------------------------------------------------------- dossiers


def plan(planned: Plan) -> dossier_pb2.Plan:
    """A procedure."""
    return dossier_pb2.Plan(
        plan_id=planned.plan_id,
        version=planned.version,
        title_vi=planned.title_vi,
        title_en=planned.title_en,
        fingerprints=[
            dossier_pb2.PlannedFingerprint(
                position=_position(fingerprint.position),
                impression=_IMPRESSIONS[fingerprint.impression],
                accept_score=fingerprint.accept_score,
                max_attempts=fingerprint.max_attempts,
                finger_timeout_seconds=fingerprint.finger_timeout_s,
            )
            for fingerprint in planned.fingerprints
        ],
        portrait=None
        if planned.portrait is None
        else dossier_pb2.PlannedPortrait(
            accept_score=planned.portrait.accept_score,
            max_attempts=planned.portrait.max_attempts,
            min_width_px=planned.portrait.min_width_px,
            min_height_px=planned.portrait.min_height_px,
        ),
        fields=[
            dossier_pb2.PlannedField(
                name=field.name,
                required=field.required,
                max_length=field.max_length,
                pattern=field.pattern,
                label_vi=field.label_vi,
                label_en=field.label_en,
            )
            for field in planned.fields
        ],
    )


def dossier(kept: Dossier, *, personal: bool = True) -> dossier_pb2.Dossier:
    """A dossier; without the person's fields for lists."""
    return dossier_pb2.Dossier(
        dossier_id=kept.dossier_id,
        state=DOSSIER_STATES[kept.state],
        plan=plan(kept.plan),
        demographics=kept.demographics if personal else {},
        captures=[_capture(capture) for capture in kept.captures],
        absent_fingers=[_absent(finger, personal=personal) for finger in kept.absent_fingers],
        missing=[
            dossier_pb2.MissingItem(kind=item.kind, name=item.name)
            for item in (missing(kept) if kept.state is DossierState.OPEN else ())
        ],
        operator_id=kept.operator_id,
        create_time=timestamp(kept.created_at),
        complete_time=None if kept.completed_at is None else timestamp(kept.completed_at),
        package_sha256="" if kept.package_sha256 is None else kept.package_sha256.hex(),
    )


def _capture(capture: Capture) -> dossier_pb2.Capture:
    return dossier_pb2.Capture(
        capture_id=capture.capture_id,
        position=_position(capture.position),
        impression=_IMPRESSIONS.get(capture.impression, types_pb2.IMPRESSION_UNSPECIFIED),
        quality=quality(capture.quality),
        accepted=capture.accepted,
        attempts=capture.attempts,
        operator_id=capture.operator_id,
        device_id=capture.device_id,
        capture_time=timestamp(capture.captured_at),
        parts=[
            dossier_pb2.Part(name=part.name, media_type=part.media_type, length=part.length, sha256=part.sha256.hex())
            for part in capture.parts
        ],
    )


def _absent(finger: AbsentFinger, *, personal: bool) -> dossier_pb2.AbsentFinger:
    return dossier_pb2.AbsentFinger(
        position=_position(finger.position),
        absence=_ABSENCES[finger.absence],
        description=finger.description if personal else "",
        operator_id=finger.operator_id,
    )


def chunks(content: bytes) -> Iterator[types_pb2.Chunk]:
    """Pieces of at most 256 KiB; one empty piece of an empty whole."""
    for offset in range(0, max(1, len(content)), CHUNK_BYTES):
        yield types_pb2.Chunk(offset=offset, content=content[offset : offset + CHUNK_BYTES], total_bytes=len(content))


# ------------------------------------------------------------------------------------------------------------- outbox


def package(queued: OutboxPackage) -> outbox_pb2.Package:
    """A sealed package, without its bytes."""
    return outbox_pb2.Package(
        package_id=queued.package_id,
        dossier_id=queued.dossier_id,
        sequence=queued.sequence,
        sha256=queued.sha256.hex(),
        size_bytes=queued.size_bytes,
        state=PACKAGE_STATES[queued.state],
        sent_bytes=queued.sent_bytes,
        attempts=queued.attempts,
        next_attempt_time=None if queued.next_attempt_at is None else timestamp(queued.next_attempt_at),
        problem=queued.problem,
        problem_text=queued.problem_text,
        seal_time=timestamp(queued.sealed_at),
        receipt_time=None if queued.received_at is None else timestamp(queued.received_at),
    )


def ledger(counted: Ledger) -> outbox_pb2.GetLedgerResponse:
    """Where every dossier is."""
    return outbox_pb2.GetLedgerResponse(
        opened=counted.opened,
        collected=counted.collected,
        sealed=counted.sealed,
        sent=counted.sent,
        acknowledged=counted.acknowledged,
        refused=counted.refused,
        abandoned=counted.abandoned,
        last_sequence=counted.last_sequence,
        unacknowledged_sequences=counted.unacknowledged_sequences,
    )
