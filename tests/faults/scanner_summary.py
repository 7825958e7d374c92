"""Tries the whole table of scanner_matrix.py and prints what recovered."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections import Counter

from tests.faults.scanner_bench import Try, running_models, try_cell
from tests.faults.scanner_matrix import SCANNERS, Scanner, Step, cells


def main() -> None:
    """Try the whole table and print what recovered: faults by drivers, the steps that each struck in."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.scanner_matrix", description=main.__doc__)
    parser.add_argument("--driver", action="append", choices=[scanner.driver for scanner in SCANNERS], default=None)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    scanners = [scanner for scanner in SCANNERS if arguments.driver is None or scanner.driver in arguments.driver]
    logging.getLogger("drivers").addHandler(logging.NullHandler())  # what they warn of is what is provoked here
    tries: list[Try] = []
    with running_models(scanners) as stubs:
        for scanner in scanners:
            wanted = list(cells(scanner))
            for number, cell in enumerate(wanted, start=1):
                print(f"\r{scanner.driver} {number}/{len(wanted)} ", end="", file=sys.stderr, flush=True)
                tries += try_cell(cell, stubs[scanner.model])
            print(file=sys.stderr)
    if arguments.json:
        print(json.dumps(_as_json(tries), indent=1))
    else:
        print(_as_table(tries, scanners))
    raise SystemExit(int(any(tried.failure for tried in tries)))


def _as_json(tries: list[Try]) -> dict[str, object]:
    return {
        "tried": len(tries),
        "recovered": sum(not tried.failure for tried in tries),
        "cells": [
            {
                "driver": tried.cell.scanner.driver,
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


def _as_table(tries: list[Try], scanners: list[Scanner]) -> str:
    names = [scanner.driver for scanner in scanners]
    kinds = list(dict.fromkeys(tried.cell.row.kind for tried in tries))
    letters = {Step.OPEN: "O", Step.CAPTURE: "C", Step.EMPTY: "E", Step.LIFT: "L", Step.STREAM: "S", Step.PLATEN: "P",
               Step.INDICATE: "I", Step.CLOSE: "X"}  # fmt: skip
    sums: Counter[tuple[str, str]] = Counter()
    sound: Counter[tuple[str, str]] = Counter()
    struck: dict[tuple[str, str], set[Step]] = {}
    for tried in tries:
        for kind in (tried.cell.row.kind, "all"):
            key = kind, tried.cell.scanner.driver
            sums[key] += 1
            sound[key] += not tried.failure
            struck.setdefault(key, set()).add(tried.cell.step)

    def entry(kind: str, name: str) -> str:
        key = kind, name
        if key not in sums:
            return "-"
        steps = "".join(letter for step, letter in letters.items() if step in struck[key])
        return f"{sound[key]}/{sums[key]}" + ("" if kind == "all" else f" {steps}")

    width = 16
    lines = ["fault".ljust(20) + "".join(name.rjust(width) for name in names)]
    lines += [kind.ljust(20) + "".join(entry(kind, name).rjust(width) for name in names) for kind in (*kinds, "all")]
    lines.append("recovered/tried, and in which steps: " + ", ".join(f"{v} {k.value}" for k, v in letters.items()))
    lines.append(f"{sum(not tried.failure for tried in tries)} of {len(tries)} recovered without a restart")
    lines += [f"{tried.cell} after {tried.after}: {tried.failure}" for tried in tries if tried.failure]
    return "\n".join(lines)
