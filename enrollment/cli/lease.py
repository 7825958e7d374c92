"""A client's side of a lease: take it, keep it alive, give it back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import grpc
from google.protobuf import duration_pb2

from enrollment.cli.connection import Station
from enrollment.v1 import capture_pb2, device_pb2

TIME_TO_LIVE_S = 30
RENEW_EVERY_S = TIME_TO_LIVE_S / 3
RELEASE_LIMIT_S = 2.0


@contextmanager
def held_lease(
    station: Station,
    device_id: str,
    *,
    client_name: str,
    wait_s: int = 0,
    queued: Callable[[int], None] = lambda position: None,
) -> Iterator[capture_pb2.LeaseReference]:
    """Hold a device for as long as the block runs; renewed in the background, released at the end.

    wait_s: how long to stand in the queue where another holds it. queued: hears of each place there, 1 for the next.
    Raises grpc.RpcError (LEASE_HELD, DEVICE_UNKNOWN ...) as the daemon answers.
    """
    call = station.devices.HoldLease(
        device_pb2.HoldLeaseRequest(
            device_id=device_id,
            client_name=client_name,
            time_to_live=duration_pb2.Duration(seconds=TIME_TO_LIVE_S),
            wait=duration_pb2.Duration(seconds=wait_s),
        )
    )
    event = next(call)
    while event.WhichOneof("event") == "queued":
        queued(event.queued.position)
        event = next(call)
    lease = event.granted
    done = threading.Event()

    def renew() -> None:
        while not done.wait(RENEW_EVERY_S):
            try:
                station.devices.RenewLease(device_pb2.RenewLeaseRequest(lease_id=lease.lease_id))
            except grpc.RpcError:  # the next use of the lease tells why
                return

    heartbeat = threading.Thread(target=renew, name="lease-heartbeat", daemon=True)
    heartbeat.start()
    try:
        yield capture_pb2.LeaseReference(lease_id=lease.lease_id, fencing_token=lease.fencing_token)
    finally:
        done.set()
        heartbeat.join()
        with suppress(grpc.RpcError):  # answered, so that whoever asks next finds it free; else the stream's end tells
            station.devices.ReleaseLease(
                device_pb2.ReleaseLeaseRequest(lease_id=lease.lease_id), timeout=RELEASE_LIMIT_S
            )
        call.cancel()
