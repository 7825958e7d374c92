"""How well are slaps segmented, read as a hand and checked against rolled prints, and how fast?

`python -m bench.slap [--data DIR]`. Slaps and rolled prints are synthetic, with exact truth; their hands are drawn from
the tables of anthropometry that the reading of a hand also rests on, so its figures are an upper bound. With --data the
sequence check is tried on public sets as well: ten fingers of eight impressions stand for a person (`sequence_trials`).
"""

from __future__ import annotations

import bench.one_thread  # noqa: F401 - it must come before numpy

# isort: split

import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import click
import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.print_sets import find_sets
from bench.sequence_trials import (
    POSITIONS,
    Outcomes,
    PrintTable,
    session_prints,
    session_rolled,
    synthetic_sessions,
    try_public,
    try_session,
)
from bench.slap_cases import CASES, Case, draw_cases, judge
from bench.slap_pictures import draw_slaps
from enrollment.core.fingerprint import (
    FingerprintImage,
    FingerprintTemplate,
    SlapFindingKind,
    SlapKind,
    SlapSegmentation,
    check_sequence,
    extract,
    preview_slap,
    segment_slap,
)
from firmware_stubs.fingers.hand import draw_hands
from firmware_stubs.fingers.master import Master, make_master, person_finger_seed
from firmware_stubs.fingers.noise import stream
from firmware_stubs.fingers.platen import draw_platen, see
from firmware_stubs.fingers.rolled import unroll

PREVIEW_LIMIT_MS: Final = 66.0  # 15 frames a second; 100 is what must be reached
WIDTH: Final = 170  # of the tables in a file
BARE_PLATENS: Final = 40
MOST_FOR_TWO_DECIMALS: Final = 10_000  # trials; of more, a bound in two would be 0
SESSIONS_A_PERSON: Final = 2
SEGMENTATION_ROWS: Final = (
    ("fingers", "fingers segmented"),
    ("slaps", "slaps with all fingers segmented"),
    ("hand", "hand named right"),
    ("hand doubted", "hand doubted"),
    ("extra", "more fingers found than a hand has"),
    ("missing", "missing finger named"),
    ("missing falsely", "finger falsely named missing"),
    ("outside", "finger over the edge named"),
    ("outside falsely", "finger falsely named over the edge"),
    ("touching", "touching fingers found"),
    ("touching falsely", "touching falsely found"),
)
SEQUENCE_ROWS: Final = (
    ("swapped", "two fingers swapped: named, with which"),
    ("swapped, noticed", "... none of them called a match"),
    ("repeated", "same finger twice: named, with which"),
    ("repeated, alarm", "... named with which, as repeated or swapped"),
    ("repeated, noticed", "... the second not called a match"),
    ("other hand", "another person's four fingers: named"),
    ("other hand, noticed", "... none of them called a match"),
    ("other thumbs", "another person's thumbs: named"),
    ("other thumbs, noticed", "... none of them called a match"),
    ("alarms", "false alarms, positions in order"),
    ("alarms beside", "false alarms, positions beside a swapped pair"),
    ("hands alarmed", "four fingers falsely called another's"),
    ("thumbs alarmed", "thumbs falsely called another's"),
    ("matches", "rolled against slap, in order: matches"),
    ("not sure", "rolled against slap, in order: not sure"),
)


def with_interval(outcomes: Outcomes, name: str, seed: int) -> str:
    """Write a share with its counts and its 95 % interval over fingers; a bound where nothing, or all, happened."""
    count, of = outcomes.count(name)
    text = share({name: count, f"{name} of": of}, name)
    if not 0 < count < of:
        return text
    bounds = outcomes.interval(name, np.random.default_rng(seed))
    return f"{text}, {100 * bounds.low:.2f}..{100 * bounds.high:.2f}"


def share(tally: Mapping[str, int], name: str) -> str:
    """Write a share with its counts; the 95 % bound by the rule of three where nothing, or all, happened."""
    count, of = tally[name], tally[f"{name} of"]
    if not of:
        return "-"
    text = f"{100 * count / of:.2f} % ({count}/{of})"
    decimals = 2 if of <= MOST_FOR_TWO_DECIMALS else 4
    if count == 0:
        return f"{text}, < {100 * 3 / of:.{decimals}f} %"
    return f"{text}, > {100 - 100 * 3 / of:.{decimals}f} %" if count == of else text


