"""PC/SC's plain functions, through pyscard: one context, which is made anew after the service was away.

Only the processes of this folder load it: a call may block for as long as a card or the service says nothing.
"""

from __future__ import annotations

import importlib
import time
from typing import Any, Final

from drivers.errors import CardServiceGone, UnsupportedDevice
from drivers.pcsc import codes

ANY_CHANGE: Final = "\\\\?PnP?\\Notification"  # a reader's name that stands for readers which come and go

# libpcsclite takes a service that ends before it answers for one that shuts this user out.
_ACCESS_ATTEMPTS: Final = 3
_ACCESS_PAUSE_S: Final = 0.1
INSTALL: Final = "the PC/SC library pyscard is missing: install the extra card (requirements/card.lock)"


class Library:
    """Raises DeviceError subclasses and nothing else. Not for two threads."""

    def __init__(self) -> None:
        """Raises UnsupportedDevice where pyscard is not installed."""
        try:
            self.scard: Any = importlib.import_module("smartcard.scard")
        except ImportError as error:
            raise UnsupportedDevice(INSTALL) from error
        self._context: Any = None

    def context(self) -> Any:
        """The context, established where there is none. Raises CardServiceGone, DeviceAccessDenied."""
        if self._context is None:
            self._context = self._establish()
        return self._context

    def _establish(self) -> Any:
        establish, scope = self.scard.SCardEstablishContext, self.scard.SCARD_SCOPE_USER
        code, context = establish(scope)
        for _ in range(_ACCESS_ATTEMPTS - 1):
            if code & 0xFFFFFFFF != codes.SECURITY_VIOLATION:
                break
            time.sleep(_ACCESS_PAUSE_S)
            code, context = establish(scope)
        if code:
            raise codes.typed(code & 0xFFFFFFFF, "", "establishing a context")
        return context

    def readers(self) -> list[str]:
        """Names of all readers. Raises CardServiceGone."""
        code, names = self.scard.SCardListReaders(self.context(), [])
        code &= 0xFFFFFFFF
        if code and code != codes.NO_READERS:
            self.failed(code, "", "listing readers")
        return [] if code else list(names)

    def states(self, known: dict[str, int], wait_s: float) -> dict[str, tuple[int, bytes]]:
        """The state word and answer to reset of each reader in `known`, when one differs from its state there.

        Returns as they stand after wait_s at the latest. Raises DeviceGone, CardServiceGone.
        """
        asked = list(known.items())
        code, told = self.scard.SCardGetStatusChange(self.context(), int(1000 * wait_s), asked)
        code &= 0xFFFFFFFF
        if code not in (0, codes.TIMEOUT):
            self.failed(code, next(iter(known)) if len(known) == 1 else "", "watching readers")
        return {name: (state, bytes(atr)) for name, state, atr in told}

    def failed(self, code: int, reader: str, under: str) -> None:
        """Raise the error of a code; after CardServiceGone the next call meets the service anew."""
        error = codes.typed(code, reader, under)
        if isinstance(error, CardServiceGone):
            self.forget()
        raise error

    def forget(self) -> None:
        """Let go of the context. Never raises; idempotent."""
        context, self._context = self._context, None
        if context is not None:
            self.scard.SCardReleaseContext(context)
