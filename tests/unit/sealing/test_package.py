"""Seal, open, and every way in which a package can be wrong."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import fields as fields_of
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.errors import (
    DigestMismatch,
    EnrollmentError,
    MalformedPackage,
    SignatureInvalid,
    UnknownSigner,
    WrongRecipient,
)
from enrollment.core.sealing import container, cose
from enrollment.core.sealing.manifest import MAX_PART_BYTES, Manifest, ManifestFields, Part
from enrollment.core.sealing.seal import MANIFEST_CONTENT_TYPE, SealedPackage, seal_package
from enrollment.core.sealing.signing_key import VerifyingKey
from enrollment.core.sealing.verify import OpenedPackage, open_package
from enrollment.registry.keys import SoftwareRecipientKey, SoftwareSigningKey

MakeFields = Callable[..., ManifestFields]
Parts = dict[str, tuple[str, bytes]]
Trusted = Mapping[bytes, VerifyingKey]
ManifestOf = Callable[..., Manifest]


@pytest.fixture(scope="module")
def seal_body(signing_key: SoftwareSigningKey, recipient: SoftwareRecipientKey) -> Callable[..., bytes]:
    """Seal what a careless or hostile station might have put together: a manifest, and any bytes after it."""

    def seal(manifest: Manifest, contents: list[bytes], signer: SoftwareSigningKey = signing_key) -> bytes:
        header = container.encode_header(recipient.key_id)
        signed = cose.sign(manifest.encode(), MANIFEST_CONTENT_TYPE, signer)
        return header + recipient.public_key.seal(container.encode_body(signed, contents), header)

    return seal


@pytest.fixture(scope="module")
def manifest_of(make_fields: MakeFields, recipient: SoftwareRecipientKey) -> ManifestOf:
    """A manifest of these parts, addressed to the recipient."""
    plain = make_fields()
    values: dict[str, Any] = {field.name: getattr(plain, field.name) for field in fields_of(plain)}
    return lambda *parts: Manifest(**values, recipient_key_id=recipient.key_id, parts=parts)


@pytest.fixture(scope="module")
def open_it(recipient: SoftwareRecipientKey, trusted: Trusted) -> Callable[[bytes], OpenedPackage]:
    return lambda data: open_package(data, {recipient.key_id: recipient}, trusted)


def test_an_opened_package_is_what_was_sealed(
    small_package: SealedPackage,
    small_parts: Parts,
    make_fields: MakeFields,
    signing_key: SoftwareSigningKey,
    recipient: SoftwareRecipientKey,
    trusted: Trusted,
) -> None:
    opened = open_package(small_package.data, {recipient.key_id: recipient}, trusted)
    assert opened.parts == small_parts
    assert list(opened.parts) == list(small_parts)
    assert opened.manifest == small_package.manifest
    assert opened.signer_key_id == signing_key.key_id
    assert opened.manifest.recipient_key_id == recipient.key_id
    given = make_fields()
    assert all(getattr(opened.manifest, field.name) == getattr(given, field.name) for field in fields_of(given))
    assert small_package.sha256 == hashlib.sha256(small_package.data).digest()


def test_two_seals_of_the_same_parts_differ(
    small_package: SealedPackage,
    small_parts: Parts,
    make_fields: MakeFields,
    signing_key: SoftwareSigningKey,
    recipient: SoftwareRecipientKey,
) -> None:
    again = seal_package(make_fields(), small_parts, signing_key, recipient.public_key)
    assert again.manifest == small_package.manifest
    assert again.sha256 != small_package.sha256


def test_no_part_can_be_read_in_the_sealed_bytes(small_package: SealedPackage, small_parts: Parts) -> None:
    for name, (media_type, content) in small_parts.items():
        for secret in (name.encode(), media_type.encode(), content):
            assert secret not in small_package.data[container.HEADER_BYTES :]


def test_every_flipped_byte_is_refused(small_package: SealedPackage, open_it: Callable[[bytes], object]) -> None:
    for at in range(len(small_package.data)):
        flipped = bytearray(small_package.data)
        flipped[at] ^= 1 << at % 8
        with pytest.raises(EnrollmentError):
            open_it(bytes(flipped))


def test_every_truncation_is_refused(small_package: SealedPackage, open_it: Callable[[bytes], object]) -> None:
    for length in range(len(small_package.data)):
        with pytest.raises(EnrollmentError):
            open_it(small_package.data[:length])


def test_a_trailing_byte_is_refused(small_package: SealedPackage, open_it: Callable[[bytes], object]) -> None:
    with pytest.raises(DigestMismatch):
        open_it(small_package.data + b"\x00")


@given(data=st.binary(max_size=300))
def test_random_bytes_are_malformed(open_it: Callable[[bytes], object], data: bytes) -> None:
    with pytest.raises(MalformedPackage):
        open_it(data)


@pytest.mark.parametrize(
    ("offset", "format_", "value"),
    [(0, "8s", b"\x89EPKG\n\x1a\x00"), (8, ">H", 2), (10, ">H", 0x0020), (12, ">H", 2), (14, ">H", 1)],
)
def test_another_header_is_malformed(
    small_package: SealedPackage, open_it: Callable[[bytes], object], offset: int, format_: str, value: object
) -> None:
    changed = bytearray(small_package.data)
    struct.pack_into(format_, changed, offset, value)
    with pytest.raises(MalformedPackage):
        open_it(bytes(changed))


def test_a_package_over_the_limit_is_malformed_before_it_is_opened(open_it: Callable[[bytes], object]) -> None:
    with pytest.raises(MalformedPackage, match="outside"):
        open_it(bytes(container.MAX_PACKAGE_BYTES + 1))


def test_another_recipient_is_told_so(
    small_package: SealedPackage,
    recipient: SoftwareRecipientKey,
    other_recipient: SoftwareRecipientKey,
    trusted: Trusted,
) -> None:
    with pytest.raises(WrongRecipient) as caught:
        open_package(small_package.data, {other_recipient.key_id: other_recipient}, trusted)
    assert caught.value.facts == {"sealed_to": recipient.key_id.hex()}


def test_a_relabelled_recipient_does_not_open_it(
    small_package: SealedPackage, other_recipient: SoftwareRecipientKey, trusted: Trusted
) -> None:
    relabelled = container.encode_header(other_recipient.key_id) + small_package.data[container.HEADER_BYTES :]
    with pytest.raises(DigestMismatch):
        open_package(relabelled, {other_recipient.key_id: other_recipient}, trusted)


def test_a_package_passed_on_to_another_recipient_is_refused(
    small_package: SealedPackage,
    recipient: SoftwareRecipientKey,
    other_recipient: SoftwareRecipientKey,
    trusted: Trusted,
) -> None:
    """Its first recipient opens it and seals the signed body anew, to somebody else."""
    header, _ = container.split_package(small_package.data)
    body = recipient.open_sealed(small_package.data[container.HEADER_BYTES :], header)
    new_header = container.encode_header(other_recipient.key_id)
    with pytest.raises(WrongRecipient, match="signed for another"):
        open_package(
            new_header + other_recipient.public_key.seal(body, new_header),
            {other_recipient.key_id: other_recipient},
            trusted,
        )


def test_an_unknown_signer_is_refused(small_package: SealedPackage, recipient: SoftwareRecipientKey) -> None:
    with pytest.raises(UnknownSigner):
        open_package(small_package.data, {recipient.key_id: recipient}, {})


def test_an_untrusted_station_cannot_sign_a_copy(
    small_package: SealedPackage,
    small_parts: Parts,
    other_signing_key: SoftwareSigningKey,
    seal_body: Callable[..., bytes],
    open_it: Callable[[bytes], object],
) -> None:
    contents = [content for _, content in small_parts.values()]
    with pytest.raises(UnknownSigner):
        open_it(seal_body(small_package.manifest, contents, other_signing_key))


def test_a_changed_part_with_a_matching_digest_does_not_verify(
    small_package: SealedPackage, recipient: SoftwareRecipientKey, open_it: Callable[[bytes], object]
) -> None:
    """Whoever changes a part must change its digest, and so breaks the signatures."""
    header, _ = container.split_package(small_package.data)
    body = recipient.open_sealed(small_package.data[container.HEADER_BYTES :], header)
    old = small_package.manifest.parts[0].sha256
    changed = body.replace(old, hashlib.sha256(b"\xa1\x01\x03").digest())[: -len(b"\xa1\x01\x02FIR\x00ridges")]
    changed += b"\xa1\x01\x03FIR\x00ridges"
    assert len(changed) == len(body)
    with pytest.raises(SignatureInvalid):
        open_it(header + recipient.public_key.seal(changed, header))


def test_swapped_parts_are_refused(
    manifest_of: ManifestOf, seal_body: Callable[..., bytes], open_it: Callable[[bytes], object]
) -> None:
    first, second = b"one", b"two"
    parts = tuple(
        Part(name=name, media_type="a/b", length=3, sha256=hashlib.sha256(content).digest())
        for name, content in (("one", first), ("two", second))
    )
    manifest = manifest_of(*parts)
    assert open_it(seal_body(manifest, [first, second]))
    with pytest.raises(DigestMismatch) as caught:
        open_it(seal_body(manifest, [second, first]))
    assert caught.value.facts == {"part": "one"}


@pytest.mark.parametrize("contents", [[b""], [b"on"], [b"one", b"x"], [b"one" * 1000]])
def test_parts_that_do_not_fill_the_body_are_refused(
    manifest_of: ManifestOf,
    seal_body: Callable[..., bytes],
    open_it: Callable[[bytes], object],
    contents: list[bytes],
) -> None:
    part = Part(name="one", media_type="a/b", length=3, sha256=hashlib.sha256(b"one").digest())
    with pytest.raises(MalformedPackage, match="fill"):
        open_it(seal_body(manifest_of(part), contents))


def test_a_moved_border_between_parts_is_refused(
    manifest_of: ManifestOf, seal_body: Callable[..., bytes], open_it: Callable[[bytes], object]
) -> None:
    digest = hashlib.sha256(b"one").digest()
    parts = (
        Part(name="one", media_type="a/b", length=4, sha256=digest),
        Part(name="two", media_type="a/b", length=2, sha256=digest),
    )
    with pytest.raises(DigestMismatch):
        open_it(seal_body(manifest_of(*parts), [b"one", b"one"]))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\x00\x00",
        b"\x00\x00\x00\x00",
        b"\x00\x00\x00\x01",
        b"\xff\xff\xff\xff" + bytes(200),
        struct.pack(">I", container.MAX_SIGNED_MANIFEST_BYTES + 1) + bytes(container.MAX_SIGNED_MANIFEST_BYTES + 1),
        b"\x00\x00\x00\x04\xd8\x62\x80\x00",
    ],
)
def test_a_body_of_another_structure_is_malformed(
    recipient: SoftwareRecipientKey, open_it: Callable[[bytes], object], body: bytes
) -> None:
    """Anybody can seal to a registry: its key is public."""
    header = container.encode_header(recipient.key_id)
    with pytest.raises(MalformedPackage):
        open_it(header + recipient.public_key.seal(body, header))


def test_a_manifest_that_is_signed_but_not_deterministic_is_malformed(
    small_package: SealedPackage,
    signing_key: SoftwareSigningKey,
    recipient: SoftwareRecipientKey,
    open_it: Callable[[bytes], object],
) -> None:
    payload = small_package.manifest.encode()
    loose = payload.replace(b"\x01\x01", b"\x01\x18\x01", 1)  # version 1, in two bytes
    header = container.encode_header(recipient.key_id)
    body = container.encode_body(cose.sign(loose, MANIFEST_CONTENT_TYPE, signing_key), [])
    with pytest.raises(MalformedPackage, match="deterministic"):
        open_it(header + recipient.public_key.seal(body, header))


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"portrait": ("image/png", b"")},
        {"Portrait": ("image/png", b"x")},
        {"portrait": ("png", b"x")},
        {"portrait": ("image/png", bytes(MAX_PART_BYTES + 1))},
        {f"part-{number}": ("a/b", b"x") for number in range(257)},
        {f"part-{number}": ("a/b", bytes(MAX_PART_BYTES)) for number in range(2)},  # 64 MiB and the framing
    ],
    ids=["none", "empty", "name", "media type", "part too long", "too many", "package too long"],
)
def test_what_the_registry_would_refuse_is_not_sealed(
    make_fields: MakeFields, signing_key: SoftwareSigningKey, recipient: SoftwareRecipientKey, parts: Parts
) -> None:
    with pytest.raises(MalformedPackage):
        seal_package(make_fields(), parts, signing_key, recipient.public_key)


def test_a_part_of_the_greatest_length_comes_back(
    make_fields: MakeFields,
    signing_key: SoftwareSigningKey,
    recipient: SoftwareRecipientKey,
    open_it: Callable[[bytes], OpenedPackage],
) -> None:
    parts = {"archive": ("application/pdf", bytes(MAX_PART_BYTES))}
    package = seal_package(make_fields(), parts, signing_key, recipient.public_key)
    assert open_it(package.data).parts == parts


def test_the_first_package_of_a_station_has_no_previous_digest(
    make_fields: MakeFields,
    small_parts: Parts,
    signing_key: SoftwareSigningKey,
    recipient: SoftwareRecipientKey,
    open_it: Callable[[bytes], OpenedPackage],
) -> None:
    first = make_fields(sequence=1, previous_digest=None)
    package = seal_package(first, small_parts, signing_key, recipient.public_key)
    assert open_it(package.data).manifest.previous_digest is None
    with pytest.raises(MalformedPackage):
        replace(first, sequence=2)
