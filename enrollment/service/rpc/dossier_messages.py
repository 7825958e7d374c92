"""Dossiers and packages -> API messages. One function a message; nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from enrollment.core.dossier.completeness import missing
from enrollment.core.dossier.model import AbsentFinger, Capture, Dossier, DossierState, FingerAbsence
from enrollment.core.dossier.plan import Plan
from enrollment.service.rpc.messages import position, quality, timestamp
from enrollment.service.store.outbox_rows import Ledger, OutboxPackage, PackageState
from enrollment.v1 import dossier_pb2, outbox_pb2, types_pb2

CHUNK_BYTES: Final = 256 * 1024
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
                position=position(fingerprint.position),
                impression=_IMPRESSIONS[fingerprint.impression],
                accept_score=fingerprint.accept_score,
                max_attempts=fingerprint.max_attempts,
                finger_timeout_seconds=fingerprint.finger_timeout_s,
                steady_frames=fingerprint.steady_frames,
                live_quality=fingerprint.live_quality,
                patience_seconds=fingerprint.patience_s,
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
        position=position(capture.position),
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
        fingers=[
            dossier_pb2.CapturedFinger(
                position=position(finger.position),
                quality=quality(finger.quality),
                accepted=finger.accepted,
                kept_attempt=finger.kept_attempt,
                part_names=finger.parts,
            )
            for finger in capture.fingers
        ],
    )


def _absent(finger: AbsentFinger, *, personal: bool) -> dossier_pb2.AbsentFinger:
    return dossier_pb2.AbsentFinger(
        position=position(finger.position),
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
