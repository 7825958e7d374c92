"""Recordings that nobody made, of what real scanners may do that the given ones do not: written here, and played alike.

The host's side is what the public description says a host does, step by step; the device's side is what it may answer.
Pictures are scrambled by the firmware model's code, which shares none with the driver.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from firmware_stubs.uru4000.image_block import encode_image, keys_needed, sensor_picture
from firmware_stubs.uru4000.models import Block
from firmware_stubs.uru4000.power import answer_to
from tests.wire.recordings import Recording, of_driver
from tests.wire.usbmon_capture import Script

pytest_plugins = ("tests.contract.device_stubs",)
pytestmark = pytest.mark.skipif(shutil.which("umockdev-run") is None, reason="umockdev is not installed")

INTERRUPT, IMAGE = 0x81, 0x82
FULL_READ = 64 + 290 * 384
HWSTAT, MODE = 0x07, 0x4E
POWER_UP, FINGER_ON, FINGER_OFF, STRAY = "56aa", "0101", "0200", "4242"
USUAL = ((0x02, 72), (0x00, 1), (0x02, 49), (0x01, 1), (0x00, 1), (0x02, 49), (0x00, 1), (0x02, 116))
USUAL_SEEDS = (0x51EA2124,)
# A keyboard: its keys are interface 0, the scanner is interface 1.
KEYBOARD = (
    "12010002000000401234567800010102030109023900020100a032"
    "09040000010301010009211001000122410007058303080 00a"
    "0904010002ffffff000705810340000807058202400000"
).replace(" ", "")
DESCRIPTOR = "1201000200000040123456780001010203010902200001010080820904000002ffffff000705810340000807058202400000"


@dataclass
class Scanner:
    """A recording in the making. turned: as its sensor is mounted. clear: it scrambles nothing, whatever blocks say."""

    ids: tuple[int, int] = (0x05BA, 0x000A)
    serial: str = "{FB0B9071-2E08-4C0B-9F0B-3D1A5E8C7A11}"
    descriptors: str = DESCRIPTOR
    turned: bool = True
    clear: bool = False
    key_number: int = 0
    blocks: tuple[tuple[int, int], ...] = USUAL
    script: Script = field(default_factory=lambda: Script(bus=1, device=9))
    noise: np.random.Generator = field(default_factory=lambda: np.random.default_rng(4500))

    # what a host does

    def read(self, register: int, answer: bytes, *, meanwhile: Sequence[str] = ()) -> None:
        """meanwhile: interrupts that come before the answer does."""
        self.script.control_in(_setup(0xC0, register, len(answer)), answer, lambda: self._interrupts(meanwhile))

    def write(self, register: int, *values: int, meanwhile: Sequence[str] = ()) -> None:
        self.script.control_out(_setup(0x40, register, len(values)), bytes(values), lambda: self._interrupts(meanwhile))

    def _interrupts(self, kinds: Sequence[str]) -> None:
        for kind in kinds:
            self.interrupt(kind)

    def interrupt(self, kind: str) -> None:
        self.script.interrupt(INTERRUPT, bytes.fromhex(kind) + self.noise.bytes(62))

    def begin(self, status: int = 0x01) -> None:
        """Listen, read the status, power down."""
        self.script.listen(INTERRUPT)
        self.read(HWSTAT, bytes([status]))
        if not status & 0x80:
            self.write(HWSTAT, status | 0x80)

    def power(self, *, rounds: int = 0, challenges: bool = False, kept: int = 0x01) -> None:
        """Ask for power; it takes so many rounds."""
        for _ in range(rounds):
            self.write(HWSTAT, kept)
            self.read(HWSTAT, bytes([0x80 | kept]))
            if challenges:
                challenge = self.noise.bytes(16)
                self.read(0x2010, challenge)
                self.write(0x2000, *answer_to(challenge))
        self.write(HWSTAT, kept)

    def powered(self, *, kept: int = 0x01) -> None:
        self.read(HWSTAT, bytes([kept]))

    def told(self) -> None:
        self.read(0xF0, bytes.fromhex("1a0a1a0a01150000002000108b211130"))

    def finger(self) -> None:
        self.write(MODE, 0x10)
        self.interrupt(FINGER_ON)

    def start_image(self) -> None:
        self.script.queue_read(IMAGE, FULL_READ)
        self.write(MODE, 0x20)

    def send(self, picture: NDArray[np.uint8], *, seeds: Sequence[int] = USUAL_SEEDS) -> None:
        blocks = [Block(flags, rows) for flags, rows in self.blocks]
        keys = [int(key) for key in self.noise.integers(1, 1 << 32, keys_needed(blocks))]
        sensor = sensor_picture(picture, turned=self.turned)
        wire = encode_image(sensor, blocks, self.key_number, None if self.clear else keys, self.noise)
        self.script.end_read(IMAGE, wire)
        first = np.frombuffer(wire, np.uint8, 2 * 384, 64).reshape(2, 384).sum(axis=0, dtype=np.float64)
        # A host that judges as is described asks for keys of a clear picture too, where it varies as much.
        asks = not self.clear or first.var() >= 5000
        for place, key in enumerate(keys if asks else []):
            seed = seeds[place]
            self.write(0x33, self.key_number + place, *seed.to_bytes(4, "little"))
            self.read(0x34, (key ^ seed).to_bytes(4, "little"))

    def lifted(self) -> None:
        self.write(MODE, 0x12)
        self.interrupt(FINGER_OFF)

    def off(self) -> None:
        self.write(MODE, 0x70)
        self.script.stop_listening(INTERRUPT)

    def usual(self, picture: NDArray[np.uint8]) -> None:
        """Power-up to shutdown, with nothing out of the way."""
        self.begin()
        self.power()
        self.powered()
        _from_power_on(self, picture)

    def save(self, folder: Path, picture: NDArray[np.uint8]) -> Recording:
        vendor, product = self.ids
        descriptors = self.descriptors.replace("12345678", f"{_swapped(vendor)}{_swapped(product)}", 1).upper()
        (folder / "device").write_text(
            "P: /devices/pci0000:00/0000:00:14.0/usb1/1-4\n"
            f"N: bus/usb/001/009={descriptors}\n"
            "E: DEVNAME=/dev/bus/usb/001/009\nE: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\nE: BUSNUM=001\nE: DEVNUM=009\n"
            f"E: PRODUCT={vendor:x}/{product:x}/100\n"
            "A: busnum=1\\n\nA: devnum=9\\n\nA: devpath=4\\n\nA: speed=12\\n\nA: bConfigurationValue=1\\n\n"
            f"A: idVendor={vendor:04x}\\n\nA: idProduct={product:04x}\\n\n"
            "A: product=U.are.U® 4500 Fingerprint Reader\\n\n"
            f"A: serial={self.serial}\\n\n"
            f"H: descriptors={descriptors}\n\n",
            "utf-8",
        )
        self.script.save(folder / "capture.pcapng")
        cv2.imwrite(
            str(folder / "capture.png"), _as_received(picture, self.blocks, turned=self.turned, clear=self.clear)
        )
        return Recording(folder)


def _setup(kind: int, register: int, length: int) -> bytes:
    return bytes([kind, 0x04]) + register.to_bytes(2, "little") + bytes(2) + length.to_bytes(2, "little")


def _swapped(number: int) -> str:
    return number.to_bytes(2, "little").hex()


def _as_received(
    picture: NDArray[np.uint8], blocks: Sequence[tuple[int, int]], *, turned: bool, clear: bool
) -> NDArray[np.uint8]:
    """The picture with what the wire loses: each scrambled block's last pixel, and rows that are not stored."""
    seen = sensor_picture(picture, turned=turned).copy()
    row = 0
    for flags, rows in blocks:
        if flags & 0x07 == 0x02 and not clear:
            seen[row + rows - 1, -1] = 0
        row += rows
    row = 0
    for flags, rows in blocks:
        if flags & 0x01:  # those that follow stand in for them
            seen[row : row + rows] = seen[row + rows : row + 2 * rows]
        row += rows
    seen[row:] = 0
    upright = seen[::-1, ::-1] if turned else seen
    return np.ascontiguousarray(255 - upright)


