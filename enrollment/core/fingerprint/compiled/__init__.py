"""The inner loops of matching, and of a slap scanner's frames, compiled: see `kernel`."""

from __future__ import annotations

from importlib import import_module
from typing import Final

ENTRIES: Final = (
    "comparison",
    "description",
    "first_look",
    "platen",
)  # importing one compiles it, or reads what was kept


def prepare() -> None:
    """Make them ready: half a second where this machine has compiled before, half a minute where it has not."""
    for name in ENTRIES:
        import_module(f"{__name__}.{name}")
