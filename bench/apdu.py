"""What does our way to a card cost beside SCardTransmit itself?

The same commands go to the same slot of the same virtual reader, through the encoder (a process of its own, with a
limit for each command) and through pyscard's plain function in this process, turn by turn. The card is the firmware
model behind the real pcscd. Longest: the raw way with the longest command that the reader carries. Prints a table and
writes JSON.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import click
from rich.table import Table

from bench.console import bench_console
from drivers.card.pcsc_encoder import PcscEncoder
from drivers.spi import CancelToken

READER = "Card Model 0 00 00"
SHORT = bytes.fromhex("00A4020C02011C")  # SELECT of a file that is not there
LONGEST = 60_000  # octets; vpcd carries 65,535
WAIT_S = 10.0

Send = Callable[[bytes], bytes]


@contextlib.contextmanager
def readers(folder: Path, *, state: Path | None = None) -> Iterator[str]:
    """A pcscd with one reader, a card in it; yields the card's control port. state: of issued cards for both slots."""
    stub = [sys.executable, "-m", "firmware_stubs"]
    pcscd = [*stub, "pcscd", "--folder", str(folder), "--until-stdin-closes"]
    with subprocess.Popen(pcscd, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as daemon:
        told = json.loads(daemon.stdout.readline()) if daemon.stdout else {}
        os.environ.update(told["environment"])
        card = [*stub, "card", "--gate", told["gate"], "--control-port", "0", "--until-stdin-closes"]
        card += [] if state is None else ["--slots", "2", "--state", str(state)]
        with subprocess.Popen(card, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as model:
            yield json.loads(model.stdout.readline())["control"] if model.stdout else ""


@contextlib.contextmanager
def through_us(reader: str = READER) -> Iterator[tuple[Send, int]]:
    encoder = PcscEncoder(f"pcsc:{reader}")
    encoder.open()
    try:
        with encoder.hold(timeout_s=WAIT_S, cancel=CancelToken()) as card:
            yield card.transmit, card.block
    finally:
        encoder.close()


@contextlib.contextmanager
def raw(reader: str = READER) -> Iterator[Send]:
    scard: Any = importlib.import_module("smartcard.scard")
    _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    code, card, _ = scard.SCardConnect(context, reader, scard.SCARD_SHARE_EXCLUSIVE, scard.SCARD_PROTOCOL_T1)
    if code:
        raise click.ClickException(f"SCardConnect: {code & 0xFFFFFFFF:#010x}")

    def send(apdu: bytes) -> bytes:
        code, answer = scard.SCardTransmit(card, scard.SCARD_PCI_T1, list(apdu))
        if code:
            raise click.ClickException(f"SCardTransmit: {code & 0xFFFFFFFF:#010x}")
        return bytes(answer)

    try:
        yield send
    finally:
        scard.SCardDisconnect(card, scard.SCARD_UNPOWER_CARD)
        scard.SCardReleaseContext(context)


def write(length: int) -> bytes:
    """A command with so much data that does no harm: SELECT by a name that no application has."""
    return bytes.fromhex("00A4040C00") + length.to_bytes(2) + bytes(length)


def read(length: int) -> bytes:
    return bytes.fromhex("00B0000000") + length.to_bytes(2)


def seconds(send: Send, apdu: bytes, count: int) -> float:
    """An exchange's median time."""
    taken = []
    for _ in range(count):
        began = perf_counter()
        send(apdu)
        taken.append(perf_counter() - began)
    return statistics.median(taken)


def answer_reads_with(control: str, length: int) -> None:
    order = {"kind": "answer", "ins": 0xB0, "bytes": "AB" * length + "9000", "times": 1_000_000}
    for method, body in (("DELETE", None), ("PUT", json.dumps(order).encode())):
        request = urllib.request.Request(f"{control}/fault", data=body, method=method)  # noqa: S310 - loopback
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310


def measure(control: str, rounds: int, count: int) -> dict[str, Any]:
    """Median seconds of an exchange: {way: {command: s}}, and the block."""
    taken: dict[str, dict[str, list[float]]] = {"ours": {}, "raw": {}, "longest": {}}
    blocks: set[int] = set()

    def note(way: str, command: str, send: Send, apdu: bytes, times: int) -> None:
        taken[way].setdefault(command, []).append(seconds(send, apdu, times))

    for _ in range(rounds):
        with through_us() as (send, octets):
            blocks.add(octets)
            note("ours", "short", send, SHORT, count)
            note("ours", "write", send, write(octets), count // 4)
            answer_reads_with(control, octets)
            note("ours", "read", send, read(octets), count // 4)
        with raw() as send:
            note("raw", "short", send, SHORT, count)
            note("raw", "write", send, write(octets), count // 4)
            note("raw", "read", send, read(octets), count // 4)
            note("longest", "write", send, write(LONGEST), count // 16)
            answer_reads_with(control, LONGEST)
            note("longest", "read", send, read(LONGEST), count // 16)
    medians = {way: {command: statistics.median(s) for command, s in of.items()} for way, of in taken.items()}
    if len(blocks) > 1:
        raise click.ClickException(f"the block changed from round to round: {blocks}")
    (block,) = blocks
    return {"block": block, "longest": LONGEST, "seconds": medians}


def figures(measured: dict[str, Any]) -> dict[str, Any]:
    """Rates, and ours over raw: 1 is no loss."""
    s, block = measured["seconds"], measured["block"]
    rates = {
        "apdu_per_s": {way: 1 / s[way]["short"] for way in ("ours", "raw")},
        **{
            f"{command}_mb_per_s": {
                "ours": block / s["ours"][command] / 1e6,
                "raw": block / s["raw"][command] / 1e6,
                "longest": measured["longest"] / s["longest"][command] / 1e6,
            }
            for command in ("write", "read")
        },
    }
    ratios = {name: rate["ours"] / rate["raw"] for name, rate in rates.items()}
    added = {command: 1e6 * (s["ours"][command] - s["raw"][command]) for command in s["ours"]}
    return {"block": block, "rates": rates, "ours_over_raw": ratios, "added_us": added}


@click.command()
@click.option("--rounds", type=click.IntRange(1, 100), default=7, show_default=True)
@click.option("--count", type=click.IntRange(16, 100_000), default=800, show_default=True, help="Exchanges a round.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("bench-results"))
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON on standard output.")
def main(rounds: int, count: int, out: Path, as_json: bool) -> None:
    """Measure exchanges with a card, through our encoder and raw, in one run."""
    with tempfile.TemporaryDirectory() as folder, readers(Path(folder, "pcsc")) as control:
        found = figures(measure(control, rounds, count))
    out.mkdir(parents=True, exist_ok=True)
    (out / "apdu.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    if as_json:
        click.echo(json.dumps(found))
        return
    title = f"Exchanges with a card: {found['block']} octets a command, longest {LONGEST}"
    table = Table("", "encoder", "raw SCardTransmit", "encoder / raw", "raw, longest", "added, us", title=title)
    names = {"apdu_per_s": ("APDU/s, 7 octets", "short")}
    names |= {f"{way}_mb_per_s": (f"MB/s, {way}", way) for way in ("write", "read")}
    for name, (label, command) in names.items():
        rate = found["rates"][name]
        longest = f"{rate['longest']:.1f}" if "longest" in rate else ""
        added = f"{found['added_us'][command]:.0f}"
        table.add_row(
            label,
            *(f"{rate[way]:.1f}" for way in ("ours", "raw")),
            f"{found['ours_over_raw'][name]:.2f}",
            longest,
            added,
        )
    bench_console().print(table)


if __name__ == "__main__":
    main()