def scanner_4500_as_described(picture: NDArray[np.uint8]) -> Scanner:
    """The power interrupt comes before the last status read, and twice more, 8 ms apart."""
    scanner = Scanner()
    scanner.begin()
    scanner.power()
    scanner.interrupt(POWER_UP)
    scanner.powered()
    scanner.told()
    scanner.interrupt(POWER_UP)
    scanner.write(MODE, 0x10)
    scanner.interrupt(POWER_UP)
    scanner.interrupt(FINGER_ON)
    scanner.start_image()
    scanner.send(picture)
    scanner.lifted()
    scanner.off()
    return scanner


def power_in_the_second_round(picture: NDArray[np.uint8]) -> Scanner:
    scanner = Scanner()
    scanner.begin()
    scanner.power(rounds=1)
    scanner.powered()
    _from_power_on(scanner, picture)
    return scanner


def challenge_asked_twice(picture: NDArray[np.uint8]) -> Scanner:
    scanner = Scanner((0x045E, 0x00CA), turned=False, key_number=5)
    scanner.begin(0x03)
    scanner.power(rounds=2, challenges=True, kept=0x03)
    scanner.powered(kept=0x03)
    _from_power_on(scanner, picture)
    return scanner


def msv2_that_asks_no_challenge(picture: NDArray[np.uint8]) -> Scanner:
    scanner = Scanner((0x045E, 0x00CA), turned=False, key_number=5)
    scanner.begin(0x03)
    scanner.power(kept=0x03)
    scanner.powered(kept=0x03)
    _from_power_on(scanner, picture)
    return scanner


