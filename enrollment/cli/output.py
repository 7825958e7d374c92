"""How commands speak: rich text for people, in Vietnamese or English, or one JSON value a line for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from enrollment.terminal import harmless

NARROWEST = 20  # columns that a paragraph beside a label needs
WIDEST = 10_000  # columns; no table is


def plain_of(message: Message) -> dict[str, Any]:
    """A message as JSON has it; what is nought, false or empty is there too, for a program must not guess."""
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


@dataclass(frozen=True, slots=True)
class Output:
    """Where a command's words go. With as_json: people's text to standard error, values to standard output."""

    as_json: bool
    language: str
    console: Console

    @classmethod
    def make(cls, *, as_json: bool, language: str) -> Output:
        return cls(as_json, language, Console(stderr=as_json, highlight=False, soft_wrap=not sys.stdout.isatty()))

    def pick(self, en: str, vi: str) -> str:
        return vi if self.language == "vi" else en

    def say(self, en: str, vi: str, style: str = "") -> None:
        """One line for people; plain text, never markup."""
        self.console.print(escape(harmless(self.pick(en, vi))), style=style)

    def item(self, label: str, en: str, vi: str, style: str = "") -> None:
        """A label and what belongs to it, which stays beside the label where the terminal breaks its lines."""
        words = Text(harmless(self.pick(en, vi)))
        room = self.console.width - cell_len(label)
        narrow = self.console.soft_wrap or room < NARROWEST
        lines = [words] if narrow else list(words.wrap(self.console, room))
        for number, line in enumerate(lines):
            line.rstrip()
            self.console.print(Text(label if number == 0 else " " * cell_len(label)) + line, style=style)

    def value(self, value: Message | Mapping[str, Any] | Sequence[Any]) -> None:
        """The command's result for programs; silent without --json."""
        if not self.as_json:
            return
        plain = plain_of(value) if isinstance(value, Message) else value
        sys.stdout.write(json.dumps(plain, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def table(self, headings: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> None:
        """A table for people, one paragraph a row where the terminal is too narrow for its words; silent with --json.

        headings: (English, Vietnamese). A column that no row fills is left out.
        """
        if self.as_json:
            return
        filled = [number for number in range(len(headings)) if not rows or any(row[number] for row in rows)]
        titles = [self.pick(*headings[number]) for number in filled]
        cells = [[harmless(row[number]) for number in filled] for row in rows]
        table = Table(header_style="bold")
        for number, title in enumerate(titles):
            # An id that is cut off cannot be copied.
            table.add_column(title, overflow="fold", no_wrap=number == 0)
        for row in cells:
            table.add_row(*map(escape, row))
        measured = Measurement.get(self.console, self.console.options.update(max_width=WIDEST), table)
        if self.console.soft_wrap:  # nobody's terminal: a file, or another program
            Console(file=self.console.file, width=measured.maximum).print(table)
        elif measured.minimum <= self.console.width:
            self.console.print(table)
        else:
            self._paragraphs(titles, cells)

    def _paragraphs(self, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        label = max(map(cell_len, titles[1:]), default=0) + 1
        for first, *more in rows:
            self.console.print(Text(first), style="bold", soft_wrap=True)
            for title, cell in zip(titles[1:], more, strict=True):
                if cell:
                    self.item(f"  {set_cell_size(title, label)} ", cell, cell)
