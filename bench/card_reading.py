"""How long does it take to read a card and verify it, beside reading as many octets and no more?

A card of some 40 KB lies in the virtual reader of the real pcscd, another card has as many octets in one file that
anybody reads. Turn by turn the first is read and verified as a border reader does, through our encoder, and the second
read by plain SCardTransmit in pieces as large. Both again with pieces that fit short lengths. Times are split by what
the verification is at: getting in, reading, checks of what was read, active authentication, chip authentication.
Prints a table and writes JSON.
"""

from __future__ import annotations

import json
import secrets
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import click
from rich.table import Table

from bench.apdu import raw, readers, through_us
from bench.console import bench_console
from enrollment.core.chip.apdu import Command, Response
from enrollment.core.chip.card_profile import CardProfile, card_profile_from_table
from enrollment.core.chip.dg2_face import compress_portrait
from enrollment.core.chip.genuineness import ACTIVE_STEP, CHIP_STEP
from enrollment.core.chip.reading import LAST_SHORT_OFFSET
from enrollment.core.chip.verification import verify_card
from firmware_stubs.card.memory import LifeCycle, Memory, StateFile
from tests.unit.chip.issued_cards import CAN, TABLE, TRUST, ZONE, files_of, issued, person
from tests.unit.chip.signed_cards import NOW
from tests.unit.chip.test_dg2_face import scene

PORTRAIT_OCTETS: Final = 40_000
MUST_S, AIM_S = 1.0, 0.3
CARD, PLAIN = "Card Model 0 00 00", "Card Model 0 00 01"
SHORT_BLOCK: Final = 256
STAGES: Final = ("access", "reading", "checks", "active", "chip")
WAYS: Final = {"pace": CAN, "bac": ZONE}


def profile(way: str) -> CardProfile:
    """The built-in one with room for a larger portrait, and one way in."""
    files = [row | {"max_octets": 60_000} if row["name"] == "EF.DG2" else row for row in TABLE["files"]]
    return card_profile_from_table(TABLE | {"files": files, "access": TABLE["access"] | {"protocols": [way]}})


def cards(folder: Path) -> tuple[Path, int]:
    """State of a card of many octets, and of one that has as many in EF.CardAccess; how many."""
    face = compress_portrait(scene(grain=6), PORTRAIT_OCTETS)
    files = files_of(replace(person(), face=face), profile("pace"))
    octets = sum(len(content) for name, content in files.items() if name != "EF.DG3")
    plain = Memory(life_cycle=LifeCycle.OPERATIONAL, files={0x011C: bytearray(secrets.token_bytes(octets))})
    state = folder / "cards.json"
    StateFile(state).save([issued(files).card.memory, plain])
    return state, octets


@dataclass
class Taken:
    """Seconds by stage, and what went over the wire."""

    stages: dict[str, float]
    commands: int
    octets: int

    @property
    def seconds(self) -> float:
        return sum(self.stages.values())


def stage_of(step: str) -> str:
    named = {"access": "access", "passive authentication": "checks", ACTIVE_STEP: "active", CHIP_STEP: "chip"}
    return named.get(step, "reading")


def verified(way: str, block: int) -> Taken:
    """One card held, read and verified. Raises ClickException where it is not genuine."""
    commands = octets = 0
    stages = dict.fromkeys(STAGES, 0.0)
    with through_us(CARD) as (send, most):
        marks: list[tuple[str, float]] = []

        def transmit(command: Command) -> Response:
            nonlocal commands, octets
            sent = command.encode()
            answer = send(sent)
            commands, octets = commands + 1, octets + len(sent) + len(answer)
            return Response.decode(answer)

        report = verify_card(
            transmit,
            profile(way),
            WAYS[way],
            TRUST,
            now=NOW,
            chance=secrets.token_bytes,
            block=min(most, block),
            on_progress=lambda step, _done, _total: marks.append((step, perf_counter())),
        )
        marks.append(("", perf_counter()))
    if not report.is_verified:
        raise click.ClickException(f"the card does not verify: {[check.name for check in report.failed]}")
    for (step, began), (_, ended) in pairwise(marks):
        stages[stage_of(step)] += ended - began
    return Taken(stages, commands, octets)


