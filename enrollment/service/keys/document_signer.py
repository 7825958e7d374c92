"""The document signer that this station signs cards with.

    signer.pem, signer-key.pem    certificate and private key (PKCS #8, a file of private_files, unless a token has it)
    authority-key.pem             of a development authority alone: it certifies this one signer

For cards that count, the country's authority certifies a signer whose key never was on this disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from enrollment.core.chip.document_authority import SigningAuthority
from enrollment.core.chip.passive_authentication import check_validity, issuer_of
from enrollment.core.chip.public_keys import key_of
from enrollment.core.chip.signature_algorithms import ALGORITHMS, KeptKey, SigningKey
from enrollment.core.errors import CertificateNotValid, MalformedRecord
from enrollment.service.keys.card_trust import CardTrust, load_certificate
from enrollment.service.keys.document_signer_pkcs11 import TokenSigningKey
from enrollment.service.keys.errors import KeysExist, KeysUnusable
from enrollment.service.keys.private_files import protection, read_private, sync_folder, write_new
from enrollment.service.keys.token import Token

AUTHORITY_KEY_FILE: Final = "authority-key.pem"
AUTHORITY_FILE: Final = "development.pem"
LIST_FILE: Final = "development.crl"


@dataclass(frozen=True, slots=True)
class DocumentSigner:
    """Certificate and key; the key may be in a token (document_signer_pkcs11)."""

    certificate: x509.Certificate
    key: SigningKey | KeptKey = field(repr=False)

    @classmethod
    def load(cls, certificate: Path, key: Path, passphrase: bytes | None) -> Self:
        """Read both files. Raises KeysUnusable, naming the file."""
        found = load_certificate(certificate)
        content = read_private(key, passphrase)
        try:
            private = load_pem_private_key(content, passphrase if b"ENCRYPTED" in content else None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeysUnusable(f"{key} is damaged, or the passphrase is another one", file=str(key)) from error
        if not isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise KeysUnusable(f"{key} holds a key of another kind", file=str(key))
        if private.public_key() != found.public_key():
            raise KeysUnusable(f"{key} is not the key of {certificate}", file=str(key))
        return cls(found, private)

    @classmethod
    def of_token(cls, certificate: Path, token: Token, label: str) -> Self:
        """Read the certificate; the token is not asked yet. Raises KeysUnusable, naming the file."""
        found = load_certificate(certificate)
        try:
            return cls(found, TokenSigningKey(token, label, key_of(found)))
        except MalformedRecord as error:
            raise KeysUnusable(f"{certificate} holds a key of another kind", file=str(certificate)) from error

    def require_usable(self, trust: CardTrust, now: datetime) -> None:
        """Whatever is signed now will hold. now: aware.

        Raises UntrustedChain, CertificateRevoked, and CertificateNotValid also where the key may no longer sign.
        """
        check_validity(self.certificate, issuer_of(self.certificate, trust.authorities), now)
        trust.require_not_revoked(self.certificate, now)
        period = self._period()
        if period is None:
            return
        starts, ends = period.not_before, self.signs_until
        if (starts is not None and now < _aware(starts)) or (ends is not None and now > ends):
            raise CertificateNotValid(
                "the document signer's key may not sign at this time: ask the authority for a new signer",
                whose="signer's key",
                not_before="" if starts is None else f"{starts:%Y-%m-%d}",
                not_after="" if ends is None else f"{ends:%Y-%m-%d}",
            )

    @property
    def signs_until(self) -> datetime | None:
        """When its key may sign no more; None where its certificate does not say."""
        period = self._period()
        return None if period is None or period.not_after is None else _aware(period.not_after)

    def _period(self) -> x509.PrivateKeyUsagePeriod | None:
        try:
            return self.certificate.extensions.get_extension_for_class(x509.PrivateKeyUsagePeriod).value
        except (x509.ExtensionNotFound, ValueError):
            return None


def create_development_signer(
    certificate: Path,
    key: Path,
    trust: Path,
    revocation_lists: Path,
    owner: str,
    documents: Sequence[str],
    now: datetime,
    passphrase: bytes | None,
) -> None:
    """Make an authority of one's own and its document signer: cards that it signs count nowhere.

    certificate, key: where the signer's go; the authority's key beside its own. trust, revocation_lists: the folders
    for the authority's certificate, and its list of revoked signers, of whom there are none. documents: codes, as in a
    zone's line 1.
    Raises KeysExist, KeysUnusable (a folder cannot be written).
    """
    authority_key, signer_key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP256R1())
    authority = SigningAuthority.create("VN", f"{owner} development", authority_key, now, ALGORITHMS["ecdsa-sha384"])
    signer = authority.certify_signer(f"{owner} development", signer_key.public_key(), now, documents)
    protect = protection(passphrase)
    files = (
        (key.parent / AUTHORITY_KEY_FILE, protect(_pem(authority_key)), 0o600),
        (key, protect(_pem(signer_key)), 0o600),
        (trust / AUTHORITY_FILE, authority.certificate.public_bytes(Encoding.PEM), 0o644),
        (revocation_lists / LIST_FILE, authority.list_revoked((), 1, now).public_bytes(Encoding.DER), 0o644),
        (certificate, signer.public_bytes(Encoding.PEM), 0o644),
    )
    if (
        files[0][0].exists() and not certificate.exists()
    ):  # an earlier call was cut short: nothing was signed with these
        for path, _, _ in reversed(files):
            path.unlink(missing_ok=True)
    for path, _, _ in files:
        if path.exists():
            raise KeysExist(f"{path} is there already: it is never overwritten", file=str(path))
    try:
        for path, content, mode in files:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_new(path, content, mode)
            sync_folder(path.parent)
    except OSError as error:
        raise KeysUnusable(f"{error.filename or key} cannot be written: {error.strerror}", file=str(key)) from error


def _aware(time: datetime) -> datetime:
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
