"""How lines for people are broken."""

from __future__ import annotations

import io

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