def measure_segmentation(
    people: Sequence[Mapping[int, Master]], count: int, seed: int, quiet: bool
) -> tuple[dict[str, Counter[str]], dict[str, list[tuple[Case, SlapSegmentation]]], dict[str, float]]:
    """Segment slaps of known truth: tallies by case, a few of each to look at, and times in ms."""
    tallies: dict[str, Counter[str]] = {name: Counter() for name in CASES}
    kept: dict[str, list[tuple[Case, SlapSegmentation]]] = {name: [] for name in CASES}
    times: dict[str, list[float]] = {"preview": [], "segment": []}
    wrong: Counter[str] = Counter()
    for case in track(draw_cases(people, count, seed), "slaps", count, transient=True, disable=quiet):
        image = FingerprintImage(case.slap.pixels)
        for name, call in (("preview", preview_slap), ("segment", segment_slap)):
            began = perf_counter()
            call(image, case.kind)
            times[name].append(1000.0 * (perf_counter() - began))
        found = segment_slap(image, case.kind)
        tally = judge(case, found)
        tallies[case.name].update(tally)
        good = tally["slaps"] == 1
        if len([one for one in kept[case.name] if one[0].name == case.name]) < 2 or not good:
            kept[case.name].append((case, found))
        if min((finger.visible for finger in case.slap.fingers), default=0.0) > 0.6:
            wrong.update(_asked_for_others(image, case))
    tallies["wrong hand"] = wrong
    tallies["bare"] = _bare(seed)
    medians = {name: statistics.median(each) for name, each in times.items()}
    return tallies, kept, medians


def _asked_for_others(image: FingerprintImage, case: Case) -> Counter[str]:
    """Ask for the two hands that are not there."""
    complete = not case.slap.condition.missing
    name = "whole" if complete else "one missing"
    tally: Counter[str] = Counter()
    for asked in SlapKind:
        if asked is not case.kind:
            found = segment_slap(image, asked)
            kinds = {finding.kind for finding in found.findings}
            tally[f"{name} of"] += 1
            tally[name] += SlapFindingKind.WRONG_HAND in kinds and found.hand is case.kind
            tally[f"{name}, flagged of"] += 1
            tally[f"{name}, flagged"] += bool(
                kinds & {SlapFindingKind.WRONG_HAND, SlapFindingKind.HAND_UNCERTAIN, SlapFindingKind.TOO_MANY_FINGERS}
            )
    return tally


def _bare(seed: int) -> Counter[str]:
    """Look at platens without a hand: light, dirt and noise."""
    tally: Counter[str] = Counter()
    for number in range(BARE_PLATENS):
        random = stream(seed, "bare", number)
        pixels = see(random, np.zeros((1500, 1600), np.float32), draw_platen(random))
        found = segment_slap(FingerprintImage(pixels), SlapKind.RIGHT_FOUR)
        tally.update({"nothing of": 1, "nothing": not found.fingers})
    return tally


def measure_sequence(
    people: Sequence[Mapping[int, Master]], draws: int, seed: int, quiet: bool
) -> tuple[Outcomes, dict[str, float]]:
    """Check sessions of synthetic people: what came of them, and times in ms."""
    hands = [draw_hands(seed * 1000 + number) for number in range(len(people))]
    templates: list[FingerprintTemplate] = []
    fingers: list[int] = []
    prints: list[list[dict[int, int]]] = []
    rolled: list[list[dict[int, int]]] = []

    def keep(person: int, taken: Mapping[int, FingerprintTemplate]) -> dict[int, int]:
        first = len(templates)
        templates.extend(taken.values())
        fingers.extend(len(POSITIONS) * person + position for position in taken)
        return {position: first + row for row, position in enumerate(taken)}

    for number in track(range(len(people)), "sessions", transient=True, disable=quiet):
        shapes = {position: unroll(master) for position, master in people[number].items()}
        rolled.append(
            [keep(number, session_rolled(shapes, hands[number], one)) for one in range(SESSIONS_A_PERSON + 1)]
        )
        prints.append(
            [keep(number, session_prints(people[number], hands[number], one)) for one in range(SESSIONS_A_PERSON)]
        )
    table = PrintTable.of(templates, fingers)
    random = np.random.default_rng(seed)
    outcomes = Outcomes()
    for session in synthetic_sessions(prints, rolled):
        outcomes.extend(try_session(table, session, random, draws), 0)
    one, other = ({position: templates[row] for position, row in side[0][0].items()} for side in (prints, rolled))
    return outcomes, {"check": _median_ms(partial(check_sequence, one, other), 5)}


def measure_public(data: Path, sessions: int, draws: int, seed: int, quiet: bool) -> dict[str, Outcomes]:
    """Check sessions made of public sets, and all of them together."""
    found, together, fingers = {}, Outcomes(), 0
    for prints in track(find_sets(data, None), "public sets", transient=True, disable=quiet):
        found[prints.name] = try_public(prints, np.random.default_rng(seed), sessions, draws)
        together.extend(found[prints.name], fingers)
        fingers += int(prints.fingers.max()) + 1
    return {**found, "all public": together}


