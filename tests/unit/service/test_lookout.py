"""The lookout: what is moved between two addresses, and what is told of together. Looks are scripted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from drivers.discovery import Discovery, FoundDevice, Look, Naming
from drivers.spi import DeviceKind
from enrollment.service.devices.lookout import Lookout

BOX_A, BOX_B = "usbip://box-a", "usbip://box-b"
SCANNER = FoundDevice("uru4000-1", DeviceKind.FINGERPRINT_SCANNER, "uru4000", f"{BOX_A}/1-1", "", "4500", "1")


class Boxes:
    """Which scanner is on which box, as the test says it, and all that the lookout told."""

    def __init__(self) -> None:
        self.holds: dict[str, list[FoundDevice]] = {BOX_A: [SCANNER], BOX_B: []}
        self.told: list[Discovery] = []
        self.lookout = Lookout(
            [BOX_A, BOX_B, BOX_A],
            3600,
            look=lambda address: Look(tuple((device, address[-1]) for device in self.holds[address])),
            put_together=Naming(),
            watch_bus=lambda addresses, on_change: None,
            at_seen=lambda seen, look_of: self.told.append(seen),
        )

    @property
    def names(self) -> set[tuple[str, str]]:
        """Every name and address that was told of."""
        return {(device.device_id, device.address) for seen in self.told for device in seen.devices}


@pytest.fixture
async def boxes() -> AsyncIterator[Boxes]:
    made = Boxes()
    await made.lookout.look_once()
    yield made
    made.lookout.close()


async def test_a_scanner_that_is_moved_to_another_box_keeps_its_name(boxes: Boxes) -> None:
    moved = replace(SCANNER, address=f"{BOX_B}/1-1")
    boxes.holds = {BOX_A: [], BOX_B: [moved]}
    await boxes.lookout._look_at(BOX_B)  # the box that has it now is looked at first
    assert boxes.told[-1].devices == (moved,)
    await boxes.lookout.look_once()
    assert boxes.names == {("uru4000-1", SCANNER.address), ("uru4000-1", moved.address)}


async def test_two_scanners_of_one_serial_number_on_two_boxes_are_told_apart(boxes: Boxes) -> None:
    twin = replace(SCANNER, address=f"{BOX_B}/1-1")
    boxes.holds[BOX_B] = [twin]
    await boxes.lookout.look_once()
    assert {device.device_id for device in boxes.told[-1].devices} == {"uru4000-1-a", "uru4000-1-b"}


async def test_without_addresses_there_is_nothing_to_wait_for() -> None:
    told: list[Discovery] = []
    lookout = Lookout(
        *([], 3600),
        look=lambda address: Look(()),
        put_together=Naming(),
        watch_bus=lambda addresses, on_change: None,
        at_seen=lambda seen, look_of: told.append(seen),
    )
    await lookout.first_look()
    assert told == []
    lookout.close()
