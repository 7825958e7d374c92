"""Checks of the lists of revoked signers: who reads cards without them takes a revoked signer's for good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509

from enrollment.core.chip.revocation import holds_until, is_current, newest_list
from enrollment.core.errors import EnrollmentError
from enrollment.service.config import CardsConfig, StationConfig
from enrollment.service.diagnostics.findings import Finding, Severity
from enrollment.service.diagnostics.place import Machine
from enrollment.service.keys.card_trust import CardTrust, load_card_trust
from enrollment.service.keys.errors import RevocationListUnusable

LIST_WARNING: Final = timedelta(days=7)  # the next one has to be fetched


def check_revocation(machine: Machine, config: StationConfig) -> Iterator[Finding]:
    """card-revocation: for the trusted authorities of each name a list that is genuine and current. Nothing where the
    station has no [cards]."""
    cards = config.cards
    if cards is None:
        return
    try:
        trust = load_card_trust(cards.trust, cards.revocation_lists)
    except RevocationListUnusable as error:
        yield _finding(
            Severity.ERROR,
            f"Không đọc được danh sách thu hồi (CRL) [{error.reason}]: {error.facts.get('file', '')}.",
            f"A revocation list cannot be read: {error} [{error.reason}].",
            "Thay tệp đó bằng danh sách mới của trung tâm: khi tệp còn hỏng, không ghi và không kiểm tra được thẻ nào.",
            "Replace that file by the centre's newest list: until then no card is written or verified.",
        )
    except EnrollmentError:
        return  # told of by card-signer
    else:
        for name in dict.fromkeys(authority.subject for authority in trust.authorities):
            yield _list_of(name, trust, machine.now, cards)


def _list_of(name: x509.Name, trust: CardTrust, now: datetime, cards: CardsConfig) -> Finding:
    """Countries keep one list under the one name of their authority, whatever keys it has had."""
    who = name.rfc4514_string()
    found = newest_list(name, trust.authorities, trust.revocations, now)
    ask_vi = f"Xin trung tâm danh sách thu hồi (CRL) mới nhất và đặt vào {cards.revocation_lists}."
    ask_en = f"Ask the centre for the newest revocation list (CRL), and put it into {cards.revocation_lists}."
    if found is None and any(one.issuer == name for one in trust.revocations):
        return _finding(
            Severity.ERROR,
            f"Danh sách thu hồi mang tên {who} không do CSCA tin cậy nào ký.",
            f"The revocation list in the name of {who} is signed by no trusted authority.",
            f"{ask_vi} Nếu CSCA đã đổi khóa, thêm chứng thư mới của CSCA vào {cards.trust}.",
            f"{ask_en} If the authority has a new key, add its new certificate to {cards.trust}.",
        )
    if found is None:
        return _finding(
            Severity.WARNING,
            f"Không có danh sách thu hồi của {who}: không biết bên ký thẻ nào đã bị thu hồi.",
            f"There is no revocation list of {who}: whether a signer was revoked is not known.",
            ask_vi,
            ask_en,
        )
    begins, ends, left = f"{found.last_update_utc:%Y-%m-%d}", f"{holds_until(found):%Y-%m-%d}", holds_until(found) - now
    if not is_current(found, now):
        return _finding(
            Severity.ERROR,
            f"Danh sách thu hồi của {who} chỉ có hiệu lực từ {begins} đến {ends}.",
            f"The revocation list of {who} holds from {begins} until {ends}, not now.",
            f"Kiểm tra đồng hồ máy. {ask_vi}",
            f"Check the clock. {ask_en}",
        )
    if left < LIST_WARNING:
        return _finding(
            Severity.WARNING,
            f"Danh sách thu hồi của {who} chỉ còn hiệu lực {left.days} ngày.",
            f"The revocation list of {who} holds for {left.days} more days only.",
            ask_vi,
            ask_en,
        )
    return _finding(
        Severity.OK,
        f"Danh sách thu hồi của {who} có hiệu lực đến {ends}.",
        f"The revocation list of {who} holds until {ends}.",
    )


def _finding(severity: Severity, vi: str, en: str, remedy_vi: str = "", remedy_en: str = "") -> Finding:
    return Finding("card-revocation", severity, vi, en, remedy_vi, remedy_en)
