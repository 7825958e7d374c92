"""The signatures and digests of document signers: what a profile may name, how CMS writes it, and how it is checked.

    ecdsa-sha256 ecdsa-sha384 ecdsa-sha512    on any named curve
    rsa-pss-sha256 rsa-pss-sha512             salt as long as the digest, MGF1 with the same digest
    rsa-sha256                                PKCS #1 v1.5

Others are refused, SHA-1 among them. Sources: ICAO Doc 9303-12, 8th edition, 4.4; RFC 4055, RFC 5758.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Protocol, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ObjectIdentifier

from enrollment.core.errors import SignatureInvalid

SigningKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class KeptKey(Protocol):
    """A private key that never leaves where it is kept, and signs there."""

    def public_key(self) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
        """The other half."""
        ...

    def sign_message(self, algorithm: SignatureAlgorithm, message: bytes) -> bytes:
        """The signature by an algorithm of the key's kind, of a curve in DER."""
        ...


DIGESTS: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}
_RSA_PSS: Final = "1.2.840.113549.1.1.10"
_MGF1: Final = "1.2.840.113549.1.1.8"


@asn1.sequence
class DigestIdentifier:
    """AlgorithmIdentifier of a digest; parameters absent or NULL."""

    algorithm: ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class MaskGeneration:
    """AlgorithmIdentifier of MGF1."""

    algorithm: ObjectIdentifier
    digest: DigestIdentifier


@asn1.sequence
class PssParameters:
    """RSASSA-PSS-params, RFC 4055 3.1. What is absent stands for SHA-1, and is refused."""

    digest: Annotated[DigestIdentifier | None, asn1.Explicit(0)]
    mask: Annotated[MaskGeneration | None, asn1.Explicit(1)]
    salt: Annotated[int | None, asn1.Explicit(2)]


@asn1.sequence
class SignatureIdentifier:
    """AlgorithmIdentifier of a signature."""

    algorithm: ObjectIdentifier
    parameters: asn1.Null | PssParameters | None


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """name: as a profile has it. identifier: dotted. digest: over what is signed."""

    name: str
    identifier: str
    digest: hashes.HashAlgorithm

    @property
    def rsa_padding(self) -> padding.PSS | padding.PKCS1v15:
        """For keys of RSA."""
        if self.identifier == _RSA_PSS:
            return padding.PSS(padding.MGF1(self.digest), self.digest.digest_size)
        return padding.PKCS1v15()

    @property
    def is_for_curves(self) -> bool:
        """Whether keys are on a curve; else they are of RSA."""
        return self.name.startswith("ecdsa-")

    def sign(self, key: SigningKey | KeptKey, message: bytes) -> bytes:
        """The signature. Raises SignatureInvalid where the key is of another kind, and what a kept key raises."""
        if isinstance(key.public_key(), ec.EllipticCurvePublicKey) is not self.is_for_curves:
            raise SignatureInvalid(f"{self.name} needs a key of another kind", algorithm=self.name)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return key.sign(message, ec.ECDSA(self.digest))
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(message, self.rsa_padding, self.digest)
        return key.sign_message(self, message)

    def verify(self, key: object, signature: bytes, message: bytes) -> None:
        """Raise SignatureInvalid unless `signature` is this key's over `message`."""
        try:
            if isinstance(key, ec.EllipticCurvePublicKey) and self.is_for_curves:
                key.verify(signature, message, ec.ECDSA(self.digest))
                return
            if isinstance(key, rsa.RSAPublicKey) and not self.is_for_curves:
                key.verify(signature, message, self.rsa_padding, self.digest)
                return
        except InvalidSignature:
            raise SignatureInvalid("the signature does not hold", algorithm=self.name) from None
        raise SignatureInvalid(f"{self.name} needs a key of another kind", algorithm=self.name)


ALGORITHMS: Final[Mapping[str, SignatureAlgorithm]] = {
    algorithm.name: algorithm
    for algorithm in (
        SignatureAlgorithm("ecdsa-sha256", "1.2.840.10045.4.3.2", hashes.SHA256()),
        SignatureAlgorithm("ecdsa-sha384", "1.2.840.10045.4.3.3", hashes.SHA384()),
        SignatureAlgorithm("ecdsa-sha512", "1.2.840.10045.4.3.4", hashes.SHA512()),
        SignatureAlgorithm("rsa-pss-sha256", _RSA_PSS, hashes.SHA256()),
        SignatureAlgorithm("rsa-pss-sha512", _RSA_PSS, hashes.SHA512()),
        SignatureAlgorithm("rsa-sha256", "1.2.840.113549.1.1.11", hashes.SHA256()),
    )
}
ECDSA_SHA256: Final = ALGORITHMS["ecdsa-sha256"]


def digest_identifier(digest: hashes.HashAlgorithm) -> DigestIdentifier:
    """How CMS names a digest of DIGESTS."""
    identifier = next(dotted for dotted, known in DIGESTS.items() if known.name == digest.name)
    return DigestIdentifier(algorithm=ObjectIdentifier(identifier), parameters=None)


def digest_of(identifier: DigestIdentifier) -> hashes.HashAlgorithm:
    """The digest. Raises SignatureInvalid for one that is not accepted."""
    found = DIGESTS.get(identifier.algorithm.dotted_string)
    if found is None:
        raise SignatureInvalid("a digest that is not accepted", algorithm=identifier.algorithm.dotted_string)
    return found


def digested(digest: hashes.HashAlgorithm, message: bytes) -> bytes:
    """The digest of a message."""
    context = hashes.Hash(digest)
    context.update(message)
    return context.finalize()


def signature_identifier(algorithm: SignatureAlgorithm) -> SignatureIdentifier:
    """How CMS names the algorithm."""
    parameters: asn1.Null | PssParameters | None = None
    if algorithm.identifier == _RSA_PSS:
        digest = digest_identifier(algorithm.digest)
        mask = MaskGeneration(algorithm=ObjectIdentifier(_MGF1), digest=digest)
        parameters = PssParameters(digest=digest, mask=mask, salt=algorithm.digest.digest_size)
    elif not algorithm.is_for_curves:
        parameters = asn1.Null()
    return SignatureIdentifier(algorithm=ObjectIdentifier(algorithm.identifier), parameters=parameters)


def signature_algorithm(identifier: SignatureIdentifier) -> SignatureAlgorithm:
    """The algorithm. Raises SignatureInvalid for one, or parameters, that are not accepted."""
    written = asn1.encode_der(_with_plain_digests(identifier))
    for algorithm in ALGORITHMS.values():
        if asn1.encode_der(signature_identifier(algorithm)) == written:
            return algorithm
    raise SignatureInvalid("a signature that is not accepted", algorithm=identifier.algorithm.dotted_string)


def _with_plain_digests(identifier: SignatureIdentifier) -> SignatureIdentifier:
    """The same without the NULLs that some write after the digests of RSASSA-PSS."""
    found = identifier.parameters
    if not isinstance(found, PssParameters) or found.digest is None or found.mask is None:
        return identifier
    digest = DigestIdentifier(algorithm=found.digest.algorithm, parameters=None)
    inner = DigestIdentifier(algorithm=found.mask.digest.algorithm, parameters=None)
    mask = MaskGeneration(algorithm=found.mask.algorithm, digest=inner)
    plain = PssParameters(digest=digest, mask=mask, salt=found.salt)
    return SignatureIdentifier(algorithm=identifier.algorithm, parameters=plain)
