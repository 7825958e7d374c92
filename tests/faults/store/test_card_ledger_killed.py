"""Killed at every statement of every write of the ledger of cards: the file is before or after, never between."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

WORKER = Path(__file__).with_name("worker_of_cards_that_is_killed.py")
LEAST_KILLS = 5  # of an act: before its first statement, its writes, its commit, and when it has told


def test_card_is_before_or_after_never_between(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, WORKER, tmp_path], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    acts = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(acts) == 9
    for act in acts:
        assert act["between"] == 0, act
        assert act["kills"] >= LEAST_KILLS, act
        assert act["after"] == 1, act