def asleep_at_first(picture: NDArray[np.uint8]) -> Scanner:
    scanner = Scanner()
    scanner.begin(0x81)
    scanner.power()
    scanner.powered()
    _from_power_on(scanner, picture)
    return scanner


def wedged_at_first(picture: NDArray[np.uint8]) -> Scanner:
    scanner = Scanner()
    scanner.script.listen(INTERRUPT)
    scanner.read(HWSTAT, b"\x85")
    scanner.write(HWSTAT, 0x05)
    scanner.read(HWSTAT, b"\x84")
    scanner.read(HWSTAT, b"\x85")
    scanner.power(kept=0x05)
    scanner.powered(kept=0x05)
    _from_power_on(scanner, picture)
    return scanner


def other_seed_each_time(picture: NDArray[np.uint8]) -> Scanner:
    """Keys that change within the image: key number and one for each new one, each under its own seed."""
    scanner = Scanner(blocks=((0x02, 100), (0x82, 90), (0x01, 1), (0x00, 9), (0x82, 90)), key_number=3)
    scanner.begin()
    scanner.power()
    scanner.powered()
    _from_power_on(scanner, picture, seeds=(0x11111111, 0x22222222, 0xFEDCBA98))
    return scanner


def fifteen_blocks_of_every_kind(picture: NDArray[np.uint8]) -> Scanner:
    sizes = (40, 3, 50, 2, 5, 1, 60, 4, 1, 30, 20, 25, 9, 20, 20)
    kinds = (0x02, 0x00, 0x02, 0x04, 0x06, 0x01, 0x02, 0x00, 0x01, 0x02, 0x00, 0x02, 0x04, 0x02, 0x02)
    scanner = Scanner(blocks=tuple(zip(kinds, sizes, strict=True)))
    scanner.usual(picture)
    return scanner


def clear_lines_before_the_scrambled_ones(picture: NDArray[np.uint8]) -> Scanner:
    scanner = Scanner(blocks=((0x00, 10), (0x02, 200), (0x01, 1), (0x02, 79)))
    scanner.usual(picture)
    return scanner


def first_lines_missing(picture: NDArray[np.uint8]) -> Scanner:
    scanner = Scanner(blocks=((0x01, 2), (0x02, 255), (0x02, 33)))
    scanner.usual(picture)
    return scanner


