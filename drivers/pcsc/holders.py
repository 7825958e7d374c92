"""Who may hold a card reader: programs that have PC/SC's library loaded, as Linux's /proc tells them.

Nothing tells who holds a card. Of another user's program only its name can be seen: those that are known to take card
readers are named, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
_LIBRARY: Final = "libpcsclite"
# Of programs that keep a reader open: GnuPG's, browsers' and mail's PKCS #11 modules, OpenSC's and others' tools.
_KNOWN: Final = frozenset(
    (
        *("scdaemon", "gpg-agent", "firefox", "firefox-esr", "thunderbird", "chrome", "chromium", "p11-kit-server"),
        *("pcsc_scan", "opensc-tool", "pkcs11-tool", "pkcs15-tool", "cardos-tool", "ykman", "yubioath-deskto"),
    )
)


def likely_holders() -> list[str]:
    """Names of programs with their process ids, such as "scdaemon (812)"; none where this is not Linux."""
    return sorted(f"{name} ({pid})" for pid, name in _clients())


def _clients() -> Iterator[tuple[int, str]]:
    own = os.getpid()
    for folder in PROC.glob("[0-9]*"):
        try:
            pid, name = int(folder.name), (folder / "comm").read_text().strip()
            # The number of the parent stands behind the name, which may hold anything but ends at the last bracket.
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if own in (pid, parent) or name == "pcscd":
                continue
            if _has_library(folder) or name in _KNOWN:
                yield pid, name
        except (OSError, ValueError, IndexError):
            continue  # it has ended


def _has_library(folder: Path) -> bool:
    try:
        return _LIBRARY in (folder / "maps").read_text(errors="replace")
    except OSError:
        return False  # another user's
