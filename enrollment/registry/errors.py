"""What the registry refuses beyond the core's own tree (enrollment.core.errors).

    RegistryError
      StationUnknown        a valid certificate, but of no enrolled station
      StationMismatch       a package of another station than the one that sends it
      InvalidRequest        a request field that cannot be what it should be
      PackageTooLarge       announced larger than any package may be
      UploadUnknown         nothing was announced under this digest, or it was dropped
      OffsetMismatch        bytes from another offset than the one that is due
      StorageFull           no room on the registry's disk
      StorageFailed         the registry's disk or database does not answer
      SetupInvalid          a data folder, TLS file or address that cannot be used (at start, never over gRPC)

Each class carries a stable `reason` and keyword facts, as in the core.
"""

from __future__ import annotations

from typing import ClassVar


class RegistryError(Exception):
    """Something that the registry refuses, with the reason and the facts; facts hold ids and numbers only."""

    reason: ClassVar[str] = "REGISTRY_ERROR"

    def __init__(self, message: str, **facts: str | int | float) -> None:
        super().__init__(message)
        self.facts = facts


class StationUnknown(RegistryError):
    """The certificate is valid, but names no enrolled station."""

    reason = "STATION_UNKNOWN"


class StationMismatch(RegistryError):
    """The package was made by another station than the one that sends it."""

    reason = "STATION_MISMATCH"


class InvalidRequest(RegistryError):
    """A request field that cannot be what it should be."""

    reason = "INVALID_REQUEST"


class PackageTooLarge(RegistryError):
    """Announced larger than any package may be."""

    reason = "PACKAGE_TOO_LARGE"


class UploadUnknown(RegistryError):
    """Nothing was announced under this digest, or it was dropped since."""

    reason = "UPLOAD_UNKNOWN"


class OffsetMismatch(RegistryError):
    """The bytes do not go on where the registry stands; facts name the offset that is due."""

    reason = "OFFSET_MISMATCH"


class StorageFull(RegistryError):
    """No room on the registry's disk."""

    reason = "STORAGE_FULL"


class StorageFailed(RegistryError):
    """The registry's disk or database does not answer."""

    reason = "STORAGE_FAILED"


class SetupInvalid(RegistryError):
    """A data folder, TLS file or address that the registry cannot be started with."""

    reason = "SETUP_INVALID"