def measure_ten_prints(people: Sequence[Mapping[int, Master]], seed: int) -> dict[str, float]:
    """Time the rolled extraction, and the whole of a ten-print session: three slaps, ten rolled prints, the check."""
    hands = draw_hands(seed)
    slaps = [next(case for case in draw_cases(people, len(CASES), seed) if case.kind is kind) for kind in SlapKind]
    images = [FingerprintImage(case.slap.pixels) for case in slaps]
    fingers = {position: unroll(master) for position, master in people[0].items()}
    rolled = session_rolled(fingers, hands, 0)
    began = perf_counter()
    cut = {}
    for image, kind in zip(images, SlapKind, strict=True):
        found = segment_slap(image, kind)
        cut.update({finger.position: one for finger, one in zip(found.fingers, found.images, strict=True)})
    segmented = perf_counter()
    prints = {position: extract(image) for position, image in cut.items()}
    extracted = perf_counter()
    check_sequence(prints, rolled)
    ended = perf_counter()
    return {
        "three slaps": 1000.0 * (segmented - began),
        "ten slap fingers": 1000.0 * (extracted - segmented),
        "ten-print check, all": 1000.0 * (ended - began),
    }


def _median_ms(call: Any, times: int) -> float:
    taken = []
    for _ in range(times):
        began = perf_counter()
        call()
        taken.append(1000.0 * (perf_counter() - began))
    return statistics.median(taken)


def show(
    console: Console,
    tallies: Mapping[str, Counter[str]],
    sequence: Mapping[str, Outcomes],
    times: Mapping[str, float],
    seed: int,
) -> None:
    """Print the tables."""
    table = Table(title="segmentation")
    table.add_column("", no_wrap=True)
    total = sum((tallies[name] for name in CASES), Counter())
    for heading in (*CASES, "all"):
        table.add_column(heading, justify="right")
    for name, label in SEGMENTATION_ROWS:
        cells = [
            f"{one[name]}/{one[name + ' of']}" if one[name + " of"] else "-" for one in map(tallies.get, CASES) if one
        ]
        table.add_row(label, *cells, share(total, name))
    console.print(table)
    wrong = tallies["wrong hand"]
    for name in ("whole", "one missing"):
        console.print(
            f"asked for another hand, {name}: named {share(wrong, name)}; flagged {share(wrong, name + ', flagged')}"
        )
    console.print(f"bare platens, nothing found: {share(tallies['bare'], 'nothing')}")
    table = Table(title="sequence check; 95 % intervals over fingers")
    table.add_column("", no_wrap=True)
    shown = {heading: one for heading, one in sequence.items() if heading in {"synthetic", "all public"}}
    for heading in shown:
        table.add_column(heading, justify="right")
    for name, label in SEQUENCE_ROWS:
        table.add_row(label, *(with_interval(one, name, seed) for one in shown.values()))
    console.print(table)
    for name, taken in times.items():
        console.print(f"{name}: {taken:.1f} ms")
    ratio = times["preview"] / PREVIEW_LIMIT_MS
    console.print(f"preview takes {ratio:.2f} of the {PREVIEW_LIMIT_MS:.0f} ms that 15 frames a second leave")


@click.command()
@click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="public sets, as for fingerprint"
)
@click.option("--people", default=6, type=click.IntRange(2), show_default=True)
@click.option("--slaps", default=350, type=click.IntRange(len(CASES)), show_default=True)
@click.option("--draws", default=20, type=click.IntRange(1), show_default=True, help="swaps and repeats a session")
@click.option("--public-sessions", default=300, type=click.IntRange(1), show_default=True, help="of each public set")
@click.option("--seed", default=2, type=click.IntRange(0), show_default=True)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="slap.json in --out unless given")
@click.option("--out", default="bench-results", type=click.Path(file_okay=False, path_type=Path), show_default=True)
def main(
    data: Path | None,
    people: int,
    slaps: int,
    draws: int,
    public_sessions: int,
    seed: int,
    json_path: Path | None,
    out: Path,
) -> None:
    """Measure slap segmentation, the hand's reading, the preview and the sequence check."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    quiet = not console.is_terminal
    out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    drawn = [
        {position: make_master(person_finger_seed(seed * 100 + person, position)) for position in range(1, 11)}
        for person in track(range(people), "masters", transient=True, disable=quiet)
    ]
    tallies, kept, times = measure_segmentation(drawn, slaps, seed, quiet)
    draw_slaps(kept, out / "slap.png")
    times |= measure_ten_prints(drawn, seed)
    synthetic, more = measure_sequence(drawn, draws, seed, quiet)
    times |= more
    sequence = {"synthetic": synthetic}
    if data is not None:
        sequence |= measure_public(data, public_sessions, draws, seed, quiet)
    show(console, tallies, sequence, times, seed)
    report = {
        "segmentation": tallies,
        "sequence": {heading: {name: one.count(name) for name in one.happened} for heading, one in sequence.items()},
        "ms": times,
        "people": people,
        "slaps": slaps,
        "seed": seed,
    }
    path = json_path or out / "slap.json"
    path.write_text(json.dumps(report, indent=2) + "\n")
    console.print(f"written: {path}, {out / 'slap.png'}")


if __name__ == "__main__":
    main()