def stray_interrupts_everywhere(picture: NDArray[np.uint8]) -> Scanner:
    scanner = Scanner()
    scanner.begin()
    scanner.interrupt(STRAY)
    scanner.power()
    scanner.interrupt(STRAY)
    scanner.powered()
    scanner.interrupt(POWER_UP)
    scanner.told()
    scanner.write(MODE, 0x10)
    scanner.interrupt(FINGER_OFF)
    scanner.interrupt(FINGER_ON)
    scanner.interrupt(FINGER_ON)
    scanner.start_image()
    scanner.interrupt("0800")
    scanner.send(picture)
    scanner.lifted()
    scanner.off()
    return scanner


def image_that_came_short_and_was_read_again(picture: NDArray[np.uint8]) -> Scanner:
    scanner = Scanner()
    scanner.begin()
    scanner.power()
    scanner.powered()
    scanner.interrupt(POWER_UP)
    scanner.told()
    scanner.finger()
    scanner.start_image()
    header = bytes.fromhex("104080012101") + bytes(10) + bytes.fromhex("02480001023101010001023100010274") + bytes(32)
    scanner.script.end_read(IMAGE, header + bytes(100 * 384))
    scanner.script.queue_read(IMAGE, FULL_READ)
    scanner.send(picture)
    scanner.lifted()
    scanner.off()
    return scanner


def power_interrupt_in_the_second_attempt(picture: NDArray[np.uint8]) -> Scanner:
    scanner = Scanner()
    scanner.begin()
    scanner.power()
    scanner.powered()
    scanner.read(HWSTAT, b"\x01")  # 300 ms later
    scanner.write(HWSTAT, 0x81)
    scanner.power()
    scanner.powered()
    _from_power_on(scanner, picture)
    return scanner


def interrupts_within_requests(picture: NDArray[np.uint8]) -> Scanner:
    """Each interrupt comes while a request is under way, as it does where the finger lies there from the beginning."""
    scanner = Scanner()
    scanner.begin()
    scanner.write(HWSTAT, 0x01, meanwhile=[POWER_UP])
    scanner.read(HWSTAT, b"\x01", meanwhile=[POWER_UP])
    scanner.read(0xF0, bytes.fromhex("1a0a1a0a01150000002000108b211130"), meanwhile=[POWER_UP])
    scanner.write(MODE, 0x10, meanwhile=[FINGER_ON])
    scanner.start_image()
    scanner.send(picture)
    scanner.write(MODE, 0x12, meanwhile=[FINGER_OFF])
    scanner.off()
    return scanner


def scanner_in_a_keyboard(picture: NDArray[np.uint8]) -> Scanner:
    scanner = Scanner((0x05BA, 0x0008), turned=False, descriptors=KEYBOARD)
    scanner.usual(picture)
    return scanner


def clear_picture_that_varies_as_a_scrambled_one(picture: NDArray[np.uint8]) -> Scanner:
    """A host that judges by variance alone exchanges a key, and has no use for it."""
    scanner = Scanner(blocks=((0x00, 120), (0x01, 1), (0x00, 169)), clear=True)
    scanner.usual(picture)
    return scanner


def rows_that_are_not_listed(picture: NDArray[np.uint8]) -> Scanner:
    """Stored lines and list agree, and end before the picture does."""
    scanner = Scanner(blocks=((0x02, 100), (0x01, 1), (0x00, 1), (0x02, 180)))
    scanner.usual(picture)
    return scanner


def ends_with_the_image(picture: NDArray[np.uint8]) -> Scanner:
    """Who made it stopped there: the scanner answers nothing more."""
    scanner = Scanner()
    scanner.begin()
    scanner.power()
    scanner.powered()
    scanner.interrupt(POWER_UP)
    scanner.told()
    scanner.finger()
    scanner.start_image()
    scanner.send(picture)
    return scanner


def first_generation(ids: tuple[int, int]) -> Callable[[NDArray[np.uint8]], Scanner]:
    """Upright, without a challenge, and without scrambling."""

    def script(picture: NDArray[np.uint8]) -> Scanner:
        scanner = Scanner(ids, serial="", turned=False, clear=True)
        scanner.usual(picture)
        return scanner

    script.__name__ = f"first_generation_{ids[0]:04x}_{ids[1]:04x}"
    return script


