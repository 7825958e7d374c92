"""What can be wrong with the station's keys."""

from __future__ import annotations

from enrollment.core.errors import EnrollmentError


class KeysUnusable(EnrollmentError):
    """The keys folder is missing, incomplete, damaged, readable by others, or under another passphrase."""

    reason = "KEYS_UNUSABLE"


class KeysExist(EnrollmentError):
    """The folder holds keys already: they are never overwritten."""

    reason = "KEYS_EXIST"
