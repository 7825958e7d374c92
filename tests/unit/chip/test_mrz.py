"""The machine readable zone: the examples of Doc 9303, names that do not fit, and no zone with a wrong digit."""

from __future__ import annotations

import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.chip.mrz import LINE, MachineReadableZone, check_digit, names_line
from enrollment.core.errors import MalformedRecord

# Doc 9303-5, appendix B
SPECIMEN = "I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<\n"
PARTS = st.lists(st.text("ABDEGN", min_size=1, max_size=14), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("characters", "digit"),
    [
        ("520727", "3"),
        ("AB2134<<<", "5"),
        ("L898902C3", "6"),
        ("740812", "2"),
        ("120415", "9"),
        ("ZE184226B<<<<<", "1"),
        ("", "0"),
    ],
)
def test_check_digit_is_that_of_the_published_examples(characters: str, digit: str) -> None:
    assert check_digit(characters) == digit


def test_specimen_of_doc_9303_is_read_and_written_alike() -> None:
    zone = MachineReadableZone.from_text(SPECIMEN)
    assert "\n".join((*zone.lines, "")) == SPECIMEN
    assert (zone.document_number, zone.birth, zone.sex, zone.expiry) == ("D23145890", "740812", "F", "120415")
    assert (zone.primary, zone.secondary, zone.may_be_truncated) == (("ERIKSSON",), ("ANNA", "MARIA"), False)
    octets = zone.encode()
    assert octets.startswith(bytes.fromhex("615d5f1f5a") + b"I<UTO")
    assert MachineReadableZone.decode(octets) == zone


def test_access_information_is_that_of_the_published_example() -> None:
    # number, birth and expiry of Doc 9303-11, appendix D
    text = "I<UTOL898902C<3<<<<<<<<<<<<<<<6908061F9406236UTO<<<<<<<<<<<2ERIKSSON<<ANNA<MARIA<<<<<<<<<<"
    assert MachineReadableZone.from_text(text).access_information == "L898902C<369080619406236"


@given(st.integers(0, 89), st.sampled_from(string.digits + string.ascii_uppercase + "<a\n"))
def test_no_changed_zone_passes_for_the_one_it_was(at: int, character: str) -> None:
    text = "".join(SPECIMEN.split())
    changed = text[:at] + character + text[at + 1 :]
    try:
        zone = MachineReadableZone.from_text(changed)
    except MalformedRecord:
        return
    assert "".join(zone.lines) == changed


@pytest.mark.parametrize("at", [5, 14, 30, 36, 38, 44, 59])
def test_changed_digit_breaks_a_check_digit(at: int) -> None:
    text = "".join(SPECIMEN.split())
    changed = text[:at] + str((int(text[at], 36) + 1) % 10) + text[at + 1 :]
    with pytest.raises(MalformedRecord, match="check digit"):
        MachineReadableZone.from_text(changed)


@pytest.mark.parametrize(
    "octets", [b"", b"\x61\x00", bytes.fromhex("61035f1f00"), b"\x61\x5d\x5f\x1f\x5a" + b"\xff" * 90]
)
def test_data_group_that_holds_no_zone_is_refused(octets: bytes) -> None:
    with pytest.raises(MalformedRecord):
        MachineReadableZone.decode(octets)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("document_number", "1234567890"),
        ("birth", "74081"),
        ("sex", "X"),
        ("names", "<A"),
        ("names", "A<<<B"),
        ("issuer", "V1M"),
        ("optional_2", "a"),
        ("document_code", "P<"),
    ],
)
def test_field_that_does_not_have_its_form_is_named(field: str, value: str) -> None:
    zone = MachineReadableZone.from_text(SPECIMEN)
    with pytest.raises(MalformedRecord) as caught:
        replace(zone, **{field: value})
    assert caught.value.facts["field"] == field


def test_no_field_shows_in_a_repr() -> None:
    zone = MachineReadableZone.from_text(SPECIMEN)
    assert not any(value in repr(zone) for value in ("D23145890", "740812", "ERIKSSON"))


@pytest.mark.parametrize(
    ("primary", "secondary", "line"),
    [
        ("NGUYEN", "VAN AN", "NGUYEN<<VAN<AN<<<<<<<<<<<<<<<<"),
        ("SUHARTO", "", "SUHARTO<<<<<<<<<<<<<<<<<<<<<<<"),
        # a long name of Doc 9303's own examples: the last position is a letter
        ("NILAVADHANANANDA", "CHAYAPA DEJTHAMRONG KRASUANG", "NILAVADHANANANDA<<CHAYAPA<DEJT"),
        # it would end behind a filler: the part before gives a letter for the next
        ("NILAVADHANANANDA", "CHAYAPADEJT KRASUANG", "NILAVADHANANANDA<<CHAYAPADEJ<K"),
        ("CONGHUYENTONNUTHINGOCDIEMQUYNH", "A", "CONGHUYENTONNUTHINGOCDIEMQU<<A"),
        ("CONGHUYENTONNUTHINGOCDIEMQUYNHNHU", "", "CONGHUYENTONNUTHINGOCDIEMQUYNH"),
    ],
)
def test_names_that_do_not_fit_are_cut_by_the_rules(primary: str, secondary: str, line: str) -> None:
    found = names_line(primary.split(), secondary.split())
    assert found == line
    assert len(found) == LINE


@given(PARTS, st.one_of(st.just([]), PARTS))
def test_names_of_any_length_make_a_line_that_is_read_again(primary: list[str], secondary: list[str]) -> None:
    line = names_line(primary, secondary)
    zone = replace(MachineReadableZone.from_text(SPECIMEN), names=line)
    assert len(line) == LINE
    assert all(full.startswith(part) for part, full in zip(zone.primary, primary, strict=False))
    assert all(full.startswith(part) for part, full in zip(zone.secondary, secondary, strict=False))
    assert bool(zone.secondary) == bool(secondary)
    if len("<".join(primary)) + 2 + len("<".join(secondary)) > LINE and secondary and max(map(len, secondary)) > 1:
        assert zone.may_be_truncated or len(zone.secondary) < len(secondary)
    elif len("<".join(primary)) + (2 + len("<".join(secondary)) if secondary else 0) <= LINE:
        assert (list(zone.primary), list(zone.secondary)) == (primary, secondary)
