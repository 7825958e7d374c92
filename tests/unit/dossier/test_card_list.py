"""Lists of cards as files: both forms say the same, hostile ones get a typed error that names the row."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.dossier.card_batch import MAX_FIELD, MAX_ROWS, CardArrival, CardBatchMalformed, batch_digest
from enrollment.core.dossier.card_list import read_card_list

DOSSIER = "019ac0e2-5b1e-7c11-8f00-1f2e3d4c5b6a"
CSV = f"""# batch: 2026-11-27-01
# sha256: {"AB" * 32}
card_number,dossier_id
4A01B2C3D4,{DOSSIER}

4A01B2C3D5,
"""


def test_csv_and_json_of_the_same_list_are_the_same() -> None:
    rows = [{"card_number": "4A01B2C3D4", "dossier_id": DOSSIER}, {"card_number": "4A01B2C3D5"}]
    table = {"batch_id": "2026-11-27-01", "sha256": "ab" * 32, "cards": rows}
    from_csv, from_json = read_card_list(CSV.encode()), read_card_list(json.dumps(table).encode())
    assert from_csv == from_json
    assert from_csv.rows == (CardArrival("4A01B2C3D4", DOSSIER), CardArrival("4A01B2C3D5"))
    assert (from_csv.batch_id, from_csv.sha256) == ("2026-11-27-01", "ab" * 32)


def test_spreadsheets_ends_of_lines_and_marks_change_nothing() -> None:
    windows = b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode()
    assert read_card_list(windows) == read_card_list(CSV.encode())
    saved = CSV.replace("2026-11-27-01", "2026-11-27-01,").replace("\n\n", "\n,\n") + ",\n"
    assert read_card_list(saved.encode()) == read_card_list(CSV.encode())
    assert read_card_list(saved.replace(",", ";").encode()) == read_card_list(CSV.encode())
    quoted = f'card_number,dossier_id,point\r\n"4A01B2C3D4", {DOSSIER} ,T-1\r\n'
    assert read_card_list(quoted.encode()).rows == (CardArrival("4A01B2C3D4", DOSSIER, "T-1"),)


def test_digest_is_what_the_documentation_says() -> None:
    lines = f'["4A01B2C3D4","{DOSSIER}",""]\n["\\u0110","","T-1"]\n'
    rows = [CardArrival("4A01B2C3D4", DOSSIER), CardArrival("Đ", "", "T-1")]
    assert batch_digest(rows) == hashlib.sha256(lines.encode()).digest()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "card_number\n",
        "card,dossier\nA,B\n",
        "card_number,dossier_id\nA,B,C\n",
        'card_number\n"unfinished\n',
        f"card_number\n{'A' * (MAX_FIELD + 1)}\n",
        "card_number\nA\x00B\n",
        "{",
        "[" * 100_000,
        "{" * 100_000,
        '{"cards": {}}',
        '{"cards": []}',
        '{"cards": [1]}',
        '{"cards": [{"card_number": 5}]}',
        '{"cards": [{"number": "5"}]}',
        '{"cards": [{"card_number": "5"}], "more": 1}',
        '{"cards": [{"card_number": "5"}], "batch_id": 7}',
        '{"cards": [{"card_number": "' + "A" * (MAX_FIELD + 1) + '"}]}',
    ],
)
def test_what_is_no_list_is_refused_with_a_type(text: str) -> None:
    with pytest.raises(CardBatchMalformed):
        read_card_list(text.encode())


def test_other_encodings_and_endless_lists_are_refused() -> None:
    with pytest.raises(CardBatchMalformed, match="UTF-8"):
        read_card_list("card_number\n4A01\n".encode("utf-16"))
    with pytest.raises(CardBatchMalformed, match="more than"):
        read_card_list(b"card_number\n" + b"A\n" * (MAX_ROWS + 1))


def test_a_refusal_names_the_row_and_shows_nothing_of_it() -> None:
    with pytest.raises(CardBatchMalformed) as refusal:
        read_card_list(b"card_number,dossier_id\nA,B\n001099000001,B,SECRET\n")
    assert refusal.value.facts == {"row": 2}
    assert "SECRET" not in str(refusal.value)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_a_list_or_a_typed_refusal(data: bytes) -> None:
    for start in (b"", b"card_number,dossier_id\n", b'{"cards": ['):
        try:
            read_card_list(start + data)
        except CardBatchMalformed:
            continue
