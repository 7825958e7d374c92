"""What can be wrong with a request for a device.

EnrollmentError
  RuleViolation
    LeaseRequired        no lease was named
    LeaseHeld            another holds the device
    LeaseExpired         the lease has ended: time, release, or the device left
    LeaseNotYours        the lease is another operator's, or was taken over
    DeviceInUse          the device is in the middle of another capture of the same holder
    DeviceDetached       the station knows the device, but it is not attached now
  InvalidInput
    DeviceUnknown        no such device on this station
    WrongDeviceKind      a camera where a scanner is needed, or the other way round
"""

from __future__ import annotations

from enrollment.core.errors import InvalidInput, RuleViolation


class LeaseRequired(RuleViolation):
    """The call uses a device, and names no lease."""

    reason = "LEASE_REQUIRED"


class LeaseHeld(RuleViolation):
    """Another client holds the device, and the wait is over."""

    reason = "LEASE_HELD"


class LeaseExpired(RuleViolation):
    """The lease has ended; the fact `ended` says how."""

    reason = "LEASE_EXPIRED"


class LeaseNotYours(RuleViolation):
    """The lease belongs to another operator, or another took it over."""

    reason = "LEASE_NOT_YOURS"


class DeviceInUse(RuleViolation):
    """The same holder has a capture running on this device."""

    reason = "DEVICE_IN_USE"


class DeviceDetached(RuleViolation):
    """The device was seen since the daemon started, and is not attached now."""

    reason = "DEVICE_DETACHED"


class DeviceUnknown(InvalidInput):
    """This station has never seen such a device."""

    reason = "DEVICE_UNKNOWN"


class WrongDeviceKind(InvalidInput):
    """The lease is of a device that cannot do this."""

    reason = "DEVICE_WRONG_KIND"
