"""The key of active authentication."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.chip.dg15_public_key import CardPublicKey, decode_dg15, encode_dg15
from enrollment.core.errors import MalformedRecord

ON_P256 = ec.derive_private_key(7, ec.SECP256R1()).public_key()
KEYS: list[CardPublicKey] = [
    ON_P256,
    ec.derive_private_key(7, ec.BrainpoolP256R1()).public_key(),
    rsa.generate_private_key(65537, 2048).public_key(),
]


@pytest.mark.parametrize("key", KEYS, ids=["P-256", "brainpoolP256r1", "RSA"])
def test_key_comes_back(key: CardPublicKey) -> None:
    octets = encode_dg15(key)
    assert octets[0] == 0x6F
    assert decode_dg15(octets) == key


def test_key_of_another_kind_is_refused() -> None:
    other = (
        ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(MalformedRecord) as caught:
        decode_dg15(b"\x6f" + bytes((len(other),)) + other)
    assert "Ed25519" in str(caught.value.facts["kind"])


@given(st.integers(0, 92), st.integers(1, 255))
def test_changed_octet_is_refused_or_another_key(at: int, change: int) -> None:
    octets = bytearray(encode_dg15(ON_P256))
    octets[at] ^= change
    with pytest.raises(MalformedRecord):  # a changed point lies off the curve
        decode_dg15(bytes(octets))


@pytest.mark.parametrize("octets", [b"", b"\x6f\x00", b"\x6f\x82\x08\x00" + bytes(2048), b"\x6e\x00"])
def test_file_that_holds_no_key_is_refused(octets: bytes) -> None:
    with pytest.raises(MalformedRecord):
        decode_dg15(octets)
