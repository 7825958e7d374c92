"""USB descriptors from bytes (USB 2.0, chapter 9.6), with the attribute names that pyusb expects; no I/O.

Each class keeps the fields in wire order, so that `struct` fills it. Everything is little endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import ClassVar

from drivers.errors import ProtocolViolation

GET_DESCRIPTOR = 0x06
TYPE_DEVICE = 1
TYPE_CONFIGURATION = 2
TYPE_STRING = 3
_TYPE_INTERFACE = 4
_TYPE_ENDPOINT = 5

CONFIGURATION_HEADER_BYTES = 9
DEVICE_BYTES = 18


@dataclass(slots=True)
class EndpointDescriptor:
    """USB 2.0, table 9-13. The last three are pyusb's, for audio devices."""

    LAYOUT: ClassVar = struct.Struct("<BBBBHB")

    bLength: int  # noqa: N815
    bDescriptorType: int  # noqa: N815
    bEndpointAddress: int  # noqa: N815
    bmAttributes: int  # noqa: N815
    wMaxPacketSize: int  # noqa: N815
    bInterval: int  # noqa: N815
    bRefresh: int = 0  # noqa: N815
    bSynchAddress: int = 0  # noqa: N815
    extra_descriptors: tuple[int, ...] = ()


@dataclass(slots=True)
class InterfaceDescriptor:
    """USB 2.0, table 9-12, with the endpoints that follow it."""

    LAYOUT: ClassVar = struct.Struct("<9B")

    bLength: int  # noqa: N815
    bDescriptorType: int  # noqa: N815
    bInterfaceNumber: int  # noqa: N815
    bAlternateSetting: int  # noqa: N815
    bNumEndpoints: int  # noqa: N815
    bInterfaceClass: int  # noqa: N815
    bInterfaceSubClass: int  # noqa: N815
    bInterfaceProtocol: int  # noqa: N815
    iInterface: int  # noqa: N815
    endpoints: list[EndpointDescriptor] = field(default_factory=list)
    extra_descriptors: tuple[int, ...] = ()


@dataclass(slots=True)
class ConfigurationDescriptor:
    """USB 2.0, table 9-10, with the interfaces that follow it."""

    LAYOUT: ClassVar = struct.Struct("<BBHBBBBB")

    bLength: int  # noqa: N815
    bDescriptorType: int  # noqa: N815
    wTotalLength: int  # noqa: N815
    bNumInterfaces: int  # noqa: N815
    bConfigurationValue: int  # noqa: N815
    iConfiguration: int  # noqa: N815
    bmAttributes: int  # noqa: N815
    bMaxPower: int  # noqa: N815
    interfaces: list[InterfaceDescriptor] = field(default_factory=list)
    extra_descriptors: tuple[int, ...] = ()


@dataclass(slots=True)
class DeviceDescriptor:
    """USB 2.0, table 9-8, with where the device is (bus, address; the rest unknown over a network)."""

    LAYOUT: ClassVar = struct.Struct("<BBHBBBBHHHBBBB")

    bLength: int  # noqa: N815
    bDescriptorType: int  # noqa: N815
    bcdUSB: int  # noqa: N815
    bDeviceClass: int  # noqa: N815
    bDeviceSubClass: int  # noqa: N815
    bDeviceProtocol: int  # noqa: N815
    bMaxPacketSize0: int  # noqa: N815
    idVendor: int  # noqa: N815
    idProduct: int  # noqa: N815
    bcdDevice: int  # noqa: N815
    iManufacturer: int  # noqa: N815
    iProduct: int  # noqa: N815
    iSerialNumber: int  # noqa: N815
    bNumConfigurations: int  # noqa: N815
    bus: int = 0
    address: int = 0
    port_number: int | None = None
    port_numbers: tuple[int, ...] | None = None
    speed: int | None = None


def decode_device(descriptor: bytes) -> DeviceDescriptor:
    """Raises ProtocolViolation where this is no device descriptor."""
    if len(descriptor) < DEVICE_BYTES or descriptor[1] != TYPE_DEVICE:
        raise ProtocolViolation("not a device descriptor", length=len(descriptor))
    return DeviceDescriptor(*DeviceDescriptor.LAYOUT.unpack_from(descriptor))


def decode_configuration_header(descriptors: bytes) -> ConfigurationDescriptor:
    """Decode the first 9 bytes, which tell the length of all. Raises ProtocolViolation where they are not that."""
    if len(descriptors) < CONFIGURATION_HEADER_BYTES or descriptors[1] != TYPE_CONFIGURATION:
        raise ProtocolViolation("not a configuration descriptor", length=len(descriptors))
    return ConfigurationDescriptor(*ConfigurationDescriptor.LAYOUT.unpack_from(descriptors))


def decode_configuration(descriptors: bytes) -> ConfigurationDescriptor:
    """Decode a configuration with its interfaces and endpoints; class-specific descriptors are passed over.

    Raises ProtocolViolation where the chain of descriptors is broken.
    """
    configuration = decode_configuration_header(descriptors)
    position = 0
    while position < len(descriptors):
        length = descriptors[position]
        if length < 2 or position + length > len(descriptors):
            raise ProtocolViolation("a descriptor does not fit its configuration", position=position, length=length)
        kind = descriptors[position + 1]
        if kind == _TYPE_INTERFACE and length >= InterfaceDescriptor.LAYOUT.size:
            configuration.interfaces.append(
                InterfaceDescriptor(*InterfaceDescriptor.LAYOUT.unpack_from(descriptors, position))
            )
        elif kind == _TYPE_ENDPOINT and length >= EndpointDescriptor.LAYOUT.size and configuration.interfaces:
            configuration.interfaces[-1].endpoints.append(
                EndpointDescriptor(*EndpointDescriptor.LAYOUT.unpack_from(descriptors, position))
            )
        position += length
    return configuration


def decode_language(descriptor: bytes) -> int | None:
    """The first language id of string descriptor 0; None where the device has no strings."""
    return int.from_bytes(descriptor[2:4], "little") if len(descriptor) >= 4 else None


def decode_string(descriptor: bytes) -> str:
    """The text of a string descriptor; whatever is not UTF-16 becomes a replacement character."""
    if len(descriptor) < 2 or descriptor[1] != TYPE_STRING:
        return ""
    return bytes(descriptor[2 : descriptor[0]]).decode("utf-16-le", "replace").rstrip("\0")
