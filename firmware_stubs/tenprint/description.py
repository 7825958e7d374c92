"""What the device says of itself on the bus (section 2 of the protocol)."""

from __future__ import annotations

from typing import Final

from firmware_stubs.usbip.descriptors import Descriptors, Endpoint, EndpointKind, Interface, Speed

VENDOR: Final = "Enrollment Workstation"
PRODUCT: Final = "Ten-print scanner model"
FIRMWARE: Final = "1.0.0"
DEFAULT_SERIAL: Final = "TPS1-0001"

ORDERS: Final = 0x01
ANSWERS: Final = 0x81
FRAMES: Final = 0x82
PACKET_BYTES: Final = 512


def describe(serial: str) -> Descriptors:
    """Its descriptors: high speed, one interface of three bulk endpoints."""
    endpoints = tuple(Endpoint(address, EndpointKind.BULK, PACKET_BYTES, 0) for address in (ORDERS, ANSWERS, FRAMES))
    interface = Interface(0, (0xFF, 0x54, 0x01), endpoints)
    return Descriptors(0x1209, 0x0001, 0x0100, Speed.HIGH, 500, (interface,), (VENDOR, PRODUCT, serial))
