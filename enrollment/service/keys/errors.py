"""What can be wrong with the station's keys."""

from __future__ import annotations

from enrollment.core.errors import EnrollmentError


class KeysUnusable(EnrollmentError):
    """The keys folder is missing, incomplete, damaged, readable by others, or under another passphrase."""

    reason = "KEYS_UNUSABLE"


class ClientNotAdmitted(EnrollmentError):
    """A PC whose certificate was taken out of the share, replaced by a newer one, or has expired; `why` says which."""

    reason = "CLIENT_NOT_ADMITTED"


class ClientUnknown(EnrollmentError):
    """No PC of this name has a certificate of this station."""

    reason = "CLIENT_UNKNOWN"


class KeysExist(EnrollmentError):
    """The folder holds keys already: they are never overwritten."""

    reason = "KEYS_EXIST"


class RevocationListUnusable(EnrollmentError):
    """A list of revoked signers of cards that cannot be read; facts name the file."""

    reason = "REVOCATION_LIST_UNUSABLE"
