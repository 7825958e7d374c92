"""The master keys of cards in a token (an HSM, through PKCS #11): they never leave it; it computes their CMACs.

A version's master key is the AES key with the label card-master-VERSION, CKA_SIGN, sensitive and not extractable:

    pkcs11-tool --module MODULE --token-label TOKEN --login --keygen --key-type AES:32 --label card-master-1 \\
        --usage-sign --sensitive

The PIN is in a private file, encrypted or not, or one of systemd's credentials. A PIN that the token refused is not
sent again by this process, and the last try not by any: tokens count. What blank cards are opened with is the batch's,
not the country's: its file is that of card_keys_file.
"""

from __future__ import annotations

import contextlib
import re
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from enrollment.core.chip.card_keys import FACTORY_VERSION, OWN_VERSIONS, CardKeys, KeySet, MasterKey
from enrollment.service.keys.errors import KeysUnusable
from enrollment.service.keys.private_files import read_private

MASTER_LABEL: Final = "card-master-"
_LABEL: Final = re.compile(MASTER_LABEL + "([0-9]{1,3})")


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """module: the token's library. label: the token's. pin_file: a private file, its PIN on one line."""

    module: Path
    label: str
    pin_file: Path


class CardKeyToken:
    """A session with a token, opened when it is first needed and again when it ended. For any thread."""

    def __init__(self, place: TokenPlace, passphrase: bytes | None) -> None:
        self._place = place
        self._passphrase = passphrase
        self._session: Any = None
        self._keys: dict[int, Any] = {}  # the binding's keys, which its types do not tell to sign
        self._refused_pin = False
        self._lock = threading.Lock()

    def card_keys(self, factory: KeySet) -> CardKeys:
        """The keys of every version in the token, and the factory's. Raises KeysUnusable, naming what is missing."""
        with self._lock:
            self._open()
            octets = {version: key.key_length // 8 for version, key in self._keys.items()}
        sources: dict[int, KeySet | MasterKey] = {FACTORY_VERSION: factory}
        for version, length in octets.items():
            sources[version] = MasterKey(partial(self.cmac, version), length)
        return CardKeys(sources)

    def cmac(self, version: int, message: bytes) -> bytes:
        """AES-CMAC under a version's master key. Raises KeysUnusable."""
        from pkcs11 import Mechanism, PKCS11Error

        with self._lock:
            try:
                if version in self._keys:
                    return bytes(self._keys[version].sign(message, mechanism=Mechanism.AES_CMAC))
            except PKCS11Error:  # the session ended: a token that was restarted, or a network between
                self._close()
            self._open()
            try:
                return bytes(self._keys[version].sign(message, mechanism=Mechanism.AES_CMAC))
            except KeyError:
                raise self._unusable(f"has no key {MASTER_LABEL}{version} any more") from None
            except PKCS11Error as error:
                raise self._unusable(f"computes no AES-CMAC ({type(error).__name__})") from error

    def close(self) -> None:
        """Log out. Idempotent."""
        with self._lock:
            self._close()

    def _open(self) -> None:
        import pkcs11
        from pkcs11 import Attribute, KeyType, ObjectClass

        if self._session is not None:
            return
        if self._refused_pin:
            raise self._unusable("refused its PIN, which is not tried again: correct the PIN file, and start anew")
        pin = self._pin()
        try:
            token = pkcs11.lib(str(self._place.module)).get_token(token_label=self._place.label)
            if not may_log_in(token.flags):
                raise self._unusable("has one try of its PIN left, or none: have its administrator set the PIN anew")
            session = token.open(user_pin=pin)
        except pkcs11.PKCS11Error as error:
            self._refused_pin = type(error).__name__.startswith("Pin")
            raise self._unusable(f"cannot be opened ({type(error).__name__})") from error
        self._session = session
        aes_keys = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.AES}
        try:
            key: Any
            for key in session.get_objects(aes_keys):
                label = _LABEL.fullmatch(key.label)
                if label is not None and int(label[1]) in OWN_VERSIONS:
                    if key[Attribute.EXTRACTABLE] or not key[Attribute.SENSITIVE]:
                        raise self._unusable(f"would give its key {key.label} away: make it anew, not extractable")
                    self._keys[int(label[1])] = key
            if not self._keys:
                raise self._unusable(f"has no AES key with a label {MASTER_LABEL}VERSION")
        except pkcs11.PKCS11Error as error:
            self._close()
            raise self._unusable(f"does not tell its keys ({type(error).__name__})") from error
        except KeysUnusable:
            self._close()
            raise

    def _close(self) -> None:
        from pkcs11 import PKCS11Error

        session, self._session = self._session, None
        self._keys.clear()
        if session is not None:
            with contextlib.suppress(PKCS11Error):  # it ended before
                session.close()

    def _pin(self) -> str:
        path = self._place.pin_file
        try:
            pin = read_private(path, self._passphrase).decode().strip("\r\n")
        except UnicodeDecodeError:
            pin = ""
        if not pin:
            raise KeysUnusable(f"{path} holds no PIN", file=str(path))
        return pin

    def _unusable(self, what: str) -> KeysUnusable:
        place = self._place
        return KeysUnusable(
            f"the token {place.label} behind {place.module} {what}", token=place.label, file=str(place.module)
        )


def may_log_in(flags: int) -> bool:
    """Whether a PIN that may be wrong can be sent and the token still be opened after that. flags: CK_TOKEN_INFO's."""
    from pkcs11.constants import TokenFlag

    return not flags & (TokenFlag.USER_PIN_FINAL_TRY | TokenFlag.USER_PIN_LOCKED)
