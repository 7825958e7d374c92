"""The document signer's private key in a token, which signs with it.

A key pair on a curve or of RSA; the private key with the label that station.toml names, CKA_SIGN, sensitive and not
extractable. Its certificate is asked for as with any key of a token:

    pkcs11-tool --module MODULE --token-label TOKEN --login --keypairgen --key-type EC:secp256r1 \\
        --label document-signer --usage-sign --sensitive
    PKCS11_MODULE_PATH=MODULE openssl req -new -engine pkcs11 -keyform engine \\
        -key "pkcs11:token=TOKEN;object=document-signer" -out signer.csr

Each signature is verified before it is given on: a key other than the certificate's, or a token that miscomputes, is
told before a card is touched.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from enrollment.core.chip.public_keys import PublicKey
from enrollment.core.chip.signature_algorithms import SignatureAlgorithm, digested
from enrollment.core.errors import SignatureInvalid
from enrollment.service.keys.token import OpenToken, Token


class TokenSigningKey:
    """A private key that stays in its token. public: the certificate's."""

    def __init__(self, token: Token, label: str, public: PublicKey) -> None:
        self._token, self._label, self._public = token, label, public

    def public_key(self) -> PublicKey:
        """The certificate's."""
        return self._public

    def require_there(self) -> None:
        """Raise KeysUnusable unless the token has the key, and keeps it."""
        self._token.ask(self._found, "does not tell its keys")

    def sign_message(self, algorithm: SignatureAlgorithm, message: bytes) -> bytes:
        """The signature as X.509 and CMS have it. Raises KeysUnusable."""

        def compute(opened: OpenToken) -> bytes:
            return _signed(self._found(opened), algorithm, message)

        signature = self._token.ask(compute, f"does not sign by {algorithm.name}")
        try:
            algorithm.verify(self._public, signature, message)
        except SignatureInvalid:
            raise self._token.unusable(f"has another key as {self._label} than the signer's certificate") from None
        return signature

    def _found(self, opened: OpenToken) -> Any:
        from pkcs11 import ObjectClass

        keys = opened.keys(CLASS=ObjectClass.PRIVATE_KEY, LABEL=self._label)
        if len(keys) != 1:
            raise self._token.unusable(f"has {len(keys)} private keys with the label {self._label}")
        self._token.require_kept(keys[0])
        return keys[0]


def _signed(key: Any, algorithm: SignatureAlgorithm, message: bytes) -> bytes:
    from pkcs11 import MGF, Mechanism

    digest = algorithm.digest
    if algorithm.is_for_curves:
        plain = bytes(key.sign(digested(digest, message), mechanism=Mechanism.ECDSA))
        half = len(plain) // 2
        return encode_dss_signature(int.from_bytes(plain[:half]), int.from_bytes(plain[half:]))
    name = digest.name.upper()
    if isinstance(algorithm.rsa_padding, padding.PSS):
        parameters = (Mechanism[name], MGF[name], digest.digest_size)
        return bytes(key.sign(message, mechanism=Mechanism[f"{name}_RSA_PKCS_PSS"], mechanism_param=parameters))
    return bytes(key.sign(message, mechanism=Mechanism[f"{name}_RSA_PKCS"]))
