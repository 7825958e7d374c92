"""The two models, as their recordings show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from firmware_stubs.usbip.descriptors import Descriptors, Endpoint, EndpointKind, Interface, Speed

WIDTH: Final = 384
HEIGHT: Final = 290
PPI: Final = 500.0

INTERRUPT_IN: Final = 0x81
BULK_IN: Final = 0x82

NOT_STORED: Final = 0x01
SCRAMBLED: Final = 0x02
REGISTER_STOPS: Final = 0x04
NEXT_KEY: Final = 0x80


@dataclass(frozen=True, slots=True)
class Block:
    """flags: NOT_STORED | SCRAMBLED | REGISTER_STOPS | NEXT_KEY. rows: of the final image."""

    flags: int
    rows: int


@dataclass(frozen=True, slots=True)
class Model:
    """What differs between the models.

    status: HWSTAT while the sensor is powered. info: the 16 bytes at 0xF0.
    power_up_s: from the write that asks for power to the sensor being up. announcements: how often 56AA comes.
    announce_after_s: from the sensor being up to the first 56AA.
    challenges: power is granted only after the challenge is answered.
    turned: the sensor is mounted upside down, so its picture has to be turned by 180 degrees.
    """

    name: str
    vendor_id: int
    product_id: int
    release: int
    max_power_ma: int
    manufacturer: str
    product: str
    default_serial: str
    status: int
    info: bytes
    power_up_s: float
    announcements: int
    announce_after_s: float
    challenges: bool
    turned: bool
    key_number: int
    blocks: tuple[Block, ...]

    def descriptors(self, serial: str) -> Descriptors:
        return Descriptors(
            vendor_id=self.vendor_id,
            product_id=self.product_id,
            release=self.release,
            speed=Speed.FULL,
            max_power_ma=self.max_power_ma,
            interfaces=(
                Interface(
                    0,
                    (0xFF, 0xFF, 0xFF),
                    (
                        Endpoint(INTERRUPT_IN, EndpointKind.INTERRUPT, 64, 8),
                        Endpoint(BULK_IN, EndpointKind.BULK, 64, 0),
                    ),
                ),
            ),
            strings=(self.manufacturer, self.product, serial),
        )


def _blocks(*pairs: tuple[int, int]) -> tuple[Block, ...]:
    return tuple(Block(flags, rows) for flags, rows in pairs)


U_ARE_U_4500: Final = Model(
    name="4500",
    vendor_id=0x05BA,
    product_id=0x000A,
    release=0x0103,
    max_power_ma=200,
    manufacturer="DigitalPersona, Inc.",
    product="U.are.U® 4500 Fingerprint Reader",
    default_serial="{45000000-05BA-000A-0000-000000000001}",
    status=0x01,
    info=bytes.fromhex("1a0a1a0a01150000002000108b211130"),
    power_up_s=0.005,
    announcements=3,
    announce_after_s=0.0,
    challenges=False,
    turned=True,
    key_number=0,
    blocks=_blocks((0x02, 72), (0x00, 1), (0x02, 49), (0x01, 1), (0x00, 1), (0x02, 49), (0x00, 1), (0x02, 116)),
)

MICROSOFT_V2: Final = Model(
    name="msv2",
    vendor_id=0x045E,
    product_id=0x00CA,
    release=0x0100,
    max_power_ma=260,
    manufacturer="Microsoft",
    product="Microsoft® Fingerprint Reader",
    default_serial="{0000045E-00CA-0000-0000-000000000001}",
    status=0x03,
    info=bytes.fromhex("50255025003400000013005967191800"),
    power_up_s=0.0,
    announcements=1,
    announce_after_s=0.007,
    challenges=True,
    turned=False,
    key_number=5,
    blocks=_blocks((0x02, 67), (0x00, 1), (0x02, 49), (0x01, 1), (0x00, 1), (0x02, 49), (0x00, 1), (0x02, 121)),
)

MODELS: Final = {model.name: model for model in (U_ARE_U_4500, MICROSOFT_V2)}

# Not seen in a recording: every flag that the format knows, so that a reader of it can be tried on all.
EVERY_KIND: Final = _blocks(
    (0x02, 40), (0x00, 3), (0x82, 50), (0x04, 2), (0x06, 5), (0x01, 1), (0x02, 60), (0x80, 4), (0x01, 1), (0x02, 124)
)
