"""The counters of a station that has captured, refused and lost a device."""

from __future__ import annotations

import asyncio

from enrollment.v1 import device_pb2, diagnostics_pb2
from tests.flow.running_station import DEMOGRAPHICS, Hands, InProcess, refused, to_the_end
from tests.unit.diagnostics.exposition import parse, value

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")


async def test_metrics_count_what_happened_and_name_nobody(here: InProcess, hands: Hands) -> None:
    client = here.client
    scanner, camera = await client.scanner(), await client.camera()
    dossier = await client.open_dossier()
    async with client.lease(scanner.device_id) as lease:
        told = await hands.follow(client.capture_finger(dossier.dossier_id, lease, 2), finger=1)
        assert told[-1][0] == "accepted"
        await asyncio.to_thread(hands.scanner.unplug)
        code, reason, _ = await refused(client.capture_finger(dossier.dossier_id, lease, 3))
    async with client.lease(camera.device_id) as lease:
        await to_the_end(client.capture_portrait(dossier.dossier_id, lease))
    await refused(client.devices.GetDevice(device_pb2.GetDeviceRequest(device_id="nobody")))
    answer = await client.diagnostics.GetMetrics(diagnostics_pb2.GetMetricsRequest())
    samples = parse(answer.prometheus_text)
    assert value(samples, "enroll_captures_total", kind="fingerprint", outcome="accepted") == 1
    portraits = [
        value(samples, "enroll_captures_total", kind="portrait", outcome=outcome)
        for outcome in ("accepted", "tries_exhausted")
    ]
    assert sum(portraits) == 1
    judged = sum(
        count
        for (name, labels), count in samples.items()
        if name == "enroll_tries_total" and ("kind", "fingerprint") in labels
    )
    assert judged == sum(name == "judged" for name, _ in told)
    capture = "/enrollment.v1.CaptureService/CaptureFingerprint"
    assert value(samples, "enroll_rpc_total", method=capture, code="OK") == 1
    assert value(samples, "enroll_rpc_total", method=capture, code=code) == 1
    assert value(samples, "enroll_rpc_refusals_total", method=capture, reason=reason) == 1
    get = "/enrollment.v1.DeviceService/GetDevice"
    assert value(samples, "enroll_rpc_duration_seconds_count", method=get) == 1
    assert value(samples, "enroll_device_errors_total", driver="uru4000", reason="DEVICE_GONE") >= 1
    assert value(samples, "enroll_device_attached", device=scanner.device_id, driver="uru4000") == 0
    assert value(samples, "enroll_device_attached", device=camera.device_id, driver="camera") == 1
    assert value(samples, "enroll_packages", state="waiting") == 0
    assert value(samples, "enroll_resident_bytes") > 10_000_000
    said = {word for _, labels in samples for _, word in labels}
    for personal in (*DEMOGRAPHICS.values(), dossier.dossier_id, client.operator_id):
        assert personal not in said
        assert len(personal) == 1 or personal not in answer.prometheus_text
