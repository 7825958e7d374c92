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
_OURS: Final = "drivers.pcsc.process"
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
    for folder in PROC.glob("[0-9]*"):
        try:
            name = (folder / "comm").read_text().strip()
            if name != "pcscd" and (_has_library(folder) or name in _KNOWN) and not _is_ours(folder):
                yield int(folder.name), _program(folder, name)
        except (OSError, ValueError, IndexError):
            continue  # it has ended


def _has_library(folder: Path) -> bool:
    try:
        return _LIBRARY in (folder / "maps").read_text(errors="replace")
    except OSError:
        return False  # another user's


def _is_ours(folder: Path) -> bool:
    """A process that serves a reader of this very process."""
    # The parent's number stands behind the name, which may hold anything but ends at the last bracket.
    parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    return int(folder.name) == os.getpid() or (parent == os.getpid() and _OURS in _arguments(folder))


def _program(folder: Path, name: str) -> str:
    """Of an interpreter, what it runs; never its arguments, which may be anything."""
    if not name.startswith("python"):
        return name
    arguments = _arguments(folder)
    for at, argument in enumerate(arguments[1:], start=1):
        if argument == "-m":
            return arguments[at + 1]
        if not argument.startswith("-"):
            return Path(argument).name
    return name


def _arguments(folder: Path) -> list[str]:
    return (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
