"""What writing and reading cards may refuse, beside the chip's, the ledger's and the reader's errors.

EnrollmentError
  InvalidInput
    CardProfileUnknown    this station has no such profile, or the dossier's procedure issues another card
    AccessKeyInvalid      neither a card access number nor a machine readable zone
  RuleViolation
    CardsNotConfigured    station.toml has no [cards]
"""

from __future__ import annotations

from enrollment.core.errors import InvalidInput, RuleViolation


class CardProfileUnknown(InvalidInput):
    """This station has no such profile, or the dossier's procedure issues another card."""

    reason = "CARD_PROFILE_UNKNOWN"


class AccessKeyInvalid(InvalidInput):
    """What should open a card is neither its access number nor its machine readable zone; never shown."""

    reason = "ACCESS_KEY_INVALID"


class CardsNotConfigured(RuleViolation):
    """This station neither writes nor reads cards: station.toml has no [cards]."""

    reason = "CARDS_NOT_CONFIGURED"
