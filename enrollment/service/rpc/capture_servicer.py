"""CaptureService: turns requests into orders, and a session's events into messages."""

# ruff: noqa: N802  the methods' names are the API's

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, Final

from enrollment.service.capture.events import Emit, stream
from enrollment.service.capture.face_session import FaceSession, PortraitOrder
from enrollment.service.capture.fingerprint_order import FingerprintOrder
from enrollment.service.capture.fingerprint_session import FingerprintSession
from enrollment.service.capture.studio import Studio
from enrollment.service.diagnostics.metrics import Metrics
from enrollment.service.rpc import capture_messages, requests
from enrollment.service.rpc.authentication import operator_id
from enrollment.v1 import capture_pb2, capture_pb2_grpc

LONGEST_FINGER_TIMEOUT_S: Final = 600.0
SMALLEST_PREVIEW_PX, LARGEST_PREVIEW_PX, DEFAULT_PREVIEW_PX = 64, 1920, 480
DEFAULT_PREVIEW_RATE, FASTEST_PREVIEW_RATE = 15, 30


class CaptureServicer(capture_pb2_grpc.CaptureServiceServicer):
    """Sessions over gRPC."""

    def __init__(self, studio: Studio, metrics: Metrics) -> None:
        self._studio = studio
        self._metrics = metrics

    async def CaptureFingerprint(
        self, request: capture_pb2.CaptureFingerprintRequest, context: Any
    ) -> AsyncGenerator[capture_pb2.CaptureFingerprintResponse, None]:
        order = FingerprintOrder(
            dossier_id=requests.uuid_id(request.dossier_id, "dossier_id"),
            lease=requests.lease_reference(request.lease),
            position=requests.position(request.position),
            impression=requests.impression(request.impression),
            replace=request.replace,
            finger_timeout_s=requests.seconds(
                request.finger_timeout, "finger_timeout", low=0.1, high=LONGEST_FINGER_TIMEOUT_S
            )
            if request.HasField("finger_timeout")
            else None,
            request_id=requests.request_id(request.request_id),
            operator_id=operator_id(),
        )

        def session(emit: Emit) -> Coroutine[Any, Any, None]:
            return FingerprintSession(self._studio, order, emit).run()

        async with aclosing(stream(session)) as events:
            async for event in events:
                self._metrics.captured("fingerprint", event)
                yield capture_messages.fingerprint_event(event)

    async def CapturePortrait(
        self, request: capture_pb2.CapturePortraitRequest, context: Any
    ) -> AsyncGenerator[capture_pb2.CapturePortraitResponse, None]:
        order = PortraitOrder(
            dossier_id=requests.uuid_id(request.dossier_id, "dossier_id"),
            lease=requests.lease_reference(request.lease),
            replace=request.replace,
            request_id=requests.request_id(request.request_id),
            operator_id=operator_id(),
        )

        def session(emit: Emit) -> Coroutine[Any, Any, None]:
            return FaceSession(self._studio, order, emit).run()

        async with aclosing(stream(session)) as events:
            async for event in events:
                self._metrics.captured("portrait", event)
                yield capture_messages.portrait_event(event)

    async def WatchPreview(
        self, request: capture_pb2.WatchPreviewRequest, context: Any
    ) -> AsyncGenerator[capture_pb2.WatchPreviewResponse, None]:
        reference = requests.lease_reference(request.lease)
        max_side_px = requests.whole(
            request.max_side_px,
            "max_side_px",
            low=SMALLEST_PREVIEW_PX,
            high=LARGEST_PREVIEW_PX,
            default=DEFAULT_PREVIEW_PX,
        )
        rate = requests.whole(
            request.max_frames_per_second,
            "max_frames_per_second",
            low=1,
            high=FASTEST_PREVIEW_RATE,
            default=DEFAULT_PREVIEW_RATE,
        )
        lease = self._studio.leases.require(reference.lease_id, reference.fencing_token, operator_id=operator_id())
        device = self._studio.inventory.get(lease.device_id)
        pictures = self._studio.previews.pictures(device, lease, max_side_px=max_side_px, max_frames_per_second=rate)
        async with aclosing(pictures) as newest:
            async for picture in newest:
                yield capture_messages.picture(picture)
