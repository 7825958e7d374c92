"""Does libfprint see in our firmware models what our own drivers see?

Debian's libfprint knows nothing of us: its drivers were written by others against real scanners. It captures from a
model on a umockdev bus, through its own libgusb, libusb and udev; our driver does the same on a model that starts from
the same state; and both pictures stand beside what was laid on the platen. The U.are.U's wire leaves a row out and the
last pixel of each scrambled block, and the NB-1010's sensor has dead pixels and noise: so no driver gets exactly
what was laid. Prints a table, writes JSON and a picture.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from bench.console import bench_console
from bench.device_model import running
from firmware_stubs.umockdev.process import DEBIAN_PYTHON, BusProcess, missing

MODELS = ("4500", "msv2", "nb1010")  # those that libfprint has drivers for
PACKAGE = "libfprint-2-2"
_PROJECT = Path(__file__).parents[1]
_LIMIT_S = 60
_NEEDS = "import gi; gi.require_version('FPrint', '2.0')"


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """One model before the judge. Pictures are (H, W) uint8; laid: what the model says lies on its platen.

    driver, name: libfprint's driver, and what it calls the scanner.
    """

    model: str
    driver: str
    name: str
    laid: NDArray[np.uint8]
    libfprint: NDArray[np.uint8]
    ours: NDArray[np.uint8]

    @property
    def differing_from_ours(self) -> int:
        """Pixels in which the two drivers do not agree."""
        return int(np.count_nonzero(self.libfprint != self.ours))

    @property
    def grey_levels_from_laid(self) -> float:
        """Mean difference between libfprint's picture and what was laid."""
        return float(np.abs(self.libfprint.astype(np.int16) - self.laid).mean())

    @property
    def correlation(self) -> float:
        """Of libfprint's picture with what was laid, pixel by pixel."""
        return float(np.corrcoef(self.libfprint.ravel(), self.laid.ravel())[0, 1])


@functools.cache
def judge_is_missing() -> str:
    """What this machine lacks for the judge; "" where it lacks nothing."""
    if reason := missing():
        return reason
    tried = subprocess.run([DEBIAN_PYTHON, "-c", _NEEDS], capture_output=True, timeout=30, check=False)
    return "" if tried.returncode == 0 else "the judge is the Debian package gir1.2-fprint-2.0"


def judge(model: str, finger: int) -> Judgement:
    """Let libfprint and our driver capture one impression of a synthetic finger from a firmware model."""
    with tempfile.TemporaryDirectory() as folder:
        raw, png = Path(folder, "libfprint.raw"), Path(folder, "ours.png")
        laid, told = _capture(model, finger, [DEBIAN_PYTHON, "-m", "bench.libfprint_capture", str(raw)])
        us = [sys.executable, "-m", "drivers", "capture", "--json", "--address", "usb:1-1", "--out", str(png)]
        _capture(model, finger, us)
        theirs = np.fromfile(raw, np.uint8).reshape(told["height"], told["width"])
        ours = np.asarray(cv2.imread(str(png), cv2.IMREAD_UNCHANGED), np.uint8)
    return Judgement(model, told["driver"], told["name"], laid, theirs, ours)


def _capture(model: str, finger: int, command: Sequence[str]) -> tuple[NDArray[np.uint8], Mapping[str, Any]]:
    """What lies on a fresh model, and what a program says that captures it."""
    with running("scanner", "--model", model) as scanner, BusProcess(scanner.url) as bus:
        scanner.send("PUT", f"/platen?finger={finger}&impression=1")
        png = np.frombuffer(scanner.fetch("/platen"), np.uint8)

        def lift() -> None:
            scanner.send("GET", "/state?until=images:1&timeout_s=20")
            scanner.send("DELETE", "/platen")

        hand = threading.Thread(target=lift)
        hand.start()
        done = subprocess.run(
            command, cwd=_PROJECT, env=bus.environment, capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
        hand.join()
    if done.returncode:
        raise click.ClickException(done.stderr)
    return np.asarray(cv2.imdecode(png, cv2.IMREAD_GRAYSCALE), np.uint8), json.loads(done.stdout.splitlines()[-1])


def version() -> str:
    """Of the installed libfprint, as Debian counts."""
    asked = subprocess.run(
        ["/usr/bin/dpkg-query", "-W", "-f", "${Version}", PACKAGE], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or "of unknown version"


def draw(judgements: Sequence[Judgement], path: Path) -> None:
    """Three pictures a model, side by side: laid, libfprint's, ours."""
    width = max(judgement.laid.shape[1] for judgement in judgements)
    rows = []
    for judgement in judgements:
        cells = []
        for name, picture in (
            ("laid", judgement.laid),
            ("libfprint", judgement.libfprint),
            ("our driver", judgement.ours),
        ):
            cell = np.full((picture.shape[0] + 28, width + 8), 255, np.uint8)
            cv2.putText(cell, f"{judgement.model}: {name}", (4, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 0, 1, cv2.LINE_AA)
            cell[24 : 24 + picture.shape[0], 4 : 4 + picture.shape[1]] = picture
            cells.append(cell)
        rows.append(np.hstack(cells))
    cv2.imwrite(str(path), np.vstack(rows))


def as_row(judgement: Judgement) -> dict[str, Any]:
    """The figures of one model."""
    height, width = judgement.libfprint.shape
    return {
        "model": judgement.model,
        "driver": judgement.driver,
        "name": judgement.name,
        "width": width,
        "height": height,
        "differing_from_ours": judgement.differing_from_ours,
        "grey_levels_from_laid": judgement.grey_levels_from_laid,
        "correlation_with_laid": judgement.correlation,
    }


@click.command()
@click.option("--finger", type=click.IntRange(0), default=7, show_default=True, help="Seed of the synthetic finger.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("bench-results"))
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON on standard output.")
def main(finger: int, out: Path, as_json: bool) -> None:
    """Let Debian's libfprint capture from our firmware models, beside our own drivers."""
    if reason := judge_is_missing():
        raise click.ClickException(reason)
    judgements = [judge(model, finger) for model in MODELS]
    rows = [as_row(judgement) for judgement in judgements]
    results = {"libfprint": version(), "finger": finger, "models": rows}
    out.mkdir(parents=True, exist_ok=True)
    (out / "libfprint.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    draw(judgements, out / "libfprint.png")
    if as_json:
        click.echo(json.dumps(results))
        return
    table = Table(
        *(
            "Model",
            "libfprint's driver",
            "picture",
            "pixels other than our driver's",
            "grey levels from laid",
            "correlation",
        ),
        title=f"libfprint {results['libfprint']} captures from our models",
    )
    for row in rows:
        of_all = row["width"] * row["height"]
        table.add_row(
            row["model"],
            row["driver"],
            f"{row['width']} x {row['height']}",
            f"{row['differing_from_ours']} of {of_all}",
            f"{row['grey_levels_from_laid']:.2f}",
            f"{row['correlation_with_laid']:.4f}",
        )
    bench_console().print(table)


if __name__ == "__main__":
    main()
