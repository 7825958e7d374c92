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
    PrintsNotThere       a card's dossier holds no print to compare a live finger with
    FingerNotMatched     no try at a hand-over showed the dossier's finger
    TriesUsedUp          so many tries failed that no finger is compared any more
    SecondOfficerNeeded  who vouches beside the caller is no other officer
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


class PrintsNotThere(RuleViolation):
    """A card's dossier holds no print, or no longer: two officers must hand the card over."""

    reason = "PRINTS_NOT_THERE"


class FingerNotMatched(RuleViolation):
    """No try at a hand-over showed the dossier's finger: the card stays where it is; facts: tries_left."""

    reason = "FINGER_NOT_MATCHED"


class TriesUsedUp(RuleViolation):
    """So many fingers did not match that only two officers can hand this card over."""

    reason = "TRIES_USED_UP"


class SecondOfficerNeeded(RuleViolation):
    """The second officer must be another operator or supervisor, by a session of his own."""

    reason = "SECOND_OFFICER_NEEDED"


class SettingNotOffered(InvalidInput):
    """The camera has no such setting, or not this value of it: nothing was changed."""

    reason = "SETTING_NOT_OFFERED"
