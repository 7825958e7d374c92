"""Whom the station trusts of its registry: the pinned file, and the recipient key that the registry announced since.

An announcement is signed by the pinned receipt key. It is verified when it comes and again at each start, and one that
was issued earlier than the one in use is never taken: an old key cannot be brought back.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from typing import Final

from enrollment.core.errors import EnrollmentError
from enrollment.core.sealing.public_keys import RegistryTrust
from enrollment.core.sealing.recipient_announcement import RecipientAnnouncement, verify_announcement
from enrollment.core.sealing.recipient_key import RecipientPublicKey
from enrollment.core.sealing.signing_key import VerifyingKey
from enrollment.service.outbox.errors import RegistryNonsense
from enrollment.service.store.store import Settings

logger = logging.getLogger(__name__)

ANNOUNCEMENT_SETTING: Final = "recipient_announcement"  # base64, as the registry signed it


class KnownRegistry:
    """One registry. Methods block; properties are read from any thread."""

    def __init__(self, trust: RegistryTrust, settings: Settings) -> None:
        self._trust, self._settings = trust, settings
        self._announced: RecipientAnnouncement | None = None
        self._seen = base64.b64decode(settings.get(ANNOUNCEMENT_SETTING) or "")
        if self._seen:
            try:
                self._announced = self._verified(self._seen)
            except EnrollmentError as error:  # somebody pinned another registry, or other keys of this one
                logger.warning("the announced recipient is not the pinned registry's: %s", error.reason)

    @property
    def receipt_keys(self) -> Mapping[bytes, VerifyingKey]:
        """What signs receipts, by key id."""
        return self._trust.receipt_keys

    @property
    def recipient(self) -> RecipientPublicKey:
        """What packages are sealed to from now on."""
        return self._trust.recipient if self._announced is None else self._announced.recipient

    def learn(self, announcement: bytes) -> None:
        """Take what the registry says, if it is later; empty says nothing. Raises RegistryNonsense, StoreError."""
        if not announcement or announcement == self._seen:
            return
        try:
            announced = self._verified(announcement)
        except EnrollmentError as error:
            raise RegistryNonsense(f"the announced recipient key does not hold: {error.reason}") from error
        if self._announced is not None and announced.issued_at_ms <= self._announced.issued_at_ms:
            logger.warning("the registry announces an older recipient key than it did before: it is not taken")
            return
        self._settings.put(ANNOUNCEMENT_SETTING, base64.b64encode(announcement).decode("ascii"))
        self._seen, self._announced = announcement, announced
        logger.info("packages are sealed to %s from now on", announced.recipient.key_id.hex())

    def _verified(self, announcement: bytes) -> RecipientAnnouncement:
        return verify_announcement(announcement, self._trust.receipt_keys, self._trust.registry_id)
