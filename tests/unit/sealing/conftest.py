"""Keys and a small package, made once for all tests of the sealing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from enrollment.core.sealing.manifest import ManifestFields
from enrollment.core.sealing.seal import SealedPackage, seal_package
from enrollment.core.sealing.signing_key import VerifyingKey
from enrollment.registry.keys import SoftwareRecipientKey, SoftwareSigningKey
from tests.golden.sealing.sample_fields import SAMPLE_FIELDS

MakeFields = Callable[..., ManifestFields]
MakePackage = Callable[..., SealedPackage]


@pytest.fixture(scope="session")
def signing_key() -> SoftwareSigningKey:
    return SoftwareSigningKey.generate()


@pytest.fixture(scope="session")
def other_signing_key() -> SoftwareSigningKey:
    return SoftwareSigningKey.generate()


@pytest.fixture(scope="session")
def recipient() -> SoftwareRecipientKey:
    return SoftwareRecipientKey.generate()


@pytest.fixture(scope="session")
def other_recipient() -> SoftwareRecipientKey:
    return SoftwareRecipientKey.generate()


@pytest.fixture(scope="session")
def trusted(signing_key: SoftwareSigningKey) -> dict[bytes, VerifyingKey]:
    return {signing_key.key_id: signing_key.verifying_key}


@pytest.fixture(scope="session")
def make_fields() -> MakeFields:
    def make(**changes: Any) -> ManifestFields:
        return replace(SAMPLE_FIELDS, **changes)

    return make


@pytest.fixture(scope="session")
def small_parts() -> dict[str, tuple[str, bytes]]:
    return {
        "demographics": ("application/cbor", b"\xa1\x01\x02"),
        "fingerprint/2/image": ("application/vnd.iso.19794-4", b"FIR\x00ridges"),
    }


@pytest.fixture(scope="session")
def small_package(
    make_fields: MakeFields,
    small_parts: dict[str, tuple[str, bytes]],
    signing_key: SoftwareSigningKey,
    recipient: SoftwareRecipientKey,
) -> SealedPackage:
    return seal_package(make_fields(), small_parts, signing_key, recipient.public_key)
