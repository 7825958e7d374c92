"""Reads a list of cards as the centre sends it, CSV or JSON (docs/card-ledger.md). Bounded, and typed in its errors.

    # batch: 2026-11-27-01                            {"batch_id": "2026-11-27-01", "sha256": "9f86...", "cards": [
    # sha256: 9f86...                                     {"card_number": "4A01B2C3D4", "dossier_id": "019ac0e2-..."},
    card_number,dossier_id                                ...
    4A01B2C3D4,019ac0e2-...                           ]}

A column, or key, `point` may follow. Batch and digest may be left out of both. Spreadsheets write semicolons for commas
in some languages, fill the lines above the columns with them, and leave empty rows: none of it changes the list. A row
that names no card or no dossier is a row all the same: what becomes of it is for the ledger to say.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from enrollment.core.dossier.card_batch import MAX_FIELD, MAX_ROWS, CardArrival, CardBatchMalformed

MAX_LIST_BYTES: Final = 64 * 1024 * 1024
COLUMNS: Final = ("card_number", "dossier_id", "point")


@dataclass(frozen=True, slots=True)
class CardList:
    """A list as it was read. batch_id, sha256: "" where the file does not say."""

    rows: tuple[CardArrival, ...]
    batch_id: str = ""
    sha256: str = ""


def read_card_list(data: bytes) -> CardList:
    """Read a list, JSON where it begins with a brace, else CSV. Raises CardBatchMalformed."""
    if len(data) > MAX_LIST_BYTES:
        raise CardBatchMalformed(f"a list of {len(data)} bytes; at most {MAX_LIST_BYTES}", size_bytes=len(data))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CardBatchMalformed("the list is not UTF-8 text", offset=error.start) from error
    found = _from_json(text) if text.lstrip().startswith("{") else _from_csv(text)
    if not found.rows:
        raise CardBatchMalformed("the list has no rows")
    return found


def _from_csv(text: str) -> CardList:
    told = {"batch": "", "sha256": ""}
    lines = io.StringIO(text, newline="")
    at = lines.tell()
    while (line := lines.readline()).startswith("#"):
        name, _, value = line[1:].partition(":")
        if name.strip() in told:
            told[name.strip()] = value.strip().rstrip(",; ")
        at = lines.tell()
    lines.seek(at)
    delimiter = ";" if ";" in line and "," not in line else ","
    return CardList(tuple(_csv_rows(lines, delimiter)), told["batch"], told["sha256"].lower())


def _csv_rows(lines: io.StringIO, delimiter: str) -> Iterator[CardArrival]:
    reader = csv.reader(lines, strict=True, delimiter=delimiter)
    try:
        header = tuple(name.strip().lower() for name in next(reader, []))
        if header[:1] != COLUMNS[:1] or header != COLUMNS[: len(header)]:
            raise CardBatchMalformed(f"the first line must name the columns {', '.join(COLUMNS)}, or the first of them")
        number = 0
        for fields in reader:
            if not any(map(str.strip, fields)):
                continue
            number += 1
            if len(fields) > len(header):
                raise CardBatchMalformed(f"row {number} has more fields than columns", row=number)
            yield _row(number, *fields)
    except csv.Error as error:
        raise CardBatchMalformed(f"the list is no CSV near line {reader.line_num}", line=reader.line_num) from error


def _from_json(text: str) -> CardList:
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CardBatchMalformed("the list is no JSON", line=getattr(error, "lineno", 0)) from error
    if not isinstance(table, dict) or not table.keys() <= {"batch_id", "sha256", "cards"}:
        raise CardBatchMalformed("the list must be an object of batch_id, sha256 and cards")
    batch_id, sha256, cards = table.get("batch_id", ""), table.get("sha256", ""), table.get("cards")
    if not isinstance(batch_id, str) or not isinstance(sha256, str) or not isinstance(cards, list):
        raise CardBatchMalformed("batch_id and sha256 must be text, cards an array")
    rows = []
    for number, card in enumerate(cards, 1):
        if not isinstance(card, dict) or not card.keys() <= set(COLUMNS):
            raise CardBatchMalformed(f"row {number} must be an object of {', '.join(COLUMNS)}", row=number)
        rows.append(_row(number, *(card.get(name, "") for name in COLUMNS)))
    return CardList(tuple(rows), batch_id, sha256.lower())


def _row(number: int, *fields: object) -> CardArrival:
    if number > MAX_ROWS:
        raise CardBatchMalformed(f"a list of more than {MAX_ROWS} rows", most=MAX_ROWS)
    texts = []
    for field in fields:
        if not isinstance(field, str) or len(field) > MAX_FIELD or not field.isprintable():
            raise CardBatchMalformed(
                f"row {number} has a field that is no printable text of at most {MAX_FIELD} characters", row=number
            )
        texts.append(field.strip())
    return CardArrival(*texts)
