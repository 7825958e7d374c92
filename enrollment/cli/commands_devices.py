"""enrollctl devices: what is attached, and who uses it."""

from __future__ import annotations

import click

from enrollment.cli import words
from enrollment.cli.connection import Station
from enrollment.cli.output import Output
from enrollment.cli.pages import pages
from enrollment.cli.session import with_station
from enrollment.v1 import device_pb2

HEADINGS = (
    ("Device", "Thiết bị"),
    ("Kind", "Loại"),
    ("State", "Trạng thái"),
    ("Model", "Kiểu máy"),
    ("Driver proven", "Kiểm chứng"),
    ("Image", "Ảnh"),
    ("Held by", "Đang dùng"),
    ("Address", "Địa chỉ"),
    ("Problem", "Sự cố"),
)


def _image(device: device_pb2.Device) -> str:
    if not device.width_px:
        return ""
    ppi = f" @ {device.resolution_ppi:.0f} ppi" if device.resolution_ppi else ""
    return f"{device.width_px}x{device.height_px}{ppi}"


def _holder(device: device_pb2.Device) -> str:
    """Who holds it, and at which counter: the next in the queue may want to ask there."""
    if not device.HasField("lease_holder"):
        return ""
    return f"{device.lease_holder.operator_id} ({device.lease_holder.client_name})"


@click.command()
@with_station
def devices(station: Station, out: Output) -> None:
    """List the station's devices."""
    listed = list(pages(station.devices.ListDevices, device_pb2.ListDevicesRequest()))
    found = [device for page in listed for device in page.devices]
    answer = device_pb2.ListDevicesResponse(devices=found, unreachable=listed[-1].unreachable)
    out.value(answer)
    out.table(
        HEADINGS,
        [
            (
                device.device_id,
                words.state(device_pb2.DeviceKind.Name(device.kind), out.language),
                words.state(device_pb2.DeviceState.Name(device.state), out.language),
                f"{device.vendor} {device.model}".strip(),
                words.proof(device.driver_proof, out.language),
                _image(device),
                _holder(device),
                device.address,
                device.problem,
            )
            for device in found
        ],
    )
    for sentence in answer.unreachable:
        out.say(f"not reached: {sentence}", f"không kết nối được: {sentence}", style="yellow")
