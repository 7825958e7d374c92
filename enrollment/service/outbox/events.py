"""Tells waiting streams that a dossier's package has changed; for the event loop's thread only."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator


class OutboxEvents:
    """A reader that is slow sees the newest state, not every state: nothing is queued."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def changed(self, dossier_id: str) -> None:
        """Wake everyone who watches this dossier."""
        for event in self._waiting.get(dossier_id, ()):
            event.set()

    def all_changed(self) -> None:
        """Wake everyone: something changed that concerns packages which wait behind it."""
        for dossier_id in self._waiting:
            self.changed(dossier_id)

    async def changes(self, dossier_id: str) -> AsyncGenerator[None, None]:
        """Yield once at once, then after each change; changes that come together are one. Close it when done."""
        event = asyncio.Event()
        event.set()
        self._waiting[dossier_id].add(event)
        try:
            while True:
                await event.wait()
                event.clear()
                yield
        finally:
            self._waiting[dossier_id].discard(event)
            if not self._waiting[dossier_id]:
                del self._waiting[dossier_id]
