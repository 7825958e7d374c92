"""A token (an HSM, through PKCS #11) that has private keys: they never leave it; it computes with them.

The PIN is in a private file, encrypted or not, or one of systemd's credentials. A PIN that the token refused is not
sent again by this process, and the last try not by any: tokens count.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from enrollment.service.keys.errors import KeysUnusable
from enrollment.service.keys.private_files import read_private

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """module: the token's library. label: the token's. pin_file: a private file, its PIN on one line."""

    module: Path
    label: str
    pin_file: Path


class OpenToken:
    """A session with a token, and the keys that were found in it: one that ended is not searched again."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self._found: dict[tuple[Any, ...], list[Any]] = {}

    def keys(self, **attributes: Any) -> list[Any]:
        """Keys of the binding, which its types do not tell to sign. attributes: by their names in PKCS #11."""
        from pkcs11 import Attribute

        asked = tuple(attributes.items())
        if not self._found.get(asked):
            wanted = {Attribute[name]: value for name, value in attributes.items()}
            self._found[asked] = list(self.session.get_objects(wanted))
        return self._found[asked]


class Token:
    """A session with a token, opened when it is first needed and again when it ended. For any thread."""

    def __init__(self, place: TokenPlace, passphrase: bytes | None) -> None:
        self._place = place
        self._passphrase = passphrase
        self._opened: OpenToken | None = None
        self._refused_pin = False
        self._lock = threading.Lock()

    def ask(self, work: Callable[[OpenToken], T], refusal: str) -> T:
        """What the work with the open token returns. refusal: what is told where the token does not do it.

        Raises KeysUnusable, also what the work raises of it.
        """
        from pkcs11 import PKCS11Error

        with self._lock:
            if self._opened is not None:
                try:
                    return work(self._opened)
                except PKCS11Error:  # the session ended: a token that was restarted, or a network between
                    self._close()
            self._opened = self._open()
            try:
                return work(self._opened)
            except PKCS11Error as error:
                self._close()
                raise self.unusable(f"{refusal} ({type(error).__name__})") from error

    def require_kept(self, key: Any) -> None:
        """Raise KeysUnusable for a key of the token that could be taken out of it."""
        from pkcs11 import Attribute

        if key[Attribute.EXTRACTABLE] or not key[Attribute.SENSITIVE]:
            raise self.unusable(f"would give its key {key.label} away: make it anew, not extractable")

    def unusable(self, what: str) -> KeysUnusable:
        """The error that names the token."""
        place = self._place
        return KeysUnusable(
            f"the token {place.label} behind {place.module} {what}", token=place.label, file=str(place.module)
        )

    def close(self) -> None:
        """Log out. Idempotent."""
        with self._lock:
            self._close()

    def _open(self) -> OpenToken:
        import pkcs11

        if self._refused_pin:
            raise self.unusable("refused its PIN, which is not tried again: correct the PIN file, and start anew")
        pin = self._pin()
        try:
            token = pkcs11.lib(str(self._place.module)).get_token(token_label=self._place.label)
            if not may_log_in(token.flags):
                raise self.unusable("has one try of its PIN left, or none: have its administrator set the PIN anew")
            return OpenToken(token.open(user_pin=pin))
        except pkcs11.PKCS11Error as error:
            self._refused_pin = type(error).__name__.startswith("Pin")
            raise self.unusable(f"cannot be opened ({type(error).__name__})") from error

    def _close(self) -> None:
        from pkcs11 import PKCS11Error

        opened, self._opened = self._opened, None
        if opened is not None:
            with contextlib.suppress(PKCS11Error):  # it ended before
                opened.session.close()

    def _pin(self) -> str:
        path = self._place.pin_file
        try:
            pin = read_private(path, self._passphrase).decode().strip("\r\n")
        except UnicodeDecodeError:
            pin = ""
        if not pin:
            raise KeysUnusable(f"{path} holds no PIN", file=str(path))
        return pin


def may_log_in(flags: int) -> bool:
    """Whether a PIN that may be wrong can be sent and the token still be opened after that. flags: CK_TOKEN_INFO's."""
    from pkcs11.constants import TokenFlag

    return not flags & (TokenFlag.USER_PIN_FINAL_TRY | TokenFlag.USER_PIN_LOCKED)
