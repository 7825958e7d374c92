"""Write vectors.json anew: `python tests/golden/sealing/make_vectors.py` from the repository's root.

The keys are fixed, and for tests only. ML-DSA-65 signatures and HPKE encapsulations are random, so each run gives other
valid packages and receipts; the file holds one instance of each. It changes only with the format's version.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from enrollment.core.sealing import cose
from enrollment.core.sealing.public_keys import (
    RegistryTrust,
    encode_registry_trust,
    encode_verifying_key,
)
from enrollment.core.sealing.receipt import Receipt, sign_receipt
from enrollment.core.sealing.seal import MANIFEST_CONTENT_TYPE, seal_package
from enrollment.core.sealing.signing_key import ES256, ML_DSA_65
from enrollment.registry.keys import SoftwareRecipientKey, SoftwareSigningKey
from tests.golden.sealing.sample_fields import SAMPLE_FIELDS

VECTORS: Final = Path(__file__).with_name("vectors.json")

STATION_ES256_SCALAR: Final = hashlib.sha256(b"test-only station ES256").digest()
STATION_ML_DSA_65_SEED: Final = hashlib.sha256(b"test-only station ML-DSA-65").digest()
REGISTRY_ES256_SCALAR: Final = hashlib.sha256(b"test-only registry ES256").digest()
REGISTRY_ML_DSA_65_SEED: Final = hashlib.sha256(b"test-only registry ML-DSA-65").digest()
REGISTRY_ML_KEM_768_SEED: Final = hashlib.sha512(b"test-only registry ML-KEM-768").digest()
REGISTRY_X25519_SCALAR: Final = hashlib.sha256(b"test-only registry X25519").digest()


def signing_key(es256_scalar: bytes, ml_dsa_65_seed: bytes) -> SoftwareSigningKey:
    """A signing key from its two secrets."""
    es256 = ec.derive_private_key(int.from_bytes(es256_scalar, "big"), ec.SECP256R1())
    return SoftwareSigningKey(es256, MLDSA65PrivateKey.from_seed_bytes(ml_dsa_65_seed))


def main() -> None:
    """Make one of everything and write it down."""
    station = signing_key(STATION_ES256_SCALAR, STATION_ML_DSA_65_SEED)
    registry = signing_key(REGISTRY_ES256_SCALAR, REGISTRY_ML_DSA_65_SEED)
    recipient = SoftwareRecipientKey(
        MLKEM768PrivateKey.from_seed_bytes(REGISTRY_ML_KEM_768_SEED),
        X25519PrivateKey.from_private_bytes(REGISTRY_X25519_SCALAR),
    )
    parts = {
        "demographics": ("application/cbor", b"\xa1\x01\x02"),
        "fingerprint/2/image": ("application/vnd.iso.19794-4", b"FIR\x00 not really ridges"),
    }
    package = seal_package(SAMPLE_FIELDS, parts, station, recipient.public_key)
    payload = package.manifest.encode()
    receipt = Receipt(
        package_sha256=package.sha256,
        package_id=SAMPLE_FIELDS.package_id,
        station_id=SAMPLE_FIELDS.station_id,
        sequence=SAMPLE_FIELDS.sequence,
        received_at_ms=1_760_000_400_000,
        registry_id="registry-test",
    )
    trust = RegistryTrust(receipt.registry_id, recipient.public_key, registry.verifying_key)
    vectors = {
        "warning": "The keys in this file are for tests only.",
        "station": {
            "es256_scalar": STATION_ES256_SCALAR.hex(),
            "ml_dsa_65_seed": STATION_ML_DSA_65_SEED.hex(),
            "key_id": station.key_id.hex(),
            "verifying_key_file": encode_verifying_key(station.verifying_key).decode().splitlines(),
        },
        "registry": {
            "es256_scalar": REGISTRY_ES256_SCALAR.hex(),
            "ml_dsa_65_seed": REGISTRY_ML_DSA_65_SEED.hex(),
            "ml_kem_768_seed": REGISTRY_ML_KEM_768_SEED.hex(),
            "x25519_scalar": REGISTRY_X25519_SCALAR.hex(),
            "receipt_key_id": registry.key_id.hex(),
            "recipient_key_id": recipient.key_id.hex(),
            "trust_file": encode_registry_trust(trust).decode().splitlines(),
        },
        "parts": [[name, media_type, content.hex()] for name, (media_type, content) in parts.items()],
        "manifest": payload.hex(),
        "sig_structure_es256": cose.signature_input(MANIFEST_CONTENT_TYPE, ES256, station.key_id, payload).hex(),
        "sig_structure_ml_dsa_65": cose.signature_input(
            MANIFEST_CONTENT_TYPE, ML_DSA_65, station.key_id, payload
        ).hex(),
        "package_sha256": package.sha256.hex(),
        "package": package.data.hex(),
        "receipt_payload": receipt.encode().hex(),
        "receipt": sign_receipt(receipt, registry).hex(),
    }
    VECTORS.write_text(json.dumps(vectors, indent=1) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
