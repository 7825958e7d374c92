"""enrolld rejoin: what it prints, and what it refuses."""

from __future__ import annotations

import json
import os
from pathlib import Path

from click.testing import CliRunner, Result

from enrollment.service import daemon
from enrollment.service.assembly import lock_folder
from enrollment.service.config import SystemClock, load_config
from enrollment.service.keys.software_keys import SoftwareKeys
from enrollment.service.store.store import Store


def rejoin(folder: Path) -> Result:
    arguments = ["rejoin", "--config", str(folder / "station.toml"), "--operator", "boss", "--json"]
    return CliRunner().invoke(daemon.main, arguments, catch_exceptions=False)


def test_it_goes_on_after_the_registrys_last_package_where_the_uploader_met_one_that_is_not_known(
    tmp_path: Path,
) -> None:
    CliRunner().invoke(daemon.main, ["init", "--folder", str(tmp_path), "--station", "T-1"])
    sound = rejoin(tmp_path)
    assert (sound.exit_code, json.loads(sound.stderr)["error"]) == (1, "CHAIN_SOUND")
    config = load_config(tmp_path / "station.toml")
    store = Store.open(config.database, SystemClock(), SoftwareKeys.load(config.keys_folder))
    store.outbox.note_set_back(7, bytes(32))
    store.close()
    lock = lock_folder(config.folder)  # as the daemon does
    running = rejoin(tmp_path)
    assert (running.exit_code, json.loads(running.stderr)["error"]) == (1, "ALREADY_RUNNING")
    os.close(lock)
    done = rejoin(tmp_path)
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"dossiers": 0, "next_sequence": 8})
