"""What a station writes cards with and whom it trusts of those that it reads: read anew for each card.

So a new signer, a new authority or another key takes effect without the daemon being started anew, and a station whose
card files are damaged still enrolls. Blocking.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from enrollment.core.chip.card_keys import CardKeyProvider
from enrollment.core.chip.card_profile import CardProfile
from enrollment.service.cards.errors import CardProfileUnknown, CardsNotConfigured
from enrollment.service.config import CardsConfig
from enrollment.service.keys.card_keys_file import load_card_keys, load_factory_keys
from enrollment.service.keys.card_keys_pkcs11 import card_keys_of_token
from enrollment.service.keys.card_trust import CardTrust, load_card_trust
from enrollment.service.keys.document_signer import DocumentSigner
from enrollment.service.keys.document_signer_pkcs11 import TokenSigningKey
from enrollment.service.keys.token import Token, TokenPlace


@dataclass(frozen=True, slots=True)
class CardIssuer:
    """Signer and keys, usable now."""

    signer: DocumentSigner
    keys: CardKeyProvider = field(repr=False)
    key_version: int
    trust: CardTrust


class CardAuthority:
    """One station's. config: None where it has no [cards]."""

    def __init__(
        self, config: CardsConfig | None, profiles: Mapping[str, CardProfile], passphrase: Callable[[], bytes | None]
    ) -> None:
        self._config, self._profiles, self._passphrase = config, profiles, passphrase
        self._token: Token | None = None  # kept: it must remember a PIN that was refused
        self._lock = threading.Lock()

    def profile(self, profile_id: str) -> CardProfile:
        """A profile by its name; "" for the only one there is. Raises CardProfileUnknown."""
        if not profile_id and len(self._profiles) == 1:
            return next(iter(self._profiles.values()))
        found = self._profiles.get(profile_id)
        if found is None:
            raise CardProfileUnknown("this station has no such card profile", profile=profile_id, known=self._known)
        return found

    @property
    def _known(self) -> str:
        return ", ".join(self._profiles)

    def trust(self) -> CardTrust:
        """Raises CardsNotConfigured, KeysUnusable, RevocationListUnusable."""
        config = self._configured()
        return load_card_trust(config.trust, config.revocation_lists)

    def issuer(self, now: datetime) -> CardIssuer:
        """now: aware.

        Raises CardsNotConfigured, KeysUnusable, RevocationListUnusable, UntrustedChain, CertificateNotValid,
        CertificateRevoked.
        """
        config, passphrase, trust = self._configured(), self._passphrase(), self.trust()
        token = self._token_of(config, passphrase)
        signer = station_signer(config, token, passphrase)
        signer.require_usable(trust, now)
        if isinstance(signer.key, TokenSigningKey):
            signer.key.require_there()
        if token is None:
            return CardIssuer(signer, load_card_keys(config.keys, passphrase), config.key_version, trust)
        keys = card_keys_of_token(token, load_factory_keys(config.keys, passphrase))
        return CardIssuer(signer, keys, config.key_version, trust)

    def close(self) -> None:
        """Log out of the token. Idempotent."""
        with self._lock:
            if self._token is not None:
                self._token.close()

    def _token_of(self, config: CardsConfig, passphrase: bytes | None) -> Token | None:
        with self._lock:
            if self._token is None:
                self._token = configured_token(config, passphrase)
            return self._token

    def _configured(self) -> CardsConfig:
        if self._config is None:
            raise CardsNotConfigured("station.toml has no [cards]: enrolld cards init")
        return self._config


def configured_token(config: CardsConfig, passphrase: bytes | None) -> Token | None:
    """The token that station.toml names, not opened yet; None where keys are in files."""
    if config.token_module is None or config.token_pin_file is None:
        return None
    return Token(TokenPlace(config.token_module, config.token_label, config.token_pin_file), passphrase)


def station_signer(config: CardsConfig, token: Token | None, passphrase: bytes | None) -> DocumentSigner:
    """The document signer; of one in a token the certificate alone is read. Raises KeysUnusable, naming the file."""
    if token is not None and config.signer_token_key:
        return DocumentSigner.of_token(config.signer_certificate, token, config.signer_token_key)
    return DocumentSigner.load(config.signer_certificate, config.signer_key, passphrase)
