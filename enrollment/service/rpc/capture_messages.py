"""Events of captures and preview pictures -> API messages. One function a message; nothing is decided here."""

from __future__ import annotations

from typing import Any

from enrollment.core.fingerprint import SlapFinding
from enrollment.service.capture import events
from enrollment.service.capture.preview import Picture
from enrollment.service.rpc.messages import duration, hint, position, quality, timestamp
from enrollment.v1 import capture_pb2


def fingerprint_event(event: events.CaptureEvent) -> capture_pb2.CaptureFingerprintResponse:
    """One event of a fingerprint capture."""
    Response = capture_pb2.CaptureFingerprintResponse
    match event:
        case events.Waiting():
            return Response(waiting=waiting(event))
        case events.FingerOn(attempt):
            return Response(finger_on=capture_pb2.FingerOn(attempt=attempt))
        case events.Live():
            return Response(live=live_verdict(event))
        case events.Judged():
            return Response(judged=_judged(event))
        case events.LiftFinger(attempt):
            return Response(lift_finger=capture_pb2.LiftFinger(attempt=attempt))
        case events.Outcome(accepted=True):
            return Response(accepted=_outcome(event))
        case events.Outcome():
            return Response(exhausted=_outcome(event))
        case events.LiveJudged() | events.StillRefused():
            raise TypeError(event)


def portrait_event(event: events.CaptureEvent) -> capture_pb2.CapturePortraitResponse:
    """One event of a portrait capture."""
    Response = capture_pb2.CapturePortraitResponse
    match event:
        case events.Waiting():
            return Response(waiting=waiting(event))
        case events.Judged():
            return Response(judged=_judged(event))
        case events.Outcome(accepted=True):
            return Response(accepted=_outcome(event))
        case events.Outcome():
            return Response(exhausted=_outcome(event))
        case events.LiveJudged(judged):
            return Response(live=_judged(judged))
        case events.StillRefused(attempt, reason):
            return Response(refused=capture_pb2.StillRefused(attempt=attempt, reason=reason))
        case events.FingerOn() | events.LiftFinger() | events.Live():
            raise TypeError(event)


def picture(shown: Picture) -> capture_pb2.WatchPreviewResponse:
    """A preview picture, with the verdict on its frame."""
    return capture_pb2.WatchPreviewResponse(
        jpeg=shown.jpeg,
        sequence=shown.sequence,
        age=duration(shown.age_s),
        live=None if shown.live is None else live_verdict(shown.live),
    )


def waiting(event: events.Waiting) -> capture_pb2.Waiting:
    """The device waits."""
    return capture_pb2.Waiting(attempt=event.attempt, max_attempts=event.max_attempts)


def live_verdict(event: events.Live) -> capture_pb2.LiveVerdict:
    """What a platen shows."""
    return capture_pb2.LiveVerdict(
        attempt=event.attempt,
        sequence=event.sequence,
        width_px=event.size[0],
        height_px=event.size[1],
        fingers=[
            capture_pb2.SeenFinger(
                position=position(finger.position),
                centre_x_px=round(finger.centre[0]),
                centre_y_px=round(finger.centre[1]),
                width_px=round(finger.size[0]),
                height_px=round(finger.size[1]),
                rotation_degrees=round(finger.rotation_deg),
                live_quality=finger.live_quality,
                good=finger.good,
                touching=finger.touching,
                outside_platen=finger.outside_platen,
            )
            for finger in event.fingers
        ],
        missing=[position(missing) for missing in event.missing],
        hand=position(event.hand),
        hand_confidence_percent=round(100 * event.hand_confidence),
        findings=[_finding(finding) for finding in event.findings],
        hints=[hint(name) for name in event.hints],
        steady_frames=event.steady_frames,
        steady_frames_needed=event.steady_frames_needed,
    )


def _finding(found: SlapFinding) -> capture_pb2.SlapFinding:
    kind: Any = capture_pb2.SlapFindingKind.Value(f"SLAP_FINDING_KIND_{found.kind.value}")
    return capture_pb2.SlapFinding(
        kind=kind,
        positions=[position(finger) for finger in found.positions],
        confidence_percent=round(100 * found.confidence),
    )


def _judged(event: events.Judged) -> capture_pb2.Judged:
    return capture_pb2.Judged(
        attempt=event.attempt,
        quality=None if event.quality is None else quality(event.quality),
        acceptable=event.acceptable,
        minutiae=event.minutiae,
        same_as=position(event.same_as),
        hint=hint(event.hint),
        times=_times(event.times),
        fingers=[
            capture_pb2.JudgedFinger(
                position=position(finger.position),
                quality=quality(finger.quality),
                acceptable=finger.acceptable,
                minutiae=finger.minutiae,
                same_as=position(finger.same_as),
                hint=hint(finger.hint),
                best_attempt=finger.best_attempt,
            )
            for finger in event.fingers
        ],
        findings=[_finding(finding) for finding in event.findings],
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
        fingers=[
            capture_pb2.KeptFinger(
                position=position(finger.position),
                quality=quality(finger.quality),
                accepted=finger.accepted,
                kept_attempt=finger.kept_attempt,
                part_names=finger.parts,
            )
            for finger in event.fingers
        ],
    )


def _times(times: events.StageTimes) -> capture_pb2.StageTimes:
    return capture_pb2.StageTimes(
        device_ms=times.device_ms,
        judge_ms=times.judge_ms,
        compare_ms=times.compare_ms,
        record_ms=times.record_ms,
        store_ms=times.store_ms,
    )
