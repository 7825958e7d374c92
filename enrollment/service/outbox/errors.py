"""Why a package did not get its receipt this time."""

from __future__ import annotations

from typing import ClassVar

from enrollment.core.errors import EnrollmentError


class DeliveryFailed(EnrollmentError):
    """This attempt failed; the package waits and is tried again."""

    reason = "DELIVERY_FAILED"


class RegistryUnreachable(DeliveryFailed):
    """No connection, or it broke, or no answer came in time."""

    reason = "REGISTRY_UNREACHABLE"


class RegistryNonsense(DeliveryFailed):
    """An answer that the protocol does not allow, or a receipt that does not hold."""

    reason = "REGISTRY_ANSWER_INVALID"


class RegistryBusy(DeliveryFailed):
    """The registry could not take it now, or does not know this station yet."""

    reason = "REGISTRY_NOT_READY"

    def __init__(self, message: str, *, registry_reason: str) -> None:
        super().__init__(message, registry_reason=registry_reason)
        self.registry_reason = registry_reason


class PackageRefused(EnrollmentError):
    """The registry refused the package for good; `registry_reason` is its own stable reason."""

    reason: ClassVar[str] = "PACKAGE_REFUSED"

    def __init__(self, message: str, *, registry_reason: str) -> None:
        super().__init__(message, registry_reason=registry_reason)
        self.registry_reason = registry_reason


class TrustUnusable(DeliveryFailed):
    """The station's own certificate, key or pinned registry keys cannot be used."""

    reason = "REGISTRY_TRUST_UNUSABLE"
