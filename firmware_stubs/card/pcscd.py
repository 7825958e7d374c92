"""The real pcscd, with clients' socket, readers and network of its own: nothing off the machine reaches it.

Clients find it by PCSCLITE_CSOCK_NAME, which libpcsclite reads once a process; cards come through `gate`. Run by root
it replaces the pid file of the machine's own pcscd (/run/pcscd/pcscd.pid), which only `pcscd --hotplug` reads.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final, Self

MAX_SLOTS: Final = 16
SLOTS_A_READER: Final = 2  # compiled into vpcd: ports P and P + 1
FIRST_PORT: Final = 0x8C7B
LIBRARY: Final = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
_STOP_S: Final = 5.0
_PATH: Final = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


@cache
def missing() -> str:
    """What this needs and the machine has not; "" where it can run."""
    absent = []
    if shutil.which("pcscd", path=_PATH) is None:
        absent.append("pcscd")
    if not LIBRARY.exists():
        absent.append("vsmartcard-vpcd")
    if absent:
        return f"needs the Debian packages {', '.join(absent)}: ./run setup dev"
    try:
        subprocess.run([*_own_network(), "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return "needs a network namespace (unshare --net), which this machine does not allow"
    return ""


def _own_network() -> list[str]:
    return ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--"]


class Pcscd:
    """A pcscd that runs while entered. May be started again after it was stopped or killed: its paths stay.

    folder: an empty one of its own, its path at most 80 bytes (a Unix socket's has 107). gate: where cards connect.
    """

    def __init__(self, folder: Path, readers: int = 1) -> None:
        if not 1 <= readers * SLOTS_A_READER <= MAX_SLOTS:
            raise ValueError(f"pcscd has {MAX_SLOTS} slots at most, {SLOTS_A_READER} a reader")
        self.gate = folder / "gate"
        self._clients = folder / "pcscd.comm"
        self._log = folder / "pcscd.log"
        self._config = folder / "readers"
        self._config.mkdir()
        for reader in range(readers):
            library = folder / f"vpcd-{reader}.so"  # a copy each: a loaded library serves one reader
            shutil.copyfile(LIBRARY, library)
            port = f"0x{FIRST_PORT + SLOTS_A_READER * reader:04X}"
            (self._config / f"reader-{reader}").write_text(
                f'FRIENDLYNAME "Card Model {reader}"\n'
                f"DEVICENAME /dev/null:{port}\nLIBPATH {library}\nCHANNELID {port}\n"
            )
        self._process: subprocess.Popen[bytes] | None = None
        self.pid = 0

    @property
    def environment(self) -> dict[str, str]:
        """What a client's environment must hold before it first meets libpcsclite."""
        return {"PCSCLITE_CSOCK_NAME": str(self._clients)}

    def start(self) -> None:
        """Start; clients and cards may connect at once. Raises OSError where it does not come up."""
        pcscd = shutil.which("pcscd", path=_PATH) or "pcscd"
        command = [*_own_network(), sys.executable, "-m", "firmware_stubs.card.gate"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, str(self.gate), pcscd, str(self._config), str(self._clients)],
                cwd=Path(__file__).parents[2],
                stdin=subprocess.PIPE,  # its end is ours: it does not outlive us
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        told = self._process.stdout.readline()
        if not told:
            self.stop()
            raise OSError(f"pcscd did not start: {self._log.read_text(errors='replace')[-500:]}")
        self.pid = int(told)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it, as a crash would."""
        self._end(signal.SIGKILL)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        pid, self.pid = self.pid, 0
        if pid and process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
