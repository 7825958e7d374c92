"""Signing keys: the private half behind a Protocol, the public half as a value.

A signer always holds two keys, ES256 (ECDSA on P-256 with SHA-256, RFC 9053 section 2.1) and ML-DSA-65 (FIPS 204,
RFC 9964), and is named by one key id over both public halves: nobody can pair one signer's ES256 key with another's
ML-DSA key.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from enrollment.core.errors import MalformedPackage, SignatureInvalid
from enrollment.core.sealing import deterministic_cbor as cbor
from enrollment.core.sealing.field_rules import require_bytes

ES256: Final = -7  # COSE algorithm, RFC 9053
ML_DSA_65: Final = -49  # COSE algorithm, RFC 9964

P256_COORDINATE_BYTES: Final = 32
ES256_POINT_BYTES: Final = 1 + 2 * P256_COORDINATE_BYTES  # SEC 1 uncompressed: 04 | x | y
ES256_SIGNATURE_BYTES: Final = 2 * P256_COORDINATE_BYTES  # r | s
ML_DSA_65_PUBLIC_BYTES: Final = 1952
ML_DSA_65_SIGNATURE_BYTES: Final = 3309

_KTY, _ALG, _CRV_OR_PUB, _X, _Y = 1, 3, -1, -2, -3  # COSE_Key labels, RFC 9052 section 7 and RFC 9053 section 7
_EC2, _AKP, _P256 = 2, 7, 1  # key types (AKP: RFC 9964 section 3) and curve


class SigningKey(Protocol):
    """The private half of a signer, in software or in a token."""

    @property
    def key_id(self) -> bytes:
        """The key id of the matching VerifyingKey, 32 bytes."""
        ...

    def sign_es256(self, data: bytes) -> bytes:
        """Sign SHA-256 of the data; returns r | s, 64 bytes."""
        ...

    def sign_ml_dsa_65(self, data: bytes) -> bytes:
        """Sign the data with an empty context; returns 3309 bytes."""
        ...


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """The public half of a signer.

    es256: SEC 1 uncompressed point on P-256, 65 bytes.
    ml_dsa_65: public key of FIPS 204, 1952 bytes.
    Raises MalformedPackage for anything that is no such pair of keys.
    """

    es256: bytes
    ml_dsa_65: bytes

    def __post_init__(self) -> None:
        require_bytes("the ES256 public key", self.es256, ES256_POINT_BYTES)
        require_bytes("the ML-DSA-65 public key", self.ml_dsa_65, ML_DSA_65_PUBLIC_BYTES)
        try:
            self._es256_key()
        except ValueError as error:
            raise MalformedPackage("the ES256 public key is not a point on P-256") from error

    @classmethod
    def from_public_keys(cls, es256: ec.EllipticCurvePublicKey, ml_dsa_65: MLDSA65PublicKey) -> VerifyingKey:
        """Take the two public keys as `cryptography` holds them. Raises MalformedPackage for another curve."""
        point = es256.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return cls(es256=point, ml_dsa_65=ml_dsa_65.public_bytes_raw())

    @property
    def key_id(self) -> bytes:
        """SHA-256 of the deterministic encoding of the COSE_KeySet, 32 bytes."""
        return hashlib.sha256(cbor.encode(self.cose_key_set())).digest()

    def cose_key_set(self) -> list[cbor.CborValue]:
        """The pair as a COSE_KeySet (RFC 9052 section 7): the ES256 key, then the ML-DSA-65 key."""
        x, y = self.es256[1 : 1 + P256_COORDINATE_BYTES], self.es256[1 + P256_COORDINATE_BYTES :]
        return [
            {_KTY: _EC2, _ALG: ES256, _CRV_OR_PUB: _P256, _X: x, _Y: y},
            {_KTY: _AKP, _ALG: ML_DSA_65, _CRV_OR_PUB: self.ml_dsa_65},
        ]

    @classmethod
    def from_cose_key_set(cls, key_set: object) -> VerifyingKey:
        """Read what `cose_key_set` gives, and nothing else. Raises MalformedPackage."""
        match key_set:
            case [{-2: bytes() as x, -3: bytes() as y}, {-1: bytes() as ml_dsa_65}]:
                key = cls(es256=b"\x04" + x + y, ml_dsa_65=ml_dsa_65)
            case _:
                raise MalformedPackage("a verifying key must be a COSE_KeySet of an ES256 and an ML-DSA-65 key")
        if key.cose_key_set() != key_set:
            raise MalformedPackage("a verifying key has other COSE_Key members than it must")
        return key

    def verify_es256(self, signature: bytes, data: bytes) -> None:
        """Raise SignatureInvalid unless this is the ES256 signature (r | s) of the data."""
        if len(signature) == ES256_SIGNATURE_BYTES:
            r = int.from_bytes(signature[:P256_COORDINATE_BYTES], "big")
            s = int.from_bytes(signature[P256_COORDINATE_BYTES:], "big")
            try:
                self._es256_key().verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
            except InvalidSignature:
                pass
            else:
                return
        raise SignatureInvalid("the ES256 signature does not hold", algorithm="ES256", key_id=self.key_id.hex())

    def verify_ml_dsa_65(self, signature: bytes, data: bytes) -> None:
        """Raise SignatureInvalid unless this is the ML-DSA-65 signature of the data."""
        try:
            MLDSA65PublicKey.from_public_bytes(self.ml_dsa_65).verify(signature, data)
        except InvalidSignature:
            raise SignatureInvalid(
                "the ML-DSA-65 signature does not hold", algorithm="ML-DSA-65", key_id=self.key_id.hex()
            ) from None

    def _es256_key(self) -> ec.EllipticCurvePublicKey:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.es256)
