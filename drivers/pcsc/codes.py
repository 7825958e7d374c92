"""What PC/SC answers but success, as our errors. Source: PC/SC part 5, and pcsclite.h, whose values Windows shares."""

from __future__ import annotations

from typing import Final

from drivers.errors import (
    CardGone,
    CardMute,
    CardReset,
    CardServiceGone,
    DeviceAccessDenied,
    DeviceBusy,
    DeviceError,
    DeviceGone,
    DeviceNotReady,
    ProtocolViolation,
    TransmitLost,
    UnsupportedDevice,
)

TIMEOUT: Final = 0x8010000A
SHARING_VIOLATION: Final = 0x8010000B
SECURITY_VIOLATION: Final = 0x8010006A
UNSUPPORTED_FEATURE: Final = 0x8010001F
NO_READERS: Final = 0x8010002E

_MEANINGS: Final[dict[int, tuple[type[DeviceError], str]]] = {
    0x80100003: (CardServiceGone, "the PC/SC service has forgotten this connection"),
    0x80100006: (DeviceNotReady, "the PC/SC service has no memory"),
    0x80100008: (ProtocolViolation, "the answer is longer than any card's"),
    0x80100009: (DeviceGone, "no such reader is attached"),
    SHARING_VIOLATION: (DeviceBusy, "another program holds the card"),
    0x8010000C: (CardGone, "there is no card in the reader"),
    0x8010000D: (CardMute, "the card is of an unknown kind"),
    0x8010000F: (CardMute, "the card offers no protocol that the reader speaks"),
    0x80100010: (DeviceNotReady, "the reader or the card is not ready"),
    0x80100013: (CardServiceGone, "the connection to the PC/SC service broke"),
    0x80100016: (CardGone, "the card was lost"),
    0x80100017: (DeviceGone, "the reader has left"),
    0x8010001D: (CardServiceGone, "the PC/SC service does not run"),
    0x8010001E: (CardServiceGone, "the PC/SC service is being shut down"),
    UNSUPPORTED_FEATURE: (UnsupportedDevice, "the reader cannot do this"),
    NO_READERS: (DeviceGone, "no reader is attached"),
    0x8010002F: (CardGone, "the reader lost the card's answer"),
    0x80100065: (CardMute, "the reader cannot speak with this card: its answer to reset makes no sense"),
    0x80100066: (CardMute, "the card does not answer to reset"),
    0x80100067: (CardGone, "the card has lost its power"),
    0x80100068: (CardReset, "another program reset the card"),
    0x80100069: (CardGone, "the card was taken out"),
    SECURITY_VIOLATION: (
        DeviceAccessDenied,
        "the system does not let this user at the reader: a polkit rule is missing",
    ),
}
# At a transmit these say that the command never left: it was not carried out.
_REFUSED: Final = frozenset(
    (SHARING_VIOLATION, 0x80100009, 0x8010000C, 0x80100010, 0x80100067, 0x80100068, 0x80100069, SECURITY_VIOLATION)
)


def typed(code: int, reader: str, under: str, *, reader_left: bool = False) -> DeviceError:
    """The error of a code. under: what was under way. reader_left: whether the reader is no longer listed."""
    kind, words = _MEANINGS.get(code, (DeviceNotReady, "PC/SC failed"))
    if reader_left and issubclass(kind, CardGone):
        kind, words = DeviceGone, "the reader has left"
    return kind(f"{reader or 'PC/SC'}: {words} ({under}, {code:#010x})", **_facts(code, reader, under))


def lost_or_refused(code: int, reader: str, under: str, *, reader_left: bool = False) -> DeviceError:
    """The error of a transmit, whose fact `outcome` tells whether the card may have carried the command out."""
    error = typed(code, reader, under, reader_left=reader_left)
    if code in _REFUSED:
        error.facts["outcome"] = "not_carried_out"
        return error
    if not isinstance(error, CardServiceGone | DeviceGone | ProtocolViolation):
        words = f"{reader}: the card or its answer was lost on the way ({under}, {code:#010x})"
        error = TransmitLost(words, **error.facts)
    error.facts["outcome"] = "unknown"
    return error


def _facts(code: int, reader: str, under: str) -> dict[str, str | int | float]:
    return {"reader": reader, "under": under, "code": f"{code:#010x}"}
