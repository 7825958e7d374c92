"""The card model's files: what may be created, written and read, when, and by whom."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_stubs.card.apdu import Command, Refused, decode
from firmware_stubs.card.card import Card
from firmware_stubs.card.files import FileSystem
from firmware_stubs.card.memory import LifeCycle, Memory, StateFile
from firmware_stubs.card.profile import VN_CCCD, Access

SELECT_APPLICATION = "00A4040C07A0000002471001"
EF_CARD_ACCESS = bytes.fromhex(
    "3134300d060804007f0007020202020101300f060a04007f000702020302020201013012060a04007f0007020204020202010202010d"
)


def answer(card: Card, apdu: str) -> str:
    return card.transmit(bytes.fromhex(apdu)).hex().upper()


@pytest.fixture
def card() -> Card:
    """Issued, with EF.CardAccess, EF.COM of 300 bytes, and fingers."""
    memory = Memory(
        life_cycle=LifeCycle.OPERATIONAL,
        files={
            0x011C: bytearray(EF_CARD_ACCESS),
            0x011E: bytearray(range(256)) + bytearray(44),
            0x0103: bytearray(40_000),
        },
    )
    return Card(memory)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("00A4040C", (b"", None)),
        ("00B0000000", (b"", 256)),
        ("00D6000002ABCD", (b"\xab\xcd", None)),
        ("00D6000002ABCD10", (b"\xab\xcd", 16)),
        ("00B00000000000", (b"", 65_536)),
        ("00D60000000002ABCD", (b"\xab\xcd", None)),
        ("00D60000000002ABCD0100", (b"\xab\xcd", 256)),
    ],
)
def test_each_encoding_of_a_command_is_read(raw: str, told: tuple[bytes, int | None]) -> None:
    command = decode(bytes.fromhex(raw))
    assert (command.data, command.le) == told


@pytest.mark.parametrize(
    "raw", ["", "00", "00A404", "00D6000003ABCD", "00D6000002ABCD1000", "00D600000000", "00D6000000000000"]
)
def test_a_malformed_command_is_answered_6700(card: Card, raw: str) -> None:
    assert answer(card, raw) == "6700"


def test_card_access_is_read_without_the_application_and_the_master_file_is_refused(card: Card) -> None:
    assert answer(card, "00A4000C023F00") == "6D00"
    assert answer(card, "00A4020C02011C") == "9000"
    assert answer(card, "00B0000000") == EF_CARD_ACCESS.hex().upper() + "9000"
    assert answer(card, "00A4020C02011E") == "6A82"  # of the application, which is not selected


def test_groups_need_a_reader_and_fingers_more_than_that(card: Card) -> None:
    assert answer(card, SELECT_APPLICATION) == "9000"
    for fid in ("011E", "0103"):
        assert answer(card, f"00A4020C02{fid}") == "9000"
        assert answer(card, "00B0000000") == "6982"


def reading(memory: Memory) -> FileSystem:
    files = FileSystem(memory, VN_CCCD)
    files.select_application(VN_CCCD.aid)
    return files


def read(files: FileSystem, apdu: str, proved: Access = Access.READER) -> tuple[bytes, int]:
    return files.read(decode(bytes.fromhex(apdu)), proved)


def test_binary_is_read_by_offset_short_identifier_and_odd_instruction(card: Card) -> None:
    files = reading(card.memory)
    assert read(files, "00B09E0504") == (bytes((5, 6, 7, 8)), 0x9000)
    assert read(files, "00B000FE04") == (bytes((254, 255, 0, 0)), 0x9000)
    assert read(files, "00B0012810") == (bytes(4), 0x6282)  # the file ends after four
    assert read(files, "00B10000035401FE06") == (bytes.fromhex("5304FEFF0000"), 0x9000)
    card.memory.files[0x010D] = bytearray(40_000)
    card.memory.files[0x010D][39_000] = 0x77
    assert read(files, "00B1010D045402985803") == (bytes.fromhex("530177"), 0x9000)
    with pytest.raises(Refused, match="6B00"):
        read(files, "00B1011E04540201F404")


def test_terminal_authentication_is_never_proved(card: Card) -> None:
    for proved in (Access.READER, Access.PERSONALISER):
        with pytest.raises(Refused, match="6982"):
            read(reading(card.memory), "00B0830004", proved)


def test_only_the_personaliser_of_a_card_not_yet_issued_writes() -> None:
    memory = Memory()
    files = reading(memory)
    create = bytes.fromhex("6304000A011E")
    with pytest.raises(Refused, match="6982"):
        files.create(create, Access.READER)
    files.create(create, Access.PERSONALISER)
    assert memory.life_cycle is LifeCycle.INITIALISED
    with pytest.raises(Refused, match="6A89"):
        files.create(create, Access.PERSONALISER)

    write = decode(bytes.fromhex("00D6000603AABBCC"))
    with pytest.raises(Refused, match="6982"):
        files.update(write, Access.READER)
    files.update(write, Access.PERSONALISER)
    files.update(decode(bytes.fromhex("00D7000006540109" + "5301EE")), Access.PERSONALISER)
    assert memory.files[0x011E].hex() == "000000000000aabbccee"
    with pytest.raises(Refused, match="6A84"):
        files.update(decode(bytes.fromhex("00D6000902AABB")), Access.PERSONALISER)
    assert memory.files[0x011E].hex() == "000000000000aabbccee"

    memory.life_cycle = LifeCycle.OPERATIONAL
    with pytest.raises(Refused, match="6985"):
        files.update(write, Access.PERSONALISER)


def test_a_file_that_does_not_fit_or_is_not_of_the_profile_is_not_created() -> None:
    files = reading(Memory())
    for fid in (0x0101, 0x0102):
        files.create(bytes.fromhex(f"6304BFFF{fid:04X}"), Access.PERSONALISER)
    with pytest.raises(Refused, match="6A84"):
        files.create(bytes.fromhex("6304FFFF010D"), Access.PERSONALISER)
    with pytest.raises(Refused, match="6A80"):
        files.create(bytes.fromhex("63040010010C"), Access.PERSONALISER)


def test_a_chain_is_joined_and_a_broken_one_refused(card: Card) -> None:
    assert answer(card, "10A4040C03A00000") == "9000"
    assert answer(card, "00A4040C0402471001") == "9000"
    assert answer(card, "10A4040C03A00000") == "9000"
    assert answer(card, "00B0000000") == "6883"


def test_without_extended_length_an_extended_command_is_refused(card: Card) -> None:
    plain = Card(card.memory, replace(VN_CCCD, extended=False, announced=False))
    assert answer(plain, "00B00000000000") == "6700"
    assert card.profile.atr.hex() == "3b85800180738421c0" + card.profile.atr[-1:].hex()
    assert plain.profile.atr != card.profile.atr


def test_a_terminated_card_does_nothing(card: Card) -> None:
    card.memory.life_cycle = LifeCycle.LOCKED
    assert answer(card, SELECT_APPLICATION) == "6283"
    assert answer(card, "00B09C0000") == "6985"


def test_state_file_keeps_every_card_and_names_one_that_is_not_its_own(tmp_path: Path, card: Card) -> None:
    file = StateFile(tmp_path / "cards.json")
    blank, other = file.load(2)
    assert blank.serial != other.serial
    file.save([card.memory, other])
    assert file.load(3)[:2] == [card.memory, other]
    assert [path.name for path in tmp_path.iterdir()] == ["cards.json"]
    (tmp_path / "cards.json").write_text("[]")
    with pytest.raises(OSError, match=r"cards\.json does not hold the state of cards"):
        file.load(1)


@given(st.binary(max_size=40), st.booleans())
def test_any_bytes_are_answered_by_a_status_word(raw: bytes, selected: bool) -> None:
    card = Card(Memory(files={0x011C: bytearray(EF_CARD_ACCESS)}))
    if selected:
        answer(card, SELECT_APPLICATION)
    reply = card.transmit(raw)
    assert len(reply) >= 2
    assert reply[-2] >> 4 in (6, 9)


@given(
    st.sampled_from((0x50, 0x82, 0xA4, 0xB0, 0xB1, 0xD6, 0xD7, 0xD8, 0xDA, 0xE0, 0xF0, 0xC0, 0x84, 0x22, 0x86, 0x88)),
    st.binary(max_size=30),
    st.integers(0, 0xFFFF),
)
def test_no_instruction_changes_an_issued_card_without_a_channel(ins: int, data: bytes, p1p2: int) -> None:
    memory = Memory(life_cycle=LifeCycle.OPERATIONAL, files={0x011C: bytearray(EF_CARD_ACCESS)})
    before = memory.to_json() | {"sequence": 0}
    card = Card(memory)
    command = Command(0x80 if ins in (0x50, 0xD8, 0xF0) else 0x84 if ins == 0x82 else 0, ins, p1p2 >> 8, p1p2 & 0xFF)
    card.transmit(command.header + bytes((len(data),)) + data)
    assert memory.to_json() | {"sequence": 0} == before