def plainly_read(octets: int, block: int) -> float:
    """Seconds to read as many octets by SCardTransmit, in pieces of the block."""
    with raw(PLAIN) as send:
        if send(bytes.fromhex("00A4020C02011C")) != b"\x90\x00":
            raise click.ClickException("the card without secrets has no file")
        began = perf_counter()
        offset = 0
        while offset < octets:
            odd = offset > LAST_SHORT_OFFSET  # then the answer lies in 53, with at most 4 octets before it
            asked = min(block, octets - offset + (4 if odd else 0))
            is_short = asked <= SHORT_BLOCK
            le = bytes((asked & 0xFF,)) if is_short else asked.to_bytes(2)
            if odd:
                where = (b"\4" if is_short else b"\0\0\4") + b"\x54\x02" + offset.to_bytes(2)
                answer = send(b"\0\xb1\0\0" + where + le)
            else:
                answer = send(b"\0\xb0" + offset.to_bytes(2) + (b"" if is_short else b"\0") + le)
            if answer[-2:] not in (b"\x90\x00", b"\x62\x82") or len(answer) <= 6:
                raise click.ClickException(f"READ BINARY was answered {answer[-2:].hex()}")
            offset += len(answer) - 2 - ((2 + max(answer[1] - 0x80, 0)) if odd else 0)
        return perf_counter() - began


def measure(rounds: int, octets: int, block: int) -> dict[str, Any]:
    """Medians of all rounds, by both ways in, and of the plain reading."""
    plain: list[float] = []
    by_way: dict[str, list[Taken]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, taken in by_way.items():
            taken.append(verified(way, block))
        plain.append(plainly_read(octets, block))
    raw_s = statistics.median(plain)
    return {"raw_s": raw_s, "raw_mb_per_s": octets / raw_s / 1e6, **{w: summary(t, raw_s) for w, t in by_way.items()}}


def summary(taken: Sequence[Taken], raw_s: float) -> dict[str, Any]:
    seconds = statistics.median(one.seconds for one in taken)
    return {
        "seconds": seconds,
        "worst_s": max(one.seconds for one in taken),
        "over_raw": seconds / raw_s,
        "over_aim": seconds / AIM_S,
        "over_must": seconds / MUST_S,
        "stages": {stage: statistics.median(one.stages[stage] for one in taken) for stage in STAGES},
        "commands": taken[0].commands,
        "octets": taken[0].octets,
    }


@click.command()
@click.option("--rounds", type=click.IntRange(1, 1000), default=9, show_default=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("bench-results"))
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON on standard output.")
def main(rounds: int, out: Path, as_json: bool) -> None:
    """Measure a card's verification beside plain reading, in one run."""
    with tempfile.TemporaryDirectory() as folder:
        state, octets = cards(Path(folder))
        with readers(Path(folder, "pcsc"), state=state):
            with through_us(CARD) as (_, block):
                pass
            found: dict[str, Any] = {
                "card_octets": octets,
                "block": block,
                "extended": measure(rounds, octets, block),
                "short": measure(rounds, octets, SHORT_BLOCK),
            }
    out.mkdir(parents=True, exist_ok=True)
    (out / "card_reading.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    if as_json:
        click.echo(json.dumps(found))
        return
    title = f"A card of {octets} octets read and verified, ms (aim {1000 * AIM_S:.0f}, must {1000 * MUST_S:.0f})"
    heads = ("block", "way in", "all", "worst", "/ raw", "/ aim", *STAGES, "APDUs", "octets", "raw")
    table = Table(*heads, title=title)
    for kind, size in (("extended", block), ("short", SHORT_BLOCK)):
        for way in WAYS:
            row = found[kind][way]
            table.add_row(
                str(size),
                way,
                f"{1000 * row['seconds']:.0f}",
                f"{1000 * row['worst_s']:.0f}",
                f"{row['over_raw']:.1f}",
                f"{row['over_aim']:.2f}",
                *(f"{1000 * row['stages'][stage]:.1f}" for stage in STAGES),
                str(row["commands"]),
                str(row["octets"]),
                f"{1000 * found[kind]['raw_s']:.1f}",
            )
    bench_console().print(table)


if __name__ == "__main__":
    main()
