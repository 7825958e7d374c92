"""Checks of what cards are signed and written with. A token is not asked: each try of a PIN counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from enrollment.core.errors import CertificateNotValid, CertificateRevoked, EnrollmentError, UntrustedChain
from enrollment.service.cards.authority import configured_token, station_signer
from enrollment.service.config import CardsConfig, StationConfig
from enrollment.service.diagnostics.findings import Finding, Severity
from enrollment.service.diagnostics.place import Machine
from enrollment.service.keys.card_keys_file import load_card_keys, load_factory_keys
from enrollment.service.keys.card_trust import load_card_trust
from enrollment.service.keys.errors import RevocationListUnusable

SIGNER_WARNING: Final = timedelta(days=21)  # a new signer has to be asked for


def check_cards(machine: Machine, config: StationConfig) -> Iterator[Finding]:
    """card-signer: it may sign, and for how long; card-keys: they load. Nothing where the station has no [cards]."""
    if config.cards is None:
        return
    try:
        passphrase = config.passphrase()
    except EnrollmentError:
        return  # told of by the check of the station's keys
    yield from _signer(machine.now, config.cards, passphrase)
    yield _keys(config.cards, passphrase)


def _signer(now: datetime, cards: CardsConfig, passphrase: bytes | None) -> Iterator[Finding]:
    try:
        signer = station_signer(cards, configured_token(cards, passphrase), passphrase)
        signer.require_usable(load_card_trust(cards.trust, cards.revocation_lists), now)
    except RevocationListUnusable:
        return  # told of by card-revocation
    except (UntrustedChain, CertificateNotValid, CertificateRevoked) as error:
        yield Finding(
            "card-signer",
            Severity.ERROR,
            f"Bên ký thẻ không ký được lúc này [{error.reason}].",
            f"The document signer may not sign now: {error} [{error.reason}].",
            "Kiểm tra đồng hồ máy; xin chứng thư bên ký mới, hoặc đặt chứng thư CSCA đúng vào thư mục tin cậy.",
            "Check the clock; ask for a new signer, or put the right CSCA certificate into the folder of trust.",
        )
        return
    except EnrollmentError as error:
        yield _unusable("card-signer", error)
        return
    ends = signer.signs_until
    if ends is not None and ends - now < SIGNER_WARNING:
        days = max(0, (ends - now).days)
        yield Finding(
            "card-signer",
            Severity.WARNING,
            f"Bên ký thẻ chỉ còn ký được {days} ngày.",
            f"The document signer may sign for {days} more days only.",
            "Xin chứng thư bên ký mới: không có thì không ghi được thẻ.",
            "Ask for a new signer: without one no card is written.",
        )
        return
    yield Finding("card-signer", Severity.OK, "Bên ký thẻ dùng được.", "The document signer may sign.")


def _keys(cards: CardsConfig, passphrase: bytes | None) -> Finding:
    try:
        if cards.token_module is None:
            load_card_keys(cards.keys, passphrase)
        else:
            load_factory_keys(cards.keys, passphrase)
    except EnrollmentError as error:
        return _unusable("card-keys", error)
    return Finding("card-keys", Severity.OK, "Khoá thẻ dùng được.", "The keys of cards load.")


def _unusable(check: str, error: EnrollmentError) -> Finding:
    where = error.facts.get("file", error.facts.get("folder", ""))
    return Finding(
        check,
        Severity.ERROR,
        f"Không đọc được tệp dùng để ghi thẻ [{error.reason}]: {where}.",
        f"A file that cards are written with cannot be used: {error} [{error.reason}].",
        "Khôi phục tệp từ bản sao lưu; trạm tập huấn: enrolld cards init.",
        "Restore it from its backup; on a training station: enrolld cards init.",
    )
