"""Tries a whole table of faults and prints what recovered."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from tests.faults.scanner_matrix import Outcome

WIDTH = 16


class FaultRow(Protocol):
    """A fault of a table."""

    @property
    def kind(self) -> str: ...


class FaultCell(Protocol):
    """One fault of one driver in one step."""

    @property
    def driver(self) -> str: ...
    @property
    def row(self) -> FaultRow: ...
    @property
    def step(self) -> Enum: ...
    @property
    def lasting(self) -> bool: ...
    @property
    def expected(self) -> Outcome: ...


@dataclass(frozen=True, slots=True)
class Try:
    """One place of a cell. failure: what of the promises was not kept; "" where all were."""

    cell: FaultCell
    after: int
    failure: str = ""


Run = Callable[[Sequence[str]], Iterable[tuple[str, Iterable[Try]]]]
"""Of these drivers: cell after cell, how far that is, and its tries."""


def print_summary(program: str, about: str, drivers: Sequence[str], run: Run, letters: Mapping[Any, str]) -> None:
    """The command line of a table of faults. letters: of its steps."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=about)
    parser.add_argument("--driver", action="append", choices=drivers, default=None)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    names = [name for name in drivers if arguments.driver is None or name in arguments.driver]
    logging.getLogger("drivers").addHandler(logging.NullHandler())  # what they warn of is what is provoked here
    tries: list[Try] = []
    for progress, of_cell in run(names):
        print(f"\r{progress} ", end="", file=sys.stderr, flush=True)
        tries += of_cell
    print(file=sys.stderr)
    print(json.dumps(_as_json(tries), indent=1) if arguments.json else _as_table(tries, names, letters))
    raise SystemExit(int(any(tried.failure for tried in tries)))


def _as_json(tries: Sequence[Try]) -> dict[str, object]:
    return {
        "tried": len(tries),
        "recovered": sum(not tried.failure for tried in tries),
        "cells": [
            {
                "driver": tried.cell.driver,
                "fault": tried.cell.row.kind,
                "step": tried.cell.step.value,
                "lasting": tried.cell.lasting,
                "after": tried.after,
                "outcome": getattr(tried.cell.expected, "reason", getattr(tried.cell.expected, "value", "")),
                "failure": tried.failure,
            }
            for tried in tries
        ],
    }


def _as_table(tries: Sequence[Try], names: Sequence[str], letters: Mapping[Any, str]) -> str:
    kinds = list(dict.fromkeys(tried.cell.row.kind for tried in tries))
    sums: Counter[tuple[str, str]] = Counter()
    sound: Counter[tuple[str, str]] = Counter()
    struck: dict[tuple[str, str], set[Enum]] = {}
    for tried in tries:
        for kind in (tried.cell.row.kind, "all"):
            key = kind, tried.cell.driver
            sums[key] += 1
            sound[key] += not tried.failure
            struck.setdefault(key, set()).add(tried.cell.step)

    def entry(kind: str, name: str) -> str:
        key = kind, name
        if key not in sums:
            return "-"
        steps = "".join(letter for step, letter in letters.items() if step in struck[key])
        return f"{sound[key]}/{sums[key]}" + ("" if kind == "all" else f" {steps}")

    lines = ["fault".ljust(20) + "".join(name.rjust(WIDTH) for name in names)]
    lines += [kind.ljust(20) + "".join(entry(kind, name).rjust(WIDTH) for name in names) for kind in (*kinds, "all")]
    lines.append("recovered/tried, and in which steps: " + ", ".join(f"{v} {k.value}" for k, v in letters.items()))
    lines.append(f"{sum(not tried.failure for tried in tries)} of {len(tries)} recovered without a restart")
    lines += [f"{tried.cell} after {tried.after}: {tried.failure}" for tried in tries if tried.failure]
    return "\n".join(lines)
