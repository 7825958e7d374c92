"""What is printed on the card, in its own data group: as public readers know it, and nothing that lies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.chip.dg13_identity import PrintedIdentity
from enrollment.core.errors import MalformedRecord

PERSON = PrintedIdentity(
    personal_number="001195000001",
    full_name="Nguyễn Thị Đượm",
    date_of_birth="02/09/1995",
    sex="Nữ",
    nationality="Việt Nam",
    issued="01/03/2024",
    father="Nguyễn Văn Ân",
    mother="Lê Thị Ước",
)
PLAIN = st.text("0123456789/", max_size=20)
TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
PEOPLE = st.builds(
    PrintedIdentity,
    personal_number=PLAIN.filter(bool),
    full_name=TEXT.filter(bool),
    date_of_birth=PLAIN.filter(bool),
    sex=TEXT,
    ethnicity=TEXT,
    residence=TEXT,
    expires=PLAIN,
    father=TEXT,
    mother=TEXT,
    spouse=TEXT,
    old_number=PLAIN,
    chip_number=PLAIN,
)


def file_of(items: str, start: str = "020101 0606 28d316010008") -> bytes:
    """EF.DG13 around items in hexadecimal, all shorter than 128 octets."""
    fields = bytes.fromhex(items)
    content = bytes.fromhex(start) + bytes((0x31, len(fields))) + fields
    return bytes((0x6D, len(content) + 2, 0x30, len(content))) + content


NUMBER = "3011 020101 130c" + b"001195000001".hex()
NAME = "300a 020102 0c05" + "Âu A".encode().hex()
BORN = "300f 020103 130a" + b"02/09/1995".hex()


def test_file_written_by_hand_is_read_in_any_order() -> None:
    person = PrintedIdentity.decode(file_of(BORN + NUMBER + NAME + "3006 020163 0c0178"))
    assert (person.personal_number, person.full_name, person.date_of_birth) == ("001195000001", "Âu A", "02/09/1995")
    assert person.encode() == file_of(NAME + BORN + NUMBER)  # the order of DER: shorter first


def test_person_comes_back_and_what_is_empty_is_left_out() -> None:
    octets = PERSON.encode()
    assert PrintedIdentity.decode(octets) == PERSON
    assert octets.count("Nguyễn".encode()) == 2
    assert bytes.fromhex("02010e") not in octets  # no spouse


@given(PEOPLE)
def test_any_person_comes_back(person: PrintedIdentity) -> None:
    assert PrintedIdentity.decode(person.encode()) == person


@given(st.integers(0, 400), st.integers(1, 255))
def test_changed_octet_is_read_as_another_value_or_refused(at: int, change: int) -> None:
    octets = bytearray(PERSON.encode())
    octets[at % len(octets)] ^= change
    try:
        PrintedIdentity.decode(bytes(octets))
    except MalformedRecord as error:
        assert error.facts  # noqa: PT017  (both outcomes are right; what is refused says where)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        file_of(""),  # nobody
        file_of(NUMBER + NAME),  # no date of birth
        file_of(NUMBER + NAME + BORN + BORN),  # one twice
        file_of(NUMBER + NAME + BORN, start="020102 0606 28d316010008"),  # version 2
        file_of(NUMBER + NAME + BORN, start="020101 0606 28d316010009"),  # another format
        file_of(NUMBER + NAME + BORN + "3006 020104 1601 78"),  # an IA5String
        file_of(NUMBER + NAME + BORN + "3006 020104 0c01 ff"),  # no UTF-8
        file_of(NUMBER + NAME + BORN + "3006 02010d 0c01 78"),  # parents that are no sequence
        file_of(NUMBER + NAME + BORN + "300b 02010e 3006 0c0178 0c0178"),  # two spouses
        file_of(NUMBER + NAME + BORN + "3003 020104"),  # no value
        file_of(NUMBER + NAME + BORN + "3007 02020104 0c0178"),  # a number of two octets
    ],
)
def test_file_that_lies_is_refused(octets: bytes) -> None:
    with pytest.raises(MalformedRecord):
        PrintedIdentity.decode(octets)


@pytest.mark.parametrize(
    ("field", "value"), [("residence", "x" * 2049), ("issued", "01-03-2024é"), ("marks", "\ud800")]
)
def test_value_that_does_not_fit_is_named_and_not_shown(field: str, value: str) -> None:
    with pytest.raises(MalformedRecord) as caught:
        PrintedIdentity(**{"personal_number": "1", "full_name": "a", "date_of_birth": "1", field: value})
    assert caught.value.facts["field"] == field
    assert value not in str(caught.value)


def test_no_field_shows_in_a_repr() -> None:
    assert "001195000001" not in repr(PERSON)
    assert "Nguyễn" not in repr(PERSON)
