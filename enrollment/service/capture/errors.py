"""What a capture itself may refuse.

EnrollmentError
  InvalidInput
    SettingNotOffered    a camera has no such setting, or not this value of it
  RuleViolation
    SameFingerTwice      every try showed a finger that the dossier holds under another position
    FrameTooSmall        the camera's frames are smaller than the plan asks for
"""

from __future__ import annotations

from enrollment.core.errors import InvalidInput, RuleViolation


class SameFingerTwice(RuleViolation):
    """Every try showed a finger that the dossier holds under another position: nothing was stored."""

    reason = "SAME_FINGER"


class FrameTooSmall(RuleViolation):
    """The camera's frames are smaller than the plan asks for: no further try can help."""

    reason = "PORTRAIT_TOO_SMALL"


class SettingNotOffered(InvalidInput):
    """The camera has no such setting, or not this value of it: nothing was changed."""

    reason = "SETTING_NOT_OFFERED"
