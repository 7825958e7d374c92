"""Two families: what the device did wrong, and what the person should do next.

    DeviceError                 the machine's fault; ends the capture
      DeviceNotFound            nothing at this address
      DeviceBusy                another process holds it
      DeviceAccessDenied        no permission (udev rule missing)
      DeviceGone                unplugged, or re-plugged since it was opened
      DeviceStalled             no answer within the time limit
      ProtocolViolation         an answer that the protocol does not allow (bad header, short image)
      DeviceNotReady            power-up or warm-up failed
        PictureRefused          a camera released no shutter (no focus, busy), and works on
        CardFull                a camera has no room for a picture
      CardServiceGone           no PC/SC service answers
      CardGone                  the chip card left the reader or lost its power
        TransmitLost            while a command was under way: nobody knows whether it was carried out
      CardReset                 another program reset the card: the command was not carried out
      CardMute                  a card is in, and says nothing
      UnsupportedDevice         no driver, or a thing that this device cannot do
    CaptureCancelled            the caller asked for it; neither's fault
    CaptureTimedOut             no finger came in time

CaptureHint is a value, not an exception: the operator's next act.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar


class CaptureHint(Enum):
    """What the person at the device should do next."""

    PLACE_FINGER = "place the finger on the platen"
    LIFT_FINGER = "lift the finger"
    PRESS_HARDER = "press harder"
    PRESS_SOFTER = "press less"
    HOLD_STILL = "hold still"
    CENTRE_FINGER = "centre the finger"


class DriverError(Exception):
    """Anything a driver raises. `reason` is stable; facts hold ids and numbers, never pixels."""

    reason: ClassVar[str] = "DRIVER_ERROR"

    def __init__(self, message: str, **facts: str | int | float) -> None:
        super().__init__(message)
        self.facts = facts


class DeviceError(DriverError):
    """The machine's fault."""

    reason = "DEVICE_ERROR"


class DeviceNotFound(DeviceError):
    """Nothing at this address."""

    reason = "DEVICE_NOT_FOUND"


class DeviceBusy(DeviceError):
    """Another process holds the device."""

    reason = "DEVICE_BUSY"


class DeviceAccessDenied(DeviceError):
    """The operating system refuses access."""

    reason = "DEVICE_ACCESS_DENIED"


class DeviceGone(DeviceError):
    """Unplugged, or re-plugged since it was opened: this handle is dead for ever."""

    reason = "DEVICE_GONE"


class DeviceStalled(DeviceError):
    """No answer within the time limit."""

    reason = "DEVICE_STALLED"


class ProtocolViolation(DeviceError):
    """An answer that the protocol does not allow."""

    reason = "DEVICE_PROTOCOL_VIOLATION"


class DeviceNotReady(DeviceError):
    """Power-up or warm-up failed."""

    reason = "DEVICE_NOT_READY"


class PictureRefused(DeviceNotReady):
    """The camera did not take the picture, for want of focus or light or time, and works on: the next may succeed."""

    reason = "PICTURE_REFUSED"


class CardFull(DeviceNotReady):
    """The camera's card has no room: every picture will be refused until somebody makes some."""

    reason = "CARD_FULL"


class CardServiceGone(DeviceError):
    """The PC/SC service does not answer, or ended: it must run for any reader to be reached."""

    reason = "CARD_SERVICE_GONE"


class CardGone(DeviceError):
    """The chip card left the reader, or lost its power; what it had granted is forgotten."""

    reason = "CARD_GONE"


class TransmitLost(CardGone):
    """The card or its answer was lost while a command was under way: read back what it did before repeating it."""

    reason = "CARD_TRANSMIT_LOST"


class CardReset(DeviceError):
    """Another program reset the card; the command was not carried out, and what the card had granted is forgotten."""

    reason = "CARD_RESET"


class CardMute(DeviceError):
    """There is a card in the reader, and it does not answer to power: upside down, dirty, or broken."""

    reason = "CARD_MUTE"


class UnsupportedDevice(DeviceError):
    """No driver for it, or a thing that this device cannot do."""

    reason = "DEVICE_UNSUPPORTED"


class CaptureCancelled(DriverError):
    """The caller cancelled the capture."""

    reason = "CAPTURE_CANCELLED"


class CaptureTimedOut(DriverError):
    """Nobody came within the time that the caller gave."""

    reason = "CAPTURE_TIMED_OUT"
