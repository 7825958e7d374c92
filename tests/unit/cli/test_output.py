"""How lines for people are broken."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console

from enrollment.cli.output import Output

LABEL = "!! clock-sync   "
WORDS = "No sign that the clock is synchronised; it shows another day than the registry does."


def shown(width: int, *, soft_wrap: bool) -> list[str]:
    written = io.StringIO()
    Output(False, "en", Console(file=written, width=width, soft_wrap=soft_wrap)).item(LABEL, WORDS, "")
    return written.getvalue().splitlines()


def test_an_items_words_stay_beside_its_label() -> None:
    first, *more = shown(50, soft_wrap=False)
    assert first.startswith(LABEL)
    assert len(more) > 1
    assert all(line.startswith(" " * len(LABEL)) and len(line) <= 50 for line in more)
    assert " ".join(line[len(LABEL) :] for line in (first, *more)) == WORDS


def test_an_item_is_one_line_where_no_terminal_breaks_it() -> None:
    assert shown(50, soft_wrap=True) == [LABEL + WORDS]


def test_an_item_in_a_very_narrow_terminal_is_not_lost() -> None:
    assert "".join("".join(shown(24, soft_wrap=False)).split()) == "".join((LABEL + WORDS).split())


HEADINGS = (("Device", "Thiết bị"), ("State", "Trạng thái"), ("Problem", "Sự cố"), ("Address", "Địa chỉ"))
ROWS = [
    ("uru4000-fb0b9071-2e08-4c0b-9f0b-3d1a5e8c7a11", "ready", "", "usbip://192.168.10.10:3240/1-1"),
    ("camera-10.0.0.7-8080-video.mjpg", "detached", "", "http://10.0.0.7:8080/video.mjpg"),
]


def table(rows: Sequence[Sequence[str]], width: int, *, soft_wrap: bool = False) -> list[str]:
    written = io.StringIO()
    Output(False, "en", Console(file=written, width=width, soft_wrap=soft_wrap)).table(HEADINGS, rows)
    return [line.rstrip() for line in written.getvalue().splitlines()]


def test_a_tables_column_that_nothing_stands_in_is_left_out() -> None:
    shown_to_all = "\n".join(table(ROWS, 200))
    assert "Problem" not in shown_to_all
    assert "Problem" in "\n".join(table([(*ROWS[0][:2], "DEVICE_GONE", ROWS[0][3])], 200))


def test_a_table_in_a_narrow_terminal_is_one_paragraph_a_row_without_a_broken_word() -> None:
    assert table(ROWS, 60) == [
        "uru4000-fb0b9071-2e08-4c0b-9f0b-3d1a5e8c7a11",
        "  State    ready",
        "  Address  usbip://192.168.10.10:3240/1-1",
        "camera-10.0.0.7-8080-video.mjpg",
        "  State    detached",
        "  Address  http://10.0.0.7:8080/video.mjpg",
    ]


def test_a_table_that_no_terminal_shows_has_one_line_a_row() -> None:
    lines = table(ROWS, 80, soft_wrap=True)
    assert all(any(all(cell in line for cell in row) for line in lines) for row in ROWS)


def test_a_table_without_rows_shows_its_headings() -> None:
    assert "Problem" in "\n".join(table([], 120))


def test_a_terminal_does_not_obey_what_a_device_says() -> None:
    written = io.StringIO()
    out = Output(False, "en", Console(file=written, width=200))
    out.say("serial \x1b[2J\u202e", "")
    out.item("label ", "two\x1b]0;title\x07", "")
    out.table(HEADINGS, [("a\x1b[31m", "b", "", "")])
    assert not set(written.getvalue()) & set("\x1b\x07\u202e")
