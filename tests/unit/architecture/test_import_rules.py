"""The import contracts of pyproject.toml hold, and each one fails on a violation planted in a copy of the tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LINT = Path(sys.executable).with_name("lint-imports")

# contract (part of its name), file that gets a line, the line
PLANTED = [
    ("enrollment: cli | registry", "enrollment/core/errors.py", "import enrollment.cli.output"),
    ("enrollment: cli | registry", "enrollment/registry/errors.py", "import enrollment.service.config"),
    ("core: sealing > dossier", "enrollment/core/fingerprint/image.py", "import enrollment.core.sealing.manifest"),
    ("core: sealing > dossier", "enrollment/core/chip/mrz.py", "import enrollment.core.dossier.model"),
    ("service: daemon > assembly", "enrollment/service/config/settings.py", "import enrollment.service.rpc.server"),
    (
        "service: daemon > assembly",
        "enrollment/service/store/errors.py",
        "import enrollment.service.keys.software_keys",
    ),
    ("service: daemon > assembly", "enrollment/service/capture/errors.py", "import enrollment.service.cards.errors"),
    ("drivers: discovery > catalogue", "drivers/frame.py", "import drivers.catalogue"),
    ("core is pure", "enrollment/core/errors.py", "import time"),
    ("core is pure", "enrollment/core/errors.py", "import sqlalchemy"),
    ("service sees only", "enrollment/service/config/settings.py", "import drivers.usb.transport"),
    ("only the service may touch drivers", "enrollment/cli/output.py", "import drivers.frame"),
    ("drivers know nothing", "drivers/frame.py", "import enrollment.core.errors"),
    ("nothing shipped imports firmware stubs", "drivers/frame.py", "import firmware_stubs.portrait"),
    ("firmware stubs import nothing of ours", "firmware_stubs/portrait.py", "import drivers.frame"),
    ("only drivers.usb uses pyusb", "drivers/discovery.py", "import usb.core"),
    ("only drivers.pcsc uses pyscard", "drivers/card/apdu.py", "import smartcard.scard"),
    ("service sees only", "enrollment/service/config/settings.py", "import drivers.pcsc.readers"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT, "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},  # a contract's name and its verdict on one line
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def copied_tree(tmp_path: Path) -> Path:
    for package in ("enrollment", "drivers", "firmware_stubs"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.npy"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_tree_as_it_stands_keeps_every_contract() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(("contract", "file", "line"), PLANTED)
def test_planted_import_breaks_its_contract(copied_tree: Path, contract: str, file: str, line: str) -> None:
    planted = copied_tree / file
    planted.write_text(planted.read_text() + f"\n{line}\n")
    done = lint(copied_tree)
    assert done.returncode != 0, f"{line} in {file} went unnoticed"
    broken = [row for row in done.stdout.splitlines() if row.rstrip().endswith("BROKEN")]
    assert any(contract in row for row in broken), done.stdout
