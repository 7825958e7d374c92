"""What the country's authority does with a document signer whose key was lost: a newer list of revoked signers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from enrollment.core.chip.document_authority import SigningAuthority
from enrollment.core.chip.signature_algorithms import ALGORITHMS
from enrollment.service.keys.card_trust import load_certificate
from enrollment.service.keys.document_signer import AUTHORITY_FILE, AUTHORITY_KEY_FILE
from enrollment.service.keys.private_files import read_private


def revoke_signer(cards: Path) -> None:
    """Of a development station's folder of cards, without a passphrase."""
    key = load_pem_private_key(read_private(cards / AUTHORITY_KEY_FILE, None), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    certificate = load_certificate(cards / "csca" / AUTHORITY_FILE)
    authority = SigningAuthority(certificate, key, ALGORITHMS["ecdsa-sha384"])
    serial = load_certificate(cards / "signer.pem").serial_number
    newer = authority.list_revoked([serial], 2, datetime.now(UTC))
    (cards / "crl" / "newer.crl").write_bytes(newer.public_bytes(Encoding.DER))
