"""The real pcscd, with a socket and readers of its own: nothing listens on the network.

The socket is handed over as systemd would (LISTEN_FDS), since pcscd's own path is compiled in; clients find it by
PCSCLITE_CSOCK_NAME, which libpcsclite reads once a process. The readers are vpcd's in its connecting mode: given a
host, its driver connects to the card instead of listening on every address of the machine. Run by root it replaces
the pid file of the machine's own pcscd (/run/pcscd/pcscd.pid), which only `pcscd --hotplug` reads.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Final, Self

MAX_SLOTS: Final = 16
SLOTS_A_READER: Final = 2  # compiled into vpcd: ports P and P + 1
LIBRARY: Final = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
_STOP_S: Final = 5.0
_LISTENING_FD: Final = 3
_START: Final = f'exec {_LISTENING_FD}<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" --foreground --config "$1"'


def missing() -> str:
    """What this needs and the machine has not; "" where it can run."""
    daemon = shutil.which("pcscd", path=_path())
    absent = [name for name, there in (("pcscd", daemon), ("vsmartcard-vpcd", LIBRARY.exists())) if not there]
    return f"needs the Debian package {' and '.join(absent)}: ./run setup dev" if absent else ""


class Pcscd:
    """A pcscd that runs while entered. May be entered again after it was left or killed: the socket's path stays.

    folder: an empty one of its own, its path at most 80 bytes. port: of the first slot; a reader has two.
    """

    def __init__(self, folder: Path, port: int, readers: int = 1, host: str = "127.0.0.1") -> None:
        if not 1 <= readers * SLOTS_A_READER <= MAX_SLOTS:
            raise ValueError(f"pcscd has {MAX_SLOTS} slots at most, {SLOTS_A_READER} a reader")
        self.socket = folder / "pcscd.comm"
        self.log = folder / "pcscd.log"
        self._config = folder / "readers"
        self._config.mkdir()
        for reader in range(readers):
            library = folder / f"vpcd-{reader}.so"  # a copy each: a loaded library serves one reader
            shutil.copyfile(LIBRARY, library)
            first = port + SLOTS_A_READER * reader
            (self._config / f"reader-{reader}").write_text(
                f'FRIENDLYNAME "Card Model {reader}"\n'
                f"DEVICENAME {host}:0x{first:04X}\n"
                f"LIBPATH {library}\n"
                f"CHANNELID 0x{first:04X}\n"
            )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a client's environment must hold before it first meets libpcsclite."""
        return {"PCSCLITE_CSOCK_NAME": str(self.socket)}

    def start(self) -> None:
        """Start; clients may connect at once."""
        self.socket.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener, self.log.open("ab") as log:
            listener.bind(str(self.socket))
            listener.listen(16)
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _START, shutil.which("pcscd", path=_path()) or "pcscd", str(self._config)],
                stdin=listener.fileno(),
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        """End it in order."""
        self._end(kill=False)

    def kill(self) -> None:
        """Kill it, as a crash would."""
        self._end(kill=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _end(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if not kill:
            process.terminate()
        try:
            process.wait(0.0 if kill else _STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _path() -> str:
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
