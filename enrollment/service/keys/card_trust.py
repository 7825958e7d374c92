"""Whom this station trusts of those who sign cards: authorities (CSCA), and the lists of signers that they revoked.

    csca/*.pem, *.der, *.cer, *.crt    certificates of trusted authorities
    crl/*.crl, *.pem, *.der            lists of revoked signers

Either is a folder or one file, of DER or of any number of PEM blocks. Lists may lie among the certificates, but a
certificate among the lists is refused: it would not be trusted. Lists are checked when a certificate is: only one that
a trusted authority signed counts.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TypeAlias

from cryptography import x509

from enrollment.core.chip.public_keys import decode_certificate
from enrollment.core.chip.revocation import check_not_revoked, decode_revocation_list, newest_list
from enrollment.core.errors import MalformedRecord
from enrollment.service.keys.errors import KeysUnusable, RevocationListUnusable

MAX_FILE_BYTES: Final = 4 * 1024 * 1024  # a list has some 40 octets a signer; a bundle 2,000 a certificate
MAX_FILES: Final = 1000
MAX_AUTHORITIES: Final = 1000
SUFFIXES: Final = (".pem", ".der", ".cer", ".crt", ".crl")

_BEGIN: Final = b"-----BEGIN "
_BLOCK: Final = re.compile(rb"-----BEGIN ((?:X509 )?CERTIFICATE|X509 CRL)-----([^-]*)-----END \1-----")

_Unusable: TypeAlias = type[KeysUnusable] | type[RevocationListUnusable]
_Content: TypeAlias = tuple[list[x509.Certificate], list[x509.CertificateRevocationList]]


@dataclass(frozen=True, slots=True)
class CardTrust:
    """authorities: CSCA certificates. revocations: their lists, and any others; they are checked when they are used."""

    authorities: tuple[x509.Certificate, ...]
    revocations: tuple[x509.CertificateRevocationList, ...] = ()

    def require_not_revoked(self, signer: x509.Certificate, at: datetime) -> None:
        """Raise CertificateRevoked where the newest list that there is names it; none may be there. at: aware."""
        found = newest_list(signer.issuer, self.authorities, self.revocations, at)
        if found is not None:
            check_not_revoked(signer, found)


def load_card_trust(trust: Path, revocation_lists: Path) -> CardTrust:
    """Read all of it. revocation_lists: may be missing; a station without lists cannot tell who was revoked.

    Raises KeysUnusable for a file of the trusted that is none, and where there are none; RevocationListUnusable for a
    list that cannot be read. Both name the file.
    """
    certificates, lists = _read_all(trust, KeysUnusable)
    if not 0 < len(certificates) <= MAX_AUTHORITIES:
        raise KeysUnusable(
            f"{trust} holds {len(certificates)} certificates of signing authorities (CSCA)", folder=str(trust)
        )
    if revocation_lists != trust and revocation_lists.exists():
        others, more = _read_all(revocation_lists, RevocationListUnusable)
        if others:
            raise RevocationListUnusable(
                f"{revocation_lists} holds a certificate: those to trust belong to {trust}", file=str(revocation_lists)
            )
        lists += more
    return CardTrust(tuple(certificates), tuple(lists))


def load_certificate(path: Path) -> x509.Certificate:
    """A file's first certificate: the signer's, where its chain follows. Raises KeysUnusable, naming the file."""
    certificates, _ = _read(path, KeysUnusable)
    if not certificates:
        raise KeysUnusable(f"{path} holds no certificate", file=str(path))
    return certificates[0]


def _read_all(place: Path, unusable: _Unusable) -> _Content:
    """A file, or the files of a folder."""
    try:
        paths = [path for path in place.iterdir() if path.suffix.lower() in SUFFIXES] if place.is_dir() else [place]
    except OSError as error:
        raise unusable(f"{place} cannot be read: {error.strerror}", folder=str(place)) from error
    if len(paths) > MAX_FILES:
        raise unusable(f"{place} holds more than {MAX_FILES} files", folder=str(place))
    certificates: list[x509.Certificate] = []
    lists: list[x509.CertificateRevocationList] = []
    for path in sorted(paths):
        found = _read(path, RevocationListUnusable if path.suffix.lower() == ".crl" else unusable)
        certificates += found[0]
        lists += found[1]
    return certificates, lists


def _read(path: Path, unusable: _Unusable) -> _Content:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise unusable(f"{path} cannot be read: {error.strerror}", file=str(path)) from error
    certificates: list[x509.Certificate] = []
    lists: list[x509.CertificateRevocationList] = []
    try:
        for der in _parts(content):
            try:
                certificates.append(decode_certificate(der))
            except MalformedRecord as error:
                try:
                    lists.append(decode_revocation_list(der))
                except MalformedRecord as other:
                    raise (other if unusable is RevocationListUnusable else error) from None
    except (MalformedRecord, ValueError) as error:
        raise unusable(f"{path}: {error}", file=str(path)) from error
    return certificates, lists


def _parts(content: bytes) -> list[bytes]:
    """The DER of each certificate and list. Raises ValueError."""
    if len(content) > MAX_FILE_BYTES:
        raise ValueError("too large")
    if _BEGIN not in content:
        return [content]
    blocks = [base64.b64decode(block[2]) for block in _BLOCK.finditer(content)]
    if len(blocks) != content.count(_BEGIN):
        raise ValueError("a block without its end, or of something else")
    return blocks
