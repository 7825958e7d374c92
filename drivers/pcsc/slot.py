"""One reader's slot and the card in it, over PC/SC.

A card is held exclusively: programs that come later get a sharing violation at once and cannot reset it, and there is
no limit in time, where Windows ends a transaction that is idle for 5 s. Where another program already shares the card
(a browser, whose PKCS #11 module never lets go) exclusive is refused as long as that runs: then it is shared within a
transaction, during which pcscd lets no other program transmit or reset. Either way the card is reset first: what
another program had it grant is forgotten; and its power is taken when it is let go.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from drivers.errors import CardServiceGone, DeviceError
from drivers.pcsc import codes
from drivers.pcsc.library import Library

_RETRIES_S: Final = (0.01, 0.03)  # of who just looks at the reader, as a listing of readers does
_GET_FEATURE_REQUEST: Final = 3400  # PC/SC part 10, 2.2: CM_IOCTL_GET_FEATURE_REQUEST
_TLV_PROPERTIES: Final = 0x12  # 2.6.14: FEATURE_GET_TLV_PROPERTIES
_MAX_APDU_DATA: Final = 0x0A  # dwMaxAPDUDataSize, little endian


@dataclass(frozen=True, slots=True)
class Held:
    """protocol: 0 for T=0, 1 for T=1. max_apdu_data: octets that the reader says it carries, None where it does not."""

    answer_to_reset: bytes
    protocol: int
    shared: bool
    max_apdu_data: int | None


class Slot:
    """A slot by its reader's present name. Raises DeviceError subclasses and nothing else."""

    def __init__(self, library: Library, reader: str) -> None:
        self._library = library
        self._reader = reader
        self._card: Any = None
        self._pci: Any = None
        self._shared = False
        self._protocols = library.scard.SCARD_PROTOCOL_T0 | library.scard.SCARD_PROTOCOL_T1

    def wait_card(self, wait_s: float) -> str:
        """What is in the slot: "card", "mute", "in_use" by another exclusively, or "empty" where nothing came in time.

        Raises DeviceGone, CardServiceGone.
        """
        scard = self._library.scard
        now = {self._reader: scard.SCARD_STATE_UNAWARE}
        try:
            state, _ = self._library.states(now, 0.0)[self._reader]
        except CardServiceGone:  # of the service that ran before: the one that runs now is asked
            state, _ = self._library.states(now, 0.0)[self._reader]
        if not state & scard.SCARD_STATE_PRESENT:
            state, _ = self._library.states({self._reader: state}, wait_s)[self._reader]
        if state & (scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE | scard.SCARD_STATE_IGNORE):
            self._library.failed(0x80100017, self._reader, "waiting for a card")
        if not state & scard.SCARD_STATE_PRESENT:
            return "empty"
        if state & scard.SCARD_STATE_MUTE:
            return "mute"
        return "in_use" if state & scard.SCARD_STATE_EXCLUSIVE else "card"

    def connect(self) -> None:
        """Take the card, alone or in a transaction. Raises DeviceBusy, CardGone, CardMute, DeviceGone, CardServiceGone.

        Blocks while another program is in a transaction of its own.
        """
        scard, context = self._library.scard, self._library.context()
        self._shared = False
        for pause_s in (*_RETRIES_S, 0.0):
            code, card, _ = scard.SCardConnect(context, self._reader, scard.SCARD_SHARE_EXCLUSIVE, self._protocols)
            if code & 0xFFFFFFFF != codes.SHARING_VIOLATION:
                break
            time.sleep(pause_s)
        else:
            self._shared = True
            code, card, _ = scard.SCardConnect(context, self._reader, scard.SCARD_SHARE_SHARED, self._protocols)
        self._check(code, "connecting to the card")
        self._card = card
        if self._shared:
            self._check(scard.SCardBeginTransaction(card), "beginning a transaction")

    def reset(self) -> Held:
        """Have the card forget what others had it grant. Raises as `connect` does."""
        scard = self._library.scard
        mode = scard.SCARD_SHARE_SHARED if self._shared else scard.SCARD_SHARE_EXCLUSIVE
        code, _ = scard.SCardReconnect(self._card, mode, self._protocols, scard.SCARD_RESET_CARD)
        self._check(code, "resetting the card")
        code, _, _, protocol, atr = scard.SCardStatus(self._card)
        self._check(code, "asking for the answer to reset")
        is_t0 = protocol == scard.SCARD_PROTOCOL_T0
        self._pci = scard.SCARD_PCI_T0 if is_t0 else scard.SCARD_PCI_T1
        return Held(bytes(atr), 0 if is_t0 else 1, self._shared, self._max_apdu_data())

    def transmit(self, apdu: bytes | bytearray) -> bytes:
        """One exchange; blocks until the card answers. Raises DeviceError, with the fact `outcome`."""
        if self._card is None:
            raise codes.lost_or_refused(0x80100069, self._reader, "a command without a card")
        code, answer = self._library.scard.SCardTransmit(self._card, self._pci, list(apdu))
        if code:
            under = f"command {apdu[:2].hex().upper()}"
            raise self._lost(code & 0xFFFFFFFF, under)
        return bytes(answer)

    def let_go(self) -> None:
        """Take the card's power and let others have it. Never raises; idempotent."""
        card, self._card = self._card, None
        if card is None:
            return
        scard = self._library.scard
        if self._shared:  # the power goes with it: no other program finds the card as it was left
            scard.SCardEndTransaction(card, scard.SCARD_UNPOWER_CARD)
        scard.SCardDisconnect(card, scard.SCARD_UNPOWER_CARD)

    def _lost(self, code: int, under: str) -> DeviceError:
        left = False
        try:
            left = self._reader not in self._library.readers()
        except CardServiceGone as gone:  # whatever the transmit said of it
            code = int(str(gone.facts["code"]), 16)
        error = codes.lost_or_refused(code, self._reader, under, reader_left=left)
        if isinstance(error, CardServiceGone):
            self._card = None
            self._library.forget()
        return error

    def _check(self, code: int, under: str) -> None:
        if code:
            self.let_go()
            self._library.failed(code & 0xFFFFFFFF, self._reader, under)

    def _max_apdu_data(self) -> int | None:
        scard = self._library.scard
        code, features = scard.SCardControl(self._card, scard.SCARD_CTL_CODE(_GET_FEATURE_REQUEST), [])
        for tag, value in objects(bytes(features)) if not code else ():
            if tag == _TLV_PROPERTIES and len(value) == 4:
                code, properties = scard.SCardControl(self._card, int.from_bytes(value), [])
                for name, number in objects(bytes(properties)) if not code else ():
                    if name == _MAX_APDU_DATA and len(number) == 4:
                        return int.from_bytes(number, "little")
        return None


def objects(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag, one octet of length, value, and so on, as PC/SC part 10 has them; what is cut short ends it."""
    at = 0
    while at + 2 <= len(octets) and at + 2 + octets[at + 1] <= len(octets):
        end = at + 2 + octets[at + 1]
        yield octets[at], octets[at + 2 : end]
        at = end
