"""What a capture itself may refuse.

EnrollmentError
  InvalidInput
    SettingNotOffered    a camera has no such setting, or not this value of it
  RuleViolation
    SameFingerTwice      every try showed a finger that the dossier holds under another position
    OtherPerson          every try showed a hand that is not that of the dossier's other prints
    FingersNotSeen       no try showed all fingers that were asked for
    FingersAbsent        all fingers of the group are recorded as absent
    FrameTooSmall        the camera's frames are smaller than the plan asks for
"""

from __future__ import annotations

from enrollment.core.errors import InvalidInput, RuleViolation


class SameFingerTwice(RuleViolation):
    """Every try showed a finger that the dossier holds under another position: nothing was stored."""

    reason = "SAME_FINGER"


class OtherPerson(RuleViolation):
    """Every try showed a hand that is not that of the dossier's other prints: nothing was stored."""

    reason = "OTHER_PERSON"


class FingersNotSeen(RuleViolation):
    """No try showed all fingers that were asked for: nothing was stored."""

    reason = "FINGERS_NOT_SEEN"


class FingersAbsent(RuleViolation):
    """All fingers of the group are recorded as absent: there is nothing to capture."""

    reason = "FINGERS_ABSENT"


class FrameTooSmall(RuleViolation):
    """The camera's frames are smaller than the plan asks for: no further try can help."""

    reason = "PORTRAIT_TOO_SMALL"


class SettingNotOffered(InvalidInput):
    """The camera has no such setting, or not this value of it: nothing was changed."""

    reason = "SETTING_NOT_OFFERED"
