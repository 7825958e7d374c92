"""The keys that packages are sealed to: the one that stations are told of, and earlier ones that still open.

What is on its way when keys are rotated was sealed before, so an earlier key opens for a stated time. Whether it still
does stands in the database: every server of the registry sees a rotation or a withdrawal with its next call. Functions
work inside the caller's transaction (a Session); none of them commits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from enrollment.core.errors import WrongRecipient
from enrollment.core.sealing.public_keys import RegistryTrust
from enrollment.core.sealing.recipient_announcement import RecipientAnnouncement, sign_announcement
from enrollment.core.sealing.recipient_key import RecipientPrivateKey, RecipientPublicKey
from enrollment.core.sealing.signing_key import SigningKey
from enrollment.registry.errors import InvalidRequest
from enrollment.registry.keys import SoftwareRecipientKey
from enrollment.registry.tables import Recipient


@dataclass(frozen=True, slots=True)
class RecipientState:
    """One key. issued_at_ms: 0 for the registry's first; opens_until_ms: None for the current one."""

    key_id: bytes
    issued_at_ms: int
    opens_until_ms: int | None

    def opens(self, now_ms: int) -> bool:
        """Whether packages that are sealed to it are opened now."""
        return self.opens_until_ms is None or now_ms < self.opens_until_ms


class RecipientKeys:
    """The private halves, read once each.

    folder: the registry's keys. named: the recipient of the trust file, the only one where none was ever rotated.
    """

    def __init__(self, folder: Path, named: SoftwareRecipientKey) -> None:
        self._folder = folder
        self._named = named
        self._loaded = {named.key_id: named}

    def opening(self, session: Session, now_ms: int) -> Mapping[bytes, RecipientPrivateKey]:
        """What opens packages now, by key id. Raises SetupInvalid where a private half is missing."""
        states = all_recipients(session) or [RecipientState(self._named.key_id, 0, None)]
        return {state.key_id: self._key(state.key_id) for state in states if state.opens(now_ms)}

    def holding(self, key_id: bytes) -> Mapping[bytes, RecipientPrivateKey]:
        """What opens a package that the registry took, whatever became of its key since. Raises SetupInvalid."""
        return {key_id: self._key(key_id)}

    def current(self, session: Session) -> RecipientPublicKey:
        """What packages are sealed to from now on. Raises SetupInvalid."""
        states = all_recipients(session)
        return (self._key(states[-1].key_id) if states else self._named).public_key

    def _key(self, key_id: bytes) -> SoftwareRecipientKey:
        if key_id not in self._loaded:
            self._loaded[key_id] = SoftwareRecipientKey.load(self._folder, key_id)
        return self._loaded[key_id]


def all_recipients(session: Session) -> list[RecipientState]:
    """Every key, the current one last; empty where none was ever rotated."""
    rows = session.scalars(select(Recipient).order_by(Recipient.issued_at_ms))
    return [RecipientState(row.key_id, row.issued_at_ms, row.opens_until_ms) for row in rows]


def announcement(session: Session) -> bytes:
    """What stations are told of the current key; empty where none was ever rotated."""
    newest = session.scalars(select(Recipient).order_by(Recipient.issued_at_ms.desc()).limit(1)).one_or_none()
    return b"" if newest is None or newest.announcement is None else newest.announcement


def require_opening(opening: Mapping[bytes, RecipientPrivateKey], key_id: bytes) -> None:
    """Refuse a package before its bytes are sent. Raises WrongRecipient."""
    if key_id not in opening:
        raise WrongRecipient("sealed to a key that opens nothing here", sealed_to=key_id.hex())


def rotate(
    session: Session,
    trust: RegistryTrust,
    recipient: RecipientPublicKey,
    signing_key: SigningKey,
    *,
    now_ms: int,
    opens_until_ms: int,
) -> RecipientState:
    """Have stations seal to this key, and the one before it open until then; returns the one before.

    trust: of the registry before its first rotation, or any later one.
    """
    before = session.scalars(select(Recipient).order_by(Recipient.issued_at_ms.desc()).limit(1)).one_or_none()
    if before is None:
        before = Recipient(key_id=trust.recipient.key_id, issued_at_ms=0, announcement=None)
        session.add(before)
    before.opens_until_ms = opens_until_ms
    # Stations take only what was issued later, whatever became of the registry's clock.
    issued_at_ms = max(now_ms, before.issued_at_ms + 1)
    announced = RecipientAnnouncement(registry_id=trust.registry_id, issued_at_ms=issued_at_ms, recipient=recipient)
    session.add(
        Recipient(
            key_id=recipient.key_id,
            issued_at_ms=issued_at_ms,
            announcement=sign_announcement(announced, signing_key),
            opens_until_ms=None,
        )
    )
    return RecipientState(before.key_id, before.issued_at_ms, opens_until_ms)


def withdraw(session: Session, key_id_begin: str, now_ms: int) -> RecipientState:
    """Let an earlier key open nothing any more: stations seal anew what waits for it.

    key_id_begin: so much of its id, in hexadecimal, that it is the only one. Raises InvalidRequest.
    """
    rows = session.scalars(select(Recipient).order_by(Recipient.issued_at_ms)).all()
    found = [row for row in rows if row.key_id.hex().startswith(key_id_begin.lower())]
    if len(found) != 1:
        raise InvalidRequest("no key, or more than one, has an id that begins so", key=key_id_begin, found=len(found))
    (row,) = found
    if row.opens_until_ms is None:
        raise InvalidRequest("stations seal to this key: rotate the keys first", key_id=row.key_id.hex())
    row.opens_until_ms = min(row.opens_until_ms, now_ms)
    return RecipientState(row.key_id, row.issued_at_ms, row.opens_until_ms)
