"""A network of pcscd's own, and the one way into it.

vpcd listens for cards on every address of the machine. So pcscd runs in a network namespace that holds a loopback and
nothing else, and this process stands in it as the gate: who connects to its Unix socket and sends a port (2 bytes,
big-endian) is handed a connection to vpcd's port (SCM_RIGHTS), or one zero byte where nothing listens yet.

    python -m firmware_stubs.card.gate GATE PCSCD CONFIG CLIENTS

It starts PCSCD on the readers of CONFIG with CLIENTS as its clients' socket, handed over as systemd would, since
pcscd's own path is compiled in; prints pcscd's process id, and ends with it, on SIGTERM, or when standard input does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP_RUNNING: Final = 0x41
_START: Final = 'exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" --foreground --config "$1"'


def connect(gate: Path, port: int) -> socket.socket:
    """Take a connection to vpcd from the gate. Raises OSError where the gate or vpcd is not there."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(gate))
        asking.sendall(port.to_bytes(2))
        _, handed, _, _ = socket.recv_fds(asking, 1, 1)
    if not handed:
        raise ConnectionRefusedError(f"no vpcd listens on port {port} behind the gate")
    return socket.socket(fileno=handed[0])


def main() -> int:
    """Raise the loopback, start pcscd, open the gate until pcscd ends; pcscd's status."""
    gate, pcscd, config, clients = sys.argv[1:]
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP_RUNNING))
    with _listener(gate) as opened:
        with _listener(clients) as listener:
            # It logs to its standard output; ours is a pipe that nobody reads on, and would stop it when full.
            command = ["/bin/sh", "-c", _START, pcscd, config]
            daemon = subprocess.Popen(command, stdin=listener.fileno(), stdout=sys.stderr)
        signal.signal(signal.SIGTERM, lambda *_: daemon.terminate())
        threading.Thread(target=_serve, args=(opened,), daemon=True).start()
        threading.Thread(target=_watch_stdin, args=(daemon,), daemon=True).start()
        print(daemon.pid, flush=True)
        return abs(daemon.wait())


def _serve(gate: socket.socket) -> None:
    while True:
        asking, _ = gate.accept()
        with asking, contextlib.suppress(OSError):
            port = int.from_bytes(asking.recv(2))
            try:
                with socket.create_connection((LOOPBACK, port)) as to_vpcd:
                    socket.send_fds(asking, [b"\1"], [to_vpcd.fileno()])
            except ConnectionError:
                asking.sendall(b"\0")


def _watch_stdin(daemon: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    daemon.terminate()


def _listener(path: str) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(16)
    return listener


if __name__ == "__main__":
    sys.exit(main())
