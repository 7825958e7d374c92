"""What PC/SC says, in our words: codes, names of readers, programs that may hold one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from drivers.errors import (
    CardGone,
    CardMute,
    CardReset,
    CardServiceGone,
    DeviceAccessDenied,
    DeviceBusy,
    DeviceError,
    DeviceGone,
    DeviceNotReady,
    TransmitLost,
    UnsupportedDevice,
)
from drivers.messages import Language, sentence
from drivers.pcsc import codes, holders
from drivers.pcsc.names import ReaderName, parse_name

KINDS: dict[int, type[DeviceError]] = {
    0x80100003: CardServiceGone,
    0x80100009: DeviceGone,
    0x8010000B: DeviceBusy,
    0x8010000C: CardGone,
    0x8010000F: CardMute,
    0x80100013: CardServiceGone,
    0x80100016: CardGone,
    0x80100017: DeviceGone,
    0x8010001D: CardServiceGone,
    0x8010001E: CardServiceGone,
    0x8010001F: UnsupportedDevice,
    0x8010002E: DeviceGone,
    0x80100066: CardMute,
    0x80100067: CardGone,
    0x80100068: CardReset,
    0x80100069: CardGone,
    0x8010006A: DeviceAccessDenied,
    0x80100001: DeviceNotReady,
    0x7: DeviceNotReady,
}


@pytest.mark.parametrize(("code", "kind"), KINDS.items())
def test_every_code_has_its_error_with_reader_step_code_and_remedy(code: int, kind: type[DeviceError]) -> None:
    error = codes.typed(code, "Reader 00 00", "doing this")
    assert type(error) is kind
    assert error.facts == {"reader": "Reader 00 00", "under": "doing this", "code": f"{code:#010x}"}
    assert all(word in str(error) for word in ("Reader 00 00", "doing this", f"{code:#010x}"))
    assert sentence(error, Language.ENGLISH) != sentence(error, Language.VIETNAMESE)


@pytest.mark.parametrize(
    ("code", "kind", "outcome"),
    [
        (0x80100016, TransmitLost, "unknown"),
        (0x8010002F, TransmitLost, "unknown"),
        (0x80100066, TransmitLost, "unknown"),
        (0x80100001, TransmitLost, "unknown"),
        (0x8010001D, CardServiceGone, "unknown"),
        (0x80100017, DeviceGone, "unknown"),
        (0x80100068, CardReset, "not_carried_out"),
        (0x80100069, CardGone, "not_carried_out"),
        (0x8010000C, CardGone, "not_carried_out"),
    ],
)
def test_a_transmit_tells_whether_the_card_may_have_worked(code: int, kind: type[DeviceError], outcome: str) -> None:
    error = codes.lost_or_refused(code, "Reader", "command 00D6")
    assert type(error) is kind
    assert error.facts["outcome"] == outcome


def test_a_card_that_goes_with_its_reader_is_a_reader_that_left() -> None:
    error = codes.lost_or_refused(0x80100016, "Reader", "command 00D6", reader_left=True)
    assert type(error) is DeviceGone
    assert error.facts["outcome"] == "unknown"


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("Card Model 0 00 00", ReaderName("Card Model 0", "", 0)),
        ("Card Model 0 0B 01", ReaderName("Card Model 0", "", 1)),
        ("Gemalto PC Twin Reader (70D7E2EE) 00 00", ReaderName("Gemalto PC Twin Reader", "70D7E2EE", 0)),
        (
            "HID Global OMNIKEY 5422 [OMNIKEY 5422CL] (KC0123) 01 00",
            ReaderName("HID Global OMNIKEY 5422 [OMNIKEY 5422CL]", "KC0123", 0),
        ),
        ("ACS ACR39U ICC Reader 0", ReaderName("ACS ACR39U ICC Reader", "", 0)),
        ("Reader", ReaderName("Reader", "", 0)),
        ("", ReaderName("", "", 0)),
    ],
)
def test_a_readers_name_is_split_into_what_lasts_and_what_does_not(name: str, parsed: ReaderName) -> None:
    assert parse_name(name) == parsed


def test_programs_with_the_library_or_a_known_name_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A patch, for other users' programs are what matters, and a test has none."""

    def runs(pid: int, comm: str, *, parent: int = 1, maps: str | None = "", run: str = "") -> None:
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "comm").write_text(f"{comm}\n")
        (folder / "stat").write_text(f"{pid} ({comm}) S {parent} 1 1")
        (folder / "cmdline").write_text(run.replace(" ", "\0") + "\0")
        if maps is not None:
            (folder / "maps").write_text(maps)

    library = "7f00-7f01 r-xp 00000000 08:01 1  /usr/lib/x86_64-linux-gnu/libpcsclite.so.1.0.0\n"
    runs(10, "opensc (x) 1", maps=library)
    runs(11, "bash")
    runs(12, "scdaemon", maps=None)
    runs(13, "pcscd", maps=library)
    runs(14, "python", parent=os.getpid(), maps=library, run="python -P -m drivers.pcsc.process")
    runs(16, "python3", parent=os.getpid(), maps=library, run="/usr/bin/python3 -P /opt/tool/cards.py --pin 1234")
    runs(17, "python", maps=library, run="python -P -m drivers.pcsc.process")
    (tmp_path / "15").mkdir()
    monkeypatch.setattr(holders, "PROC", tmp_path)
    assert holders.likely_holders() == [
        "cards.py (16)",
        "drivers.pcsc.process (17)",
        "opensc (x) 1 (10)",
        "scdaemon (12)",
    ]
