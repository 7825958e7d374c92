"""USB descriptors of a device with one configuration, little endian as on the bus (USB 2.0, 9.6)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

CONFIGURATION_VALUE: Final = 1
LANGUAGE_EN_US: Final = 0x0409


class DescriptorType(IntEnum):
    """USB 2.0, table 9-5."""

    DEVICE = 1
    CONFIGURATION = 2
    STRING = 3
    INTERFACE = 4
    ENDPOINT = 5


class Speed(IntEnum):
    """usb_device_speed of the Linux kernel, which USB/IP carries."""

    LOW = 1
    FULL = 2
    HIGH = 3


class EndpointKind(IntEnum):
    """USB 2.0, table 9-13, bmAttributes."""

    BULK = 2
    INTERRUPT = 3


@dataclass(frozen=True, slots=True)
class Endpoint:
    """address: bit 7 set for IN. interval: bInterval as written, milliseconds at full speed."""

    address: int
    kind: EndpointKind
    packet_bytes: int
    interval: int


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface with one alternate setting, 0."""

    number: int
    interface_class: tuple[int, int, int]
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Descriptors:
    """Everything that GET_DESCRIPTOR answers.

    max_power_ma: milliamperes, even. strings: manufacturer, product and serial number, indices 1 to 3; "" for none.
    """

    vendor_id: int
    product_id: int
    release: int
    speed: Speed
    max_power_ma: int
    interfaces: tuple[Interface, ...]
    strings: tuple[str, str, str]
    device_class: tuple[int, int, int] = (0, 0, 0)

    def device(self) -> bytes:
        return struct.pack(
            "<BBHBBBBHHHBBBB",
            18,
            DescriptorType.DEVICE,
            0x0200,
            *self.device_class,
            64,
            self.vendor_id,
            self.product_id,
            self.release,
            *(index if text else 0 for index, text in enumerate(self.strings, start=1)),
            1,
        )

    def configuration(self) -> bytes:
        """The configuration with its interfaces and endpoints: bus powered, no remote wake-up."""
        body = b"".join(_interface(interface) for interface in self.interfaces)
        head = struct.pack(
            "<BBHBBBBB",
            9,
            DescriptorType.CONFIGURATION,
            9 + len(body),
            len(self.interfaces),
            CONFIGURATION_VALUE,
            0,
            0x80,
            self.max_power_ma // 2,
        )
        return head + body

    def string(self, index: int) -> bytes | None:
        """String descriptor `index` (0: the languages), None where there is none."""
        if index == 0:
            return struct.pack("<BBH", 4, DescriptorType.STRING, LANGUAGE_EN_US)
        if not 1 <= index <= len(self.strings) or not self.strings[index - 1]:
            return None
        text = self.strings[index - 1].encode("utf-16-le")
        return struct.pack("<BB", 2 + len(text), DescriptorType.STRING) + text

    def endpoint(self, address: int) -> Endpoint | None:
        """The endpoint at `address`, None where there is none."""
        every = (endpoint for interface in self.interfaces for endpoint in interface.endpoints)
        return next((endpoint for endpoint in every if endpoint.address == address), None)


def _interface(interface: Interface) -> bytes:
    head = struct.pack(
        "<BBBBBBBBB",
        9,
        DescriptorType.INTERFACE,
        interface.number,
        0,
        len(interface.endpoints),
        *interface.interface_class,
        0,
    )
    return head + b"".join(
        struct.pack(
            "<BBBBHB",
            7,
            DescriptorType.ENDPOINT,
            endpoint.address,
            endpoint.kind,
            endpoint.packet_bytes,
            endpoint.interval,
        )
        for endpoint in interface.endpoints
    )
