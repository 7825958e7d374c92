"""What does a card cost through the daemon, beside its octets sent raw through the same reader?

A station's daemon writes the cards of real dossiers: contents made and signed, sealed in the store, written, read back
and verified as a border reader does, entered into the ledger. Turn by turn another card in the next slot of the same
reader is sent as many octets raw, and written by the core alone (`bench.personalise`). pcscd is the real one, the cards
are models. Each reader is another model to the encoder, which probes it once with the longest command: on a slow wire
most of the time before the first octet. Prints a table and writes JSON.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import uuid
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import click
from rich.table import Table

from bench.card_plans import card_plan
from bench.console import bench_console
from bench.personalise import OTHERS, WIRES, Wire, our_seconds, process, raw_seconds
from drivers.card.pcsc_encoder import PcscEncoder
from drivers.spi import CancelToken
from enrollment.cli import card_flow
from enrollment.cli.connection import Station, connect
from enrollment.cli.lease import held_lease
from enrollment.v1 import card_pb2, device_pb2
from tests.flow.cards.issuing_station import enroll, with_cards
from tests.flow.running_station import set_up

WAIT_S: Final = 10.0
CARDS_A_READER: Final = 2
STAGES: Final = ("make", "write", "verify", "personalise", "verify again")


class _Quiet:
    """A CardListener that hears nothing."""

    def progress(self, progress: card_pb2.CardProgress) -> None: ...

    def check(self, check: card_pb2.CardCheck) -> None: ...


def through_the_daemon(station: Station, dossier_id: str, encoder: str) -> dict[str, float]:
    """Seconds by stage of one card, and octets of its files."""
    row: dict[str, float] = {}
    with held_lease(station, encoder, client_name="bench") as lease:
        request = card_pb2.PersonaliseCardRequest(dossier_id=dossier_id, lease=lease, request_id=str(uuid.uuid4()))
        began = perf_counter()
        for event in station.cards.PersonaliseCard(request):
            now = perf_counter() - began
            match event.WhichOneof("event"):
                case "progress":
                    row.setdefault("make", now)
                    row["octets"] = float(event.progress.total_bytes)
                    row["written"] = now
                case "card":
                    row["personalise"] = now
    row["write"], row["verify"] = row["written"] - row["make"], row["personalise"] - row["written"]
    began = perf_counter()
    report = card_flow.verify(
        station, dossier_id=dossier_id, access_key="", encoder=encoder, profile="", listener=_Quiet()
    )
    if not report.verified:
        raise click.ClickException("a card does not verify")
    return row | {"verify again": perf_counter() - began}


def alone(slot: int, octets: int) -> dict[str, float]:
    """Seconds of as many octets, sent raw and written by the core alone, on the card of that slot."""
    half = (octets - 7 * OTHERS) // 2
    plan = card_plan({"EF.DG2": half, "EF.DG3": half}, OTHERS, os.urandom)
    content = b"".join(plan.files.values())
    encoder = PcscEncoder(f"pcsc:Card Model {slot // CARDS_A_READER} 00 {slot % CARDS_A_READER:02}")
    encoder.open()
    try:
        with encoder.hold(timeout_s=WAIT_S, cancel=CancelToken()) as card:
            raw_seconds(card, content, card.block)
            raw, _ = raw_seconds(card, content, card.block)
            ours, _ = our_seconds(card, plan, card.block)
    finally:
        encoder.close()
    return {"raw": raw, "core": ours}


def measure(rounds: int, wire: Wire) -> dict[str, Any]:
    """Medians over the cards, and their ratios to the raw octets of the same turn."""
    with tempfile.TemporaryDirectory(prefix="b") as name:
        home = Path(name)
        with process("pcscd", "--folder", str(home / "p"), "--readers", str(rounds)) as pcscd:
            os.environ.update(pcscd["environment"])
            slots = ("--slots", str(CARDS_A_READER * rounds))
            with process("card", "--gate", pcscd["gate"], "--control-port", "0", *slots, *wire.options):
                rows = _rows(home / "s", rounds)
    medians = {stage: statistics.median(row[stage] for row in rows) for stage in (*STAGES, "raw", "core")}
    ratios = {stage: statistics.median(row[stage] / row["raw"] for row in rows) for stage in ("write", "core")}
    return {"wire": wire.name, "cards": rounds, "octets": rows[0]["octets"], "seconds": medians, "over_raw": ratios}


def _rows(folder: Path, rounds: int) -> list[dict[str, float]]:
    station = with_cards(set_up(folder, ["pcsc:"], None))
    dossiers = [enroll(station, number % 2) for number in range(rounds)]
    daemon = station.daemon(dict(os.environ))
    daemon.start()
    rows = []
    try:
        with connect(station.socket, station.issue_token()) as client:
            kind = device_pb2.DEVICE_KIND_CARD_ENCODER
            listed = client.devices.ListDevices(device_pb2.ListDevicesRequest(kind=kind)).devices
            by_address = {device.address: device.device_id for device in listed}
            for number, dossier_id in enumerate(dossiers):
                encoder = by_address[f"pcsc:Card Model {number} 00 00"]
                row = through_the_daemon(client, dossier_id, encoder)
                rows.append(row | alone(CARDS_A_READER * number + 1, int(row["octets"])))
    finally:
        daemon.stop()
    return rows


@click.command()
@click.option("--cards", "rounds", type=click.IntRange(1, 8), default=8, show_default=True, help="Cards, each once.")
@click.option(
    "--wire",
    "wire_name",
    type=click.Choice([wire.name for wire in WIRES]),
    default=WIRES[-1].name,
    show_default=True,
    help="The pace of the card's wire.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("bench-results"))
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON on standard output.")
def main(rounds: int, wire_name: str, out: Path, as_json: bool) -> None:
    """Measure cards through the daemon beside their octets sent raw, in one run."""
    found = measure(rounds, next(wire for wire in WIRES if wire.name == wire_name))
    out.mkdir(parents=True, exist_ok=True)
    (out / "card_issue.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    if as_json:
        click.echo(json.dumps(found))
        return
    seconds = found["seconds"]
    title = f"{found['cards']} cards of {found['octets']:.0f} octets through the daemon, {found['wire']}; medians"
    table = Table("", "s", "over raw", title=title)
    names = {
        "raw": "the same octets sent raw",
        "core": "written by the core alone",
        "make": "until the first octet: contents, store, channel; reader probed",
        "write": "written",
        "verify": "read back, verified, in the ledger",
        "personalise": "PersonaliseCard, whole",
        "verify again": "VerifyCard, whole",
    }
    for stage, label in names.items():
        ratio = found["over_raw"].get(stage)
        table.add_row(label, f"{seconds[stage]:.3f}", "" if ratio is None else f"{ratio:.2f}")
    bench_console().print(table)


if __name__ == "__main__":
    main()
