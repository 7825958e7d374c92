"""COSE_Sign (RFC 9052 section 4) with exactly two signers: ES256 and ML-DSA-65 of one signing key.

The one form that is written and read:

    98([ << {3: content type} >>, {}, payload,
         [ [ << {1: -7,  4: key id} >>, {}, ES256 signature ],
           [ << {1: -49, 4: key id} >>, {}, ML-DSA-65 signature ] ] ])

in deterministic CBOR. The content type is protected and demanded by the verifier, so that a manifest's signature can
never pass for a receipt's. The external additional data is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from enrollment.core.errors import MalformedPackage, UnknownSigner
from enrollment.core.sealing import deterministic_cbor as cbor
from enrollment.core.sealing.field_rules import DIGEST_BYTES
from enrollment.core.sealing.signing_key import (
    ES256,
    ES256_SIGNATURE_BYTES,
    ML_DSA_65,
    ML_DSA_65_SIGNATURE_BYTES,
    SigningKey,
    VerifyingKey,
)

SIGN_TAG: Final = b"\xd8\x62"  # CBOR tag 98, COSE_Sign
OVERHEAD_BYTES: Final = 4096  # more than signatures, headers and framing ever add to a payload

_ALG, _CONTENT_TYPE, _KEY_ID = 1, 3, 4  # header labels, RFC 9052 section 3.1


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A COSE_Sign taken apart, its signatures not yet verified."""

    content_type: str
    key_id: bytes
    payload: bytes
    es256_signature: bytes
    ml_dsa_65_signature: bytes

    def encode(self) -> bytes:
        """The tagged COSE_Sign."""
        signatures: list[cbor.CborValue] = [
            [_signer_header(ES256, self.key_id), {}, self.es256_signature],
            [_signer_header(ML_DSA_65, self.key_id), {}, self.ml_dsa_65_signature],
        ]
        return SIGN_TAG + cbor.encode([_body_header(self.content_type), {}, self.payload, signatures])

    @classmethod
    def decode(cls, data: bytes, content_type: str, max_payload_bytes: int) -> SignedMessage:
        """Read the form above with this content type, and nothing else. Raises MalformedPackage."""
        what = "a signed message"
        if data[: len(SIGN_TAG)] != SIGN_TAG:
            raise MalformedPackage(f"{what} must be a tagged COSE_Sign")
        item = cbor.decode(data[len(SIGN_TAG) :], what=what, max_bytes=max_payload_bytes + OVERHEAD_BYTES)
        match item:
            case [
                bytes(),
                {},
                bytes() as payload,
                [[bytes() as header, {}, bytes() as es256], [_, _, bytes() as ml_dsa]],
            ]:
                message = cls(content_type, _key_id_of(header), payload, es256, ml_dsa)
            case _:
                raise MalformedPackage(f"{what} must be a COSE_Sign with two signatures")
        # Whatever was not picked out above must be as this module writes it.
        if message.encode() != data:
            raise MalformedPackage(f"{what} has other headers than it must")
        if len(es256) != ES256_SIGNATURE_BYTES or len(ml_dsa) != ML_DSA_65_SIGNATURE_BYTES:
            raise MalformedPackage(f"{what} has a signature of the wrong length")
        if len(payload) > max_payload_bytes:
            raise MalformedPackage(f"{what} has a payload longer than {max_payload_bytes}", length=len(payload))
        return message

    def verify(self, trusted: Mapping[bytes, VerifyingKey]) -> None:
        """Require both signatures, by one trusted signer. Raises UnknownSigner or SignatureInvalid."""
        key = trusted.get(self.key_id)
        if key is None or key.key_id != self.key_id:
            raise UnknownSigner("signed by a key that is not trusted here", key_id=self.key_id.hex())
        key.verify_es256(self.es256_signature, signature_input(self.content_type, ES256, self.key_id, self.payload))
        key.verify_ml_dsa_65(
            self.ml_dsa_65_signature, signature_input(self.content_type, ML_DSA_65, self.key_id, self.payload)
        )


def sign(payload: bytes, content_type: str, key: SigningKey) -> bytes:
    """Sign a payload with both algorithms; returns the tagged COSE_Sign."""
    key_id = key.key_id
    return SignedMessage(
        content_type=content_type,
        key_id=key_id,
        payload=payload,
        es256_signature=key.sign_es256(signature_input(content_type, ES256, key_id, payload)),
        ml_dsa_65_signature=key.sign_ml_dsa_65(signature_input(content_type, ML_DSA_65, key_id, payload)),
    ).encode()


def signature_input(content_type: str, algorithm: int, key_id: bytes, payload: bytes) -> bytes:
    """The bytes that one signer signs: Sig_structure, RFC 9052 section 4.4."""
    return cbor.encode(["Signature", _body_header(content_type), _signer_header(algorithm, key_id), b"", payload])


def _body_header(content_type: str) -> bytes:
    return cbor.encode({_CONTENT_TYPE: content_type})


def _signer_header(algorithm: int, key_id: bytes) -> bytes:
    return cbor.encode({_ALG: algorithm, _KEY_ID: key_id})


def _key_id_of(header: bytes) -> bytes:
    match cbor.decode(header, what="a signer's header", max_bytes=DIGEST_BYTES + 16):
        case {4: bytes() as key_id} if len(key_id) == DIGEST_BYTES:
            return key_id
    raise MalformedPackage("a signer's header must name a key id")
