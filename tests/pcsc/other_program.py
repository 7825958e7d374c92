"""python -m tests.pcsc.other_program HOW READER: another program at our reader, until its standard input ends.

HOW: share, hold, transaction. It says "ready" when it has the card; told "reset" or "select", it does that, and says
"done". pcscd lets it wait for that as long as it lets no other program at the card.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from typing import Any, Self


class OtherProgram:
    """Runs while entered."""

    def __init__(self, how: str, reader: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.pcsc.other_program", how, reader],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        told = self._process.stdout.readline()
        if told != "ready\n":
            self.end()
            raise AssertionError(f"another program does not come to its card: {told!r}")

    @property
    def pid(self) -> int:
        return self._process.pid

    def begin(self, what: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()

    def end(self) -> str:
        """What it has said since it was ready. Idempotent. Raises TimeoutExpired, and has ended it all the same."""
        if self._process.returncode is None:
            try:
                self._said = self._process.communicate(timeout=10)[0]
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._said = self._process.communicate()[0]
                raise
        return self._said

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


def main() -> None:
    how, reader = sys.argv[1:]
    scard: Any = importlib.import_module("smartcard.scard")
    mode = scard.SCARD_SHARE_EXCLUSIVE if how == "hold" else scard.SCARD_SHARE_SHARED
    _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    deadline = time.monotonic() + 10.0
    while True:
        code, card, _ = scard.SCardConnect(context, reader, mode, scard.SCARD_PROTOCOL_T1)
        if not code:
            break
        if time.monotonic() > deadline:
            sys.exit(f"SCardConnect: {code & 0xFFFFFFFF:#010x}")
        time.sleep(0.02)
    if how == "transaction":
        scard.SCardBeginTransaction(card)
    print("ready", flush=True)
    for line in sys.stdin:
        if line == "reset\n":
            scard.SCardReconnect(card, mode, scard.SCARD_PROTOCOL_T1, scard.SCARD_RESET_CARD)
        else:
            scard.SCardTransmit(card, scard.SCARD_PCI_T1, list(bytes.fromhex("00A4020C02011C")))
        print("done", flush=True)
    if how == "transaction":
        scard.SCardEndTransaction(card, scard.SCARD_LEAVE_CARD)
    scard.SCardDisconnect(card, scard.SCARD_LEAVE_CARD)
    scard.SCardReleaseContext(context)


if __name__ == "__main__":
    main()
