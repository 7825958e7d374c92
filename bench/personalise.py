"""How long does a card take to be written, beside the same octets sent raw through the same reader?

The reader is the real pcscd's, the card the firmware model, our way to it the encoder. Raw: UPDATE BINARY without a
channel, in the longest commands that the block allows; the card refuses them, after they were carried. Wires: as fast
as it goes, where an exchange takes 0.1 to 0.3 ms, all of it CPU time of four processes, and their number decides; and
with the pace of real ones. What of the ratio is the number of exchanges that a card takes, and what is ours, the last
two columns tell: as many commands as ours, as long as each of them, sent raw and refused. Prints a table and writes
JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import click
from rich.table import Table

from bench.card_plans import card_keys, card_plan
from bench.console import bench_console
from drivers.card.pcsc_encoder import PcscEncoder
from drivers.spi import CancelToken, HeldCard
from enrollment.core.chip.apdu import MAX_SHORT_DATA, Command, Response
from enrollment.core.chip.personalisation import personalise
from enrollment.core.chip.personalisation_plan import CardPlan

WAIT_S: Final = 10.0
SIZES: Final = {"EF.DG2": 20_000, "EF.DG3": 16_000, "EF.SOD": 2_400}
OTHERS: Final = 160
SAME: Final = ("the same exchanges raw, s", "ours / these")


@dataclass(frozen=True, slots=True)
class Wire:
    """A pace. exchange_ms: of each exchange. octets_per_s: None for no time."""

    name: str
    exchange_ms: float
    octets_per_s: int | None

    @property
    def options(self) -> list[str]:
        """Of the card model."""
        rate = [] if self.octets_per_s is None else ["--octets-per-s", str(self.octets_per_s)]
        return ["--exchange-ms", str(self.exchange_ms), *rate]


WIRES: Final = (
    Wire("as fast as it goes", 0.0, None),
    Wire("contactless, 424 kbit/s", 3.0, 47_000),
    Wire("contact, 230 kbit/s", 2.0, 19_000),
)


@contextlib.contextmanager
def process(*arguments: str) -> Iterator[dict[str, Any]]:
    """One of our models, until it is let go."""
    command = [sys.executable, "-m", "firmware_stubs", *arguments, "--until-stdin-closes"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as model:
        assert model.stdout is not None
        yield json.loads(model.stdout.readline())


def raw_seconds(card: HeldCard, octets: bytes, block: int) -> tuple[float, int]:
    """Time and number of exchanges of sending them in UPDATE BINARY."""
    parts = [octets[at : at + block] for at in range(0, len(octets), block)]
    began = perf_counter()
    for part in parts:
        card.transmit(Command(0, 0xD6, 0, 0, part).encode())
    return perf_counter() - began, len(parts)


def our_seconds(card: HeldCard, wanted: CardPlan, block: int) -> tuple[float, list[int]]:
    """Time of writing a card, and octets of each command."""
    lengths = []

    def encoded(command: Command) -> bytes:
        octets = command.encode()
        lengths.append(len(octets))
        return octets

    def transmit(command: Command) -> Response:
        return Response.decode(card.transmit(encoded(command)))

    def transmit_each(commands: Iterable[Command]) -> Iterator[Response]:
        return map(Response.decode, card.transmit_each(map(encoded, commands)))

    provider = card_keys(os.urandom(16))
    began = perf_counter()
    personalise(transmit, wanted, provider, block=block, challenge_source=os.urandom, transmit_each=transmit_each)
    return perf_counter() - began, lengths


def same_seconds(card: HeldCard, lengths: list[int]) -> float:
    """Time of commands of these lengths, which the card refuses."""
    commands = [Command(0, 0xD6, 0, 0, _filling(length)).encode() for length in lengths]
    began = perf_counter()
    for command in commands:
        card.transmit(command)
    return perf_counter() - began


def _filling(length: int) -> bytes:
    """Data with which a command has so many octets, at the least those of a header and one."""
    short = max(length - 5, 1)
    return bytes(short if short <= MAX_SHORT_DATA else length - 7)


def measure(gate: str, wire: Wire, blocks: list[int], rounds: int) -> list[dict[str, Any]]:
    """A row a block: medians over the rounds, each a card of its own."""
    wanted, found = card_plan(SIZES, OTHERS, os.urandom), []
    octets = b"".join(wanted.files.values())
    for block in blocks:
        taken, most = [], block
        with process("card", "--gate", gate, "--control-port", "0", "--slots", str(rounds), *wire.options):
            for slot in range(rounds):
                encoder = PcscEncoder(f"pcsc:Card Model {slot // 2} 00 {slot % 2:02}")
                encoder.open()
                try:
                    with encoder.hold(timeout_s=WAIT_S, cancel=CancelToken()) as card:
                        most = min(most, card.block)
                        raw_seconds(card, octets, most)
                        raw, raw_count = raw_seconds(card, octets, most)
                        ours, lengths = our_seconds(card, wanted, most)
                        taken.append((raw, raw_count, ours, len(lengths), same_seconds(card, lengths)))
                finally:
                    encoder.close()
        raw, raw_count, ours, count, same = (statistics.median(column) for column in zip(*taken, strict=True))
        row = {"wire": wire.name, "block": most, "octets": len(octets), "raw_s": raw, "raw_exchanges": raw_count}
        ratio = statistics.median(ours / raw for raw, _, ours, _, _ in taken)
        over_same = statistics.median(ours / same for _, _, ours, _, same in taken)
        row |= {"personalise_s": ours, "exchanges": count, "ratio": ratio}
        found.append(row | {"same_exchanges_s": same, "over_same_exchanges": over_same})
    return found


@click.command()
@click.option("--rounds", type=click.IntRange(1, 16), default=6, show_default=True, help="Cards a row.")
@click.option("--block", "blocks", type=click.IntRange(128, 65_535), multiple=True, default=(255, 1024, 4096, 32_768))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("bench-results"))
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON on standard output.")
def main(rounds: int, blocks: tuple[int, ...], out: Path, as_json: bool) -> None:
    """Measure writing a card beside sending its octets raw, in one run."""
    found = []
    with (
        tempfile.TemporaryDirectory() as folder,
        process("pcscd", "--folder", str(Path(folder, "pcsc")), "--readers", str(-(-rounds // 2))) as told,
    ):
        os.environ.update(told["environment"])
        for wire in WIRES:
            found += measure(told["gate"], wire, list(blocks), rounds)
    out.mkdir(parents=True, exist_ok=True)
    (out / "personalise.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    if as_json:
        click.echo(json.dumps(found))
        return
    title = f"Writing a card of {found[0]['octets']} octets, beside sending them raw"
    table = Table("wire", "block", "raw, s", "exchanges", "ours, s", "exchanges", "ours / raw", *SAME, title=title)
    for row in found:
        table.add_row(
            row["wire"],
            str(row["block"]),
            f"{row['raw_s']:.4f}",
            f"{row['raw_exchanges']:.0f}",
            f"{row['personalise_s']:.4f}",
            f"{row['exchanges']:.0f}",
            f"{row['ratio']:.2f}",
            f"{row['same_exchanges_s']:.4f}",
            f"{row['over_same_exchanges']:.2f}",
        )
    bench_console().print(table)


if __name__ == "__main__":
    main()