def _from_power_on(scanner: Scanner, picture: NDArray[np.uint8], seeds: Sequence[int] = USUAL_SEEDS) -> None:
    scanner.interrupt(POWER_UP)
    scanner.told()
    scanner.finger()
    scanner.start_image()
    scanner.send(picture, seeds=seeds)
    scanner.lifted()
    scanner.off()


SCRIPTS = (
    scanner_4500_as_described,
    power_in_the_second_round,
    power_interrupt_in_the_second_attempt,
    challenge_asked_twice,
    msv2_that_asks_no_challenge,
    asleep_at_first,
    wedged_at_first,
    other_seed_each_time,
    fifteen_blocks_of_every_kind,
    clear_lines_before_the_scrambled_ones,
    first_lines_missing,
    stray_interrupts_everywhere,
    image_that_came_short_and_was_read_again,
    interrupts_within_requests,
    scanner_in_a_keyboard,
    ends_with_the_image,
    rows_that_are_not_listed,
    clear_picture_that_varies_as_a_scrambled_one,
    *(first_generation(ids) for ids in ((0x05BA, 0x0007), (0x045E, 0x00BD))),
)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_capture_equals_what_was_scrambled(
    script: Callable[[NDArray[np.uint8]], Scanner], print_like: NDArray[np.uint8], tmp_path: Path
) -> None:
    recording = script(print_like).save(tmp_path, print_like)
    taken = recording.capture(tmp_path / "taken.png")
    assert np.count_nonzero(taken != recording.picture) == 0


TWO_CAPTURES = """
import sys
import cv2
from drivers.discovery import build, discover
from drivers.spi import CancelToken
scanner = build(discover(["usb:"]).devices[0], host_seed=[0x11, 0x22])
scanner.open()
for out in sys.argv[1:]:
    frame = scanner.capture(timeout_s=5, cancel=CancelToken(), on_event=lambda event: None)
    cv2.imwrite(out, frame.pixels)
    scanner.wait_finger_off(timeout_s=5, cancel=CancelToken())
scanner.close()
"""


def test_two_captures_of_one_recording_equal_their_pictures(print_like: NDArray[np.uint8], tmp_path: Path) -> None:
    pictures = print_like, np.ascontiguousarray(print_like[:, ::-1])
    scanner = Scanner()
    scanner.begin()
    scanner.power()
    scanner.powered()
    scanner.interrupt(POWER_UP)
    scanner.told()
    for picture, seed in zip(pictures, (0x11, 0x22), strict=True):
        scanner.finger()
        scanner.start_image()
        scanner.send(picture, seeds=[seed])
        scanner.lifted()
    scanner.off()
    recording = scanner.save(tmp_path, pictures[0])
    assert recording.host_seeds == (0x11, 0x22)
    outs = [tmp_path / "first.png", tmp_path / "second.png"]
    run = recording.play("-c", TWO_CAPTURES, *map(str, outs))
    assert run.returncode == 0, run.stderr
    for out, picture in zip(outs, pictures, strict=True):
        expected = _as_received(picture, USUAL, turned=True, clear=False)
        assert np.array_equal(np.asarray(cv2.imread(str(out), cv2.IMREAD_GRAYSCALE)), expected)


@pytest.mark.needs_shared
def test_given_picture_under_another_key_seed_and_block_list_is_the_same(tmp_path: Path) -> None:
    given = [recording for recording in of_driver("uru4000") if recording.usb_ids == (0x045E, 0x00CA)]
    if not given:
        pytest.skip("the recording is not here")
    picture = given[0].picture
    blocks = (0x02, 60), (0x82, 57), (0x01, 1), (0x00, 72), (0x02, 100)  # the same row is missing
    scanner = Scanner((0x045E, 0x00CA), turned=False, key_number=9, blocks=blocks)
    scanner.begin(0x03)
    scanner.power(rounds=1, challenges=True, kept=0x03)
    scanner.powered(kept=0x03)
    _from_power_on(scanner, picture, seeds=(0x0ABCDEF1, 0x12345678))
    recording = scanner.save(tmp_path, picture)
    taken = recording.capture(tmp_path / "taken.png")
    assert np.array_equal(taken, recording.picture)
    assert np.count_nonzero(taken != picture) <= 3  # of each scrambled block, the last pixel is lost
