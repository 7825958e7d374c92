"""Frozen dataclasses from the tables of a TOML file: keys and types are checked, and nothing unknown is passed over.

A misspelt limit must not silently become no limit. What a value may be, the dataclass says itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from functools import cache
from typing import Any, TypeVar, get_type_hints

from enrollment.core.errors import EnrollmentError

T = TypeVar("T")

_MOST_SHOWN = 64  # characters of a key that is not known


def build(kind: type[T], row: object, where: str, refusal: type[EnrollmentError], nested: Sequence[str] = ()) -> T:
    """Construct a dataclass from a table after checking its keys and the types of its plain values.

    nested: keys whose values are not plain, and were built before.
    Raises `refusal`, naming the key.
    """
    if not isinstance(row, Mapping):
        raise refusal(f"{where} must be a table", where=where)
    known, types = _shape(kind)  # type: ignore[arg-type]  # a type is hashable, whatever mypy says of type[T]
    for name, value in row.items():
        if name not in known:
            shown = str(name)[:_MOST_SHOWN]
            raise refusal(f"{where} has an unknown key {shown!r}", where=where, key=shown)
        if name not in nested and type(value) is not types[name]:
            raise refusal(f"{where}.{name} must be of type {types[name].__name__}", where=where, key=name)
    for name, field in known.items():
        if name not in row and field.default is MISSING:
            raise refusal(f"{where} has no {name}", where=where, key=name)
    return kind(**row)


def build_rows(kind: type[T], value: object, where: str, refusal: type[EnrollmentError]) -> tuple[T, ...]:
    """Construct a dataclass from each table of a list. Raises `refusal`."""
    if not isinstance(value, list):
        raise refusal(f"{where} must be a list of tables", where=where)
    return tuple(build(kind, row, where, refusal) for row in value)


@cache  # a plan is built with every dossier that is read, and resolving annotations takes most of the time
def _shape(kind: type[Any]) -> tuple[dict[str, Field[Any]], dict[str, type]]:
    return {field.name: field for field in fields(kind)}, get_type_hints(kind)
