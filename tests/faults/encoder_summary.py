"""Tries the whole table of encoder_matrix.py and prints what recovered."""

from __future__ import annotations

import argparse
import json
import logging
import sys

from tests.faults.encoder_bench import Try, children, running_rig, try_all
from tests.faults.encoder_matrix import ROWS, Script, cells


def main() -> None:
    """Try the whole table and print what recovered: faults by scripts, and what each led to."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.encoder_matrix", description=main.__doc__)
    parser.add_argument("--fault", action="append", choices=[row.name for row in ROWS], default=None)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    rows = tuple(row for row in ROWS if arguments.fault is None or row.name in arguments.fault)
    logging.getLogger("drivers").addHandler(logging.NullHandler())  # what they warn of is what is provoked here
    wanted = list(cells(rows))
    done: list[Try] = []

    def tell(tried: Try) -> None:
        done.append(tried)
        print(f"\r{len(done)}/{len(wanted)} ", end="", file=sys.stderr, flush=True)

    with running_rig() as rig:
        tries = try_all(rig, wanted, tell)
    print(file=sys.stderr)
    left = len(children())
    print(json.dumps(_as_json(tries, left), indent=1) if arguments.json else _as_table(tries, left))
    raise SystemExit(int(left or any(tried.failure for tried in tries)))


def _as_json(tries: list[Try], left: int) -> dict[str, object]:
    return {
        "tried": len(tries),
        "recovered": sum(not tried.failure for tried in tries),
        "processes_left": left,
        "cells": [
            {
                "fault": tried.cell.row.name,
                "script": tried.cell.script.name.lower(),
                "exchange": tried.cell.at,
                "outcome": _outcome(tried),
                "failure": tried.failure,
            }
            for tried in tries
        ],
    }


def _outcome(tried: Try) -> str:
    expected = tried.cell.row.outcome
    return str(getattr(expected, "reason", "") or getattr(expected, "value", ""))


def _as_table(tries: list[Try], left: int) -> str:
    names = list(dict.fromkeys(tried.cell.row.name for tried in tries))
    lines = ["fault".ljust(38) + "".join(script.name.lower().rjust(10) for script in Script) + "  outcome"]
    for name in names:
        of_row = [tried for tried in tries if tried.cell.row.name == name]
        counts = ""
        for script in Script:
            here = [tried for tried in of_row if tried.cell.script is script]
            counts += f"{sum(not tried.failure for tried in here)}/{len(here)}".rjust(10)
        lines.append(f"{name.ljust(38)}{counts}  {_outcome(of_row[0])}")
    sound = sum(not tried.failure for tried in tries)
    lines.append(f"{sound} of {len(tries)} ended as said, and the next card worked; {left} processes left behind")
    lines += [f"{tried.cell}: {tried.failure}" for tried in tries if tried.failure]
    return "\n".join(lines)
