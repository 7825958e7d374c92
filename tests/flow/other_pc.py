"""Another PC's client, as a process: python other_pc.py ADDRESS PAPERS TOKEN_FILE DEVICE_ID TIME_TO_LIVE_S.

Queues for the device, and prints every event of its lease as a line of JSON. Then, for each line on its standard input:
`preview` reads one picture under the lease, `use` asks for another under it and says how that was refused.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict

from enrollment.cli.connection import Station, connect
from enrollment.cli.failure import describe
from enrollment.cli.sharing import SharedStation
from enrollment.v1 import capture_pb2, device_pb2


def say(name: str, **facts: Any) -> None:
    print(json.dumps({"event": name} | facts), flush=True)


def main() -> None:
    address, papers, token_file, device_id, time_to_live_s = sys.argv[1:]
    with connect(SharedStation.load(address, Path(papers)), Path(token_file).read_text().strip()) as station:
        request = device_pb2.HoldLeaseRequest(
            device_id=device_id,
            client_name=Path(papers).name,
            time_to_live=Duration(seconds=int(time_to_live_s)),
            wait=Duration(seconds=600),
        )
        held: list[capture_pb2.LeaseReference] = []
        threading.Thread(target=follow, args=(station.devices.HoldLease(request), held), daemon=True).start()
        for line in sys.stdin:
            use(station, held[-1], line.strip())


def follow(call: Any, held: list[capture_pb2.LeaseReference]) -> None:
    try:
        for event in call:
            if event.HasField("granted"):
                lease = event.granted
                held.append(capture_pb2.LeaseReference(lease_id=lease.lease_id, fencing_token=lease.fencing_token))
            name = event.WhichOneof("event")
            say(name, **MessageToDict(getattr(event, name), preserving_proto_field_name=True))
    except grpc.RpcError as error:
        say("failed", reason=describe(error).reason)


def use(station: Station, lease: capture_pb2.LeaseReference, what: str) -> None:
    try:
        call = station.capture.WatchPreview(capture_pb2.WatchPreviewRequest(lease=lease), timeout=20)
        picture = next(iter(call))
        say(what, jpeg=picture.jpeg[:2].hex(), bytes=len(picture.jpeg))
        call.cancel()
    except grpc.RpcError as error:
        say(what, reason=describe(error).reason)


if __name__ == "__main__":
    main()
