"""Authorities, document signers and the files of one card, made anew for each run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from enrollment.core.chip.document_authority import SigningAuthority
from enrollment.core.chip.security_object import sign_security_object
from enrollment.core.chip.signature_algorithms import ALGORITHMS, SigningKey

NOW = datetime.now(UTC).replace(microsecond=0)
MADE = NOW - timedelta(days=30)
FILES = {1: b"\x61\x01a", 2: b"\x75\x01b", 13: b"\x6d\x01c", 14: b"\x6e\x01d", 15: b"\x6f\x01e"}


@cache
def _key(algorithm: str, _number: int) -> SigningKey:
    if algorithm.startswith("ecdsa"):
        return ec.generate_private_key(ec.SECP384R1() if algorithm.endswith("384") else ec.SECP256R1())
    return rsa.generate_private_key(65537, 2048)


@cache
def _authority(algorithm: str, owner: str, number: int) -> SigningAuthority:
    return SigningAuthority.create("VN", owner, key_for(algorithm, 100 + number), MADE, ALGORITHMS[algorithm])


@cache
def _signer(algorithm: str) -> tuple[x509.Certificate, SigningKey]:
    key = key_for(algorithm)
    return authority_for(algorithm).certify_signer("Bo Cong an", key.public_key(), MADE, ["ID"]), key


def key_for(algorithm: str, number: int = 0) -> SigningKey:
    """A key of the kind that the algorithm needs; another for each number."""
    return _key(algorithm, number)


def authority_for(algorithm: str = "ecdsa-sha256", owner: str = "Bo Cong an", number: int = 0) -> SigningAuthority:
    """An authority that signs certificates by this algorithm; another key for each number."""
    return _authority(algorithm, owner, number)


def signer_for(algorithm: str = "ecdsa-sha256") -> tuple[x509.Certificate, SigningKey]:
    """The document signer of `authority_for(algorithm)`, and its key."""
    return _signer(algorithm)


def signed(algorithm: str = "ecdsa-sha256") -> bytes:
    """EF.SOD over FILES."""
    certificate, key = signer_for(algorithm)
    return sign_security_object(FILES, certificate, key, algorithm=ALGORITHMS[algorithm], signed_at=NOW)
