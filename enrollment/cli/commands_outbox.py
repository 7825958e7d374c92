"""enrollctl outbox: where every package is."""

from __future__ import annotations

from itertools import islice

import click

from enrollment.cli import words
from enrollment.cli.connection import Station
from enrollment.cli.output import Output
from enrollment.cli.pages import pages
from enrollment.cli.session import with_station
from enrollment.v1 import outbox_pb2


@click.command()
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most this many.")
@click.option("--retry", metavar="PACKAGE", help="Try this package now.")
@with_station
def outbox(station: Station, out: Output, limit: int, retry: str | None) -> None:
    """Show the queue and the ledger: collected, sent, acknowledged."""
    if retry:
        station.outbox.RetryPackage(outbox_pb2.RetryPackageRequest(package_id=retry))
    request = outbox_pb2.ListPackagesRequest(page_size=min(limit, 500))
    every = (package for page in pages(station.outbox.ListPackages, request) for package in page.packages)
    found = list(islice(every, limit))
    ledger = station.outbox.GetLedger(outbox_pb2.GetLedgerRequest())
    out.value(ledger)
    for package in found:
        out.value(package)
    out.table(
        (("No.", "Số"), ("Package", "Gói"), ("State", "Trạng thái"), ("Sent", "Đã gửi"), ("Size", "Kích thước"),
         ("Tries", "Lần"), ("Problem", "Sự cố")),
        [
            (
                str(package.sequence),
                package.package_id,
                words.state(outbox_pb2.PackageState.Name(package.state), out.language),
                f"{package.sent_bytes:,}",
                f"{package.size_bytes:,}",
                str(package.attempts),
                f"{package.problem} {package.problem_text}".strip(),
            )
            for package in found
        ],
    )  # fmt: skip
    out.say(
        f"opened {ledger.opened}  collected {ledger.collected}  sent {ledger.sent}  acknowledged {ledger.acknowledged}"
        f"  refused {ledger.refused}  abandoned {ledger.abandoned}",
        f"đã mở {ledger.opened}  thu nhận {ledger.collected}  đã gửi {ledger.sent}  đã xác nhận {ledger.acknowledged}"
        f"  bị từ chối {ledger.refused}  đã bỏ {ledger.abandoned}",
    )
    if ledger.unacknowledged_sequences:
        numbers = ", ".join(map(str, ledger.unacknowledged_sequences))
        out.say(f"without a receipt: {numbers}", f"chưa có biên nhận: {numbers}", style="yellow")
