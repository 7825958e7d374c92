"""Passive authentication: each way to fail has its own reason, and a failed check does not hide the others."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given, settings
from hypothesis import strategies as st

from enrollment.core.chip.passive_authentication import Outcome, examine, verify
from enrollment.core.chip.security_object import SecurityObject, sign_security_object
from enrollment.core.chip.signature_algorithms import ALGORITHMS
from enrollment.core.errors import (
    CertificateNotValid,
    DigestMismatch,
    MalformedRecord,
    SignatureInvalid,
    UnknownSigner,
    UntrustedChain,
)
from tests.unit.chip.signed_cards import FILES, MADE, NOW, authority_for, key_for, signed, signer_for

SIGNED = signed()
TRUSTED = (authority_for(owner="Another"), authority_for(number=1), authority_for())


def outcomes(sod: bytes, files: dict[int, bytes], trusted: tuple[object, ...], at: datetime = NOW) -> str:
    """One letter a check: p passed, f failed, n not possible."""
    certificates = [authority.certificate for authority in trusted]  # type: ignore[attr-defined]
    return "".join(check.outcome.value[0] for check in examine(sod, files, certificates, at))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_signed_card_passes_every_check(algorithm: str) -> None:
    trusted = authority_for(algorithm).certificate
    checks = examine(signed(algorithm), FILES, (trusted,), NOW)
    assert [(check.number, check.outcome) for check in checks] == [(n, Outcome.PASSED) for n in range(1, 7)]
    verify(signed(algorithm), FILES, (trusted,), NOW)


def test_authority_is_found_among_others_and_of_two_of_one_name() -> None:
    assert outcomes(signed(), FILES, TRUSTED) == "pppppp"


def test_data_groups_that_were_not_read_do_not_fail() -> None:
    assert outcomes(signed(), {1: FILES[1]}, TRUSTED) == "pppppp"


@pytest.mark.parametrize(
    ("trusted", "said"),
    [
        ((), "no trusted authority"),
        ((authority_for(owner="Another"),), "no trusted authority"),
        ((authority_for(number=1),), "did not sign"),
    ],
)
def test_wrong_chain_is_told_and_the_rest_is_checked(trusted: tuple[object, ...], said: str) -> None:
    assert outcomes(signed(), FILES, trusted) == "pfnppp"
    with pytest.raises(UntrustedChain, match=said):
        verify(signed(), FILES, [authority.certificate for authority in trusted], NOW)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("days", "whose", "said"), [(-31, "authority", "not valid yet"), (26 * 365, "signer", "expired")]
)
def test_certificate_outside_of_its_time_is_told(days: int, whose: str, said: str) -> None:
    at = NOW + timedelta(days=days)
    assert outcomes(signed(), FILES, TRUSTED, at) == "ppfppp"
    with pytest.raises(CertificateNotValid, match=said) as caught:
        verify(signed(), FILES, [authority_for().certificate], at)
    assert caught.value.facts["whose"] == whose


def test_changed_data_group_is_named() -> None:
    files = FILES | {2: FILES[2] + b"x"}
    assert outcomes(signed(), files, TRUSTED) == "pppppf"
    with pytest.raises(DigestMismatch) as caught:
        verify(signed(), files, [authority_for().certificate], NOW)
    assert caught.value.facts == {"data_group": 2}


def test_data_group_that_nobody_signed_is_named() -> None:
    files = FILES | {11: b"added"}
    assert outcomes(signed(), files, TRUSTED) == "ppppfp"
    with pytest.raises(DigestMismatch) as caught:
        verify(signed(), files, [authority_for().certificate], NOW)
    assert caught.value.facts == {"data_group": 11}


def test_security_object_of_another_card_does_not_fit() -> None:
    certificate, key = signer_for()
    other = sign_security_object({n: octets + b"o" for n, octets in FILES.items()}, certificate, key)
    assert outcomes(other, FILES, TRUSTED) == "pppppf"


def test_changed_security_object_is_told_by_its_digest() -> None:
    octets = bytearray(signed())
    digest = SecurityObject.decode(signed()).digests[1]
    octets[octets.index(digest)] ^= 1
    assert outcomes(bytes(octets), FILES, TRUSTED) == "pppfpf"
    with pytest.raises(DigestMismatch, match="security object"):
        verify(bytes(octets), {}, [authority_for().certificate], NOW)


def test_changed_signature_is_told() -> None:
    octets = bytearray(signed("rsa-sha256"))
    octets[-1] ^= 1
    with pytest.raises(SignatureInvalid):
        verify(bytes(octets), FILES, [authority_for("rsa-sha256").certificate], NOW)


def test_octets_that_are_no_security_object_leave_nothing_to_check() -> None:
    assert outcomes(b"\x77\x02\x30\x00", FILES, TRUSTED) == "fnnnnn"
    with pytest.raises(MalformedRecord):
        verify(b"", FILES, [], NOW)


def test_security_object_without_its_signers_certificate_is_told() -> None:
    octets = bytearray(signed())
    serial = signer_for()[0].serial_number
    at = octets.rindex(serial.to_bytes(-(-serial.bit_length() // 8), "big"))  # in SignerInfo, behind the certificate
    octets[at + 5] ^= 1
    assert outcomes(bytes(octets), FILES, TRUSTED) == "fnnnnn"
    with pytest.raises(UnknownSigner):
        verify(bytes(octets), FILES, [authority_for().certificate], NOW)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), min_size=1, max_size=2))
def test_no_changed_security_object_passes_and_none_raises_what_is_not_ours(changes: list[tuple[int, int]]) -> None:
    octets = bytearray(SIGNED)
    for at, change in changes:
        octets[at % len(octets)] ^= change
    passed = outcomes(bytes(octets), FILES, TRUSTED) == "pppppp"
    assert passed == (octets == SIGNED)  # two changes may undo each other


def certificate_of(usage: x509.KeyUsage | None) -> x509.Certificate:
    """A certificate that the authority did sign, with this use or none said."""
    authority = authority_for()
    builder = x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(authority.certificate.subject)
    builder = builder.public_key(key_for("ecdsa-sha256").public_key()).serial_number(77)
    builder = builder.not_valid_before(MADE).not_valid_after(NOW + timedelta(days=9))
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(authority.key, hashes.SHA256())


@pytest.mark.parametrize(
    "usage", [None, authority_for().certificate.extensions.get_extension_for_class(x509.KeyUsage).value]
)
def test_certificate_that_may_not_sign_documents_is_told(usage: x509.KeyUsage | None) -> None:
    sod = sign_security_object(FILES, certificate_of(usage), key_for("ecdsa-sha256"))
    with pytest.raises(UntrustedChain, match="may sign documents"):
        verify(sod, FILES, [authority_for().certificate], NOW)


def test_document_signer_is_no_authority() -> None:
    signer, key = signer_for()
    builder = x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(signer.subject)
    builder = builder.public_key(key_for("ecdsa-sha256", 5).public_key()).serial_number(78)
    usage = signer.extensions.get_extension_for_class(x509.KeyUsage).value
    builder = (
        builder.not_valid_before(MADE).not_valid_after(NOW + timedelta(days=9)).add_extension(usage, critical=True)
    )
    below = builder.sign(key, hashes.SHA256())
    sod = sign_security_object(FILES, below, key_for("ecdsa-sha256", 5))
    with pytest.raises(UntrustedChain):
        verify(sod, FILES, [signer], NOW)
