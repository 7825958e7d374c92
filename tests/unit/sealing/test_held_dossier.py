"""The proof that the registry holds a dossier: only the station's own signature ties a receipt to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

import pytest

from enrollment.core.errors import DigestMismatch, EnrollmentError, MalformedPackage, UnknownSigner
from enrollment.core.sealing import cose
from enrollment.core.sealing.held_dossier import HeldDossier, verify_held_dossier
from enrollment.core.sealing.receipt import RECEIPT_CONTENT_TYPE, Receipt, sign_receipt
from enrollment.core.sealing.seal import SealedPackage
from enrollment.core.sealing.signing_key import VerifyingKey
from enrollment.core.sealing.verify import open_package
from enrollment.registry.keys import SoftwareRecipientKey, SoftwareSigningKey

Trusted = Mapping[bytes, VerifyingKey]
Verify = Callable[..., HeldDossier]


@pytest.fixture(scope="module")
def signed_manifest(small_package: SealedPackage, recipient: SoftwareRecipientKey, trusted: Trusted) -> bytes:
    """As a registry takes it out of a package."""
    return open_package(small_package.data, {recipient.key_id: recipient}, trusted).signed_manifest


@pytest.fixture(scope="module")
def receipt(small_package: SealedPackage) -> Receipt:
    manifest = small_package.manifest
    return Receipt(
        package_sha256=small_package.sha256,
        package_id=manifest.package_id,
        station_id=manifest.station_id,
        sequence=manifest.sequence,
        received_at_ms=1_760_000_400_000,
        registry_id="registry-test",
    )


@pytest.fixture(scope="module")
def verify(small_package: SealedPackage, trusted: Trusted, other_signing_key: SoftwareSigningKey) -> Verify:
    """The station is `signing_key`, its registry `other_signing_key`."""

    def call(signed_manifest: bytes, signed_receipt: bytes, dossier_id: UUID | None = None) -> HeldDossier:
        return verify_held_dossier(
            signed_manifest,
            signed_receipt,
            stations=trusted,
            registry={other_signing_key.key_id: other_signing_key.verifying_key},
            station_id=small_package.manifest.station_id,
            dossier_id=dossier_id or small_package.manifest.dossier_id,
        )

    return call


def test_a_manifest_and_the_receipt_for_its_package_prove_it(
    verify: Verify,
    signed_manifest: bytes,
    receipt: Receipt,
    small_package: SealedPackage,
    other_signing_key: SoftwareSigningKey,
) -> None:
    signed = sign_receipt(receipt, other_signing_key)
    held = verify(signed_manifest, signed)
    assert (held.manifest, held.receipt, held.signed_receipt) == (small_package.manifest, receipt, signed)
    assert held.size_bytes == len(small_package.data)


@pytest.mark.parametrize(
    "changes",
    [{"package_id": UUID("01980000-0000-7000-8000-0000000000ff")}, {"sequence": 99}, {"station_id": "another"}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_receipt_for_another_package_proves_nothing(
    verify: Verify,
    signed_manifest: bytes,
    receipt: Receipt,
    other_signing_key: SoftwareSigningKey,
    changes: dict[str, object],
) -> None:
    fields = {name: getattr(receipt, name) for name in Receipt.__dataclass_fields__} | changes
    with pytest.raises(DigestMismatch):
        verify(signed_manifest, sign_receipt(Receipt(**fields), other_signing_key))


def test_another_dossiers_manifest_proves_nothing(
    verify: Verify, signed_manifest: bytes, receipt: Receipt, other_signing_key: SoftwareSigningKey
) -> None:
    with pytest.raises(DigestMismatch):
        verify(signed_manifest, sign_receipt(receipt, other_signing_key), UUID("01980000-0000-7000-8000-0000000000ff"))


def test_what_the_wrong_side_signed_proves_nothing(
    verify: Verify,
    signed_manifest: bytes,
    receipt: Receipt,
    small_package: SealedPackage,
    signing_key: SoftwareSigningKey,
    other_signing_key: SoftwareSigningKey,
) -> None:
    with pytest.raises(UnknownSigner):
        verify(signed_manifest, sign_receipt(receipt, signing_key))
    by_registry = cose.sign(
        small_package.manifest.encode(), "application/vnd.enrollment.manifest+cbor", other_signing_key
    )
    with pytest.raises(UnknownSigner):
        verify(by_registry, sign_receipt(receipt, other_signing_key))
    with pytest.raises(MalformedPackage):
        verify(cose.sign(small_package.manifest.encode(), RECEIPT_CONTENT_TYPE, signing_key), signed_manifest)


def test_a_changed_byte_of_either_proves_nothing(
    verify: Verify, signed_manifest: bytes, receipt: Receipt, other_signing_key: SoftwareSigningKey
) -> None:
    signed = sign_receipt(receipt, other_signing_key)
    for at in range(0, len(signed), 97):
        for one, other in ((_flipped(signed_manifest, at), signed), (signed_manifest, _flipped(signed, at))):
            with pytest.raises(EnrollmentError):
                verify(one, other)


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
