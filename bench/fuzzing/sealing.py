"""Targets: deterministic CBOR, and what a registry or a station reads of it from the other."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.fuzzing.target import Target, require
from enrollment.core.dossier.plan import parse_plan, plan_from_table, plan_to_table
from enrollment.core.errors import EnrollmentError, MalformedPackage
from enrollment.core.sealing import container, cose
from enrollment.core.sealing import deterministic_cbor as cbor
from enrollment.core.sealing.manifest import MAX_MANIFEST_BYTES, Manifest
from enrollment.core.sealing.public_keys import (
    LINE_LENGTH,
    RegistryTrust,
    decode_registry_trust,
    decode_verifying_key,
    encode_registry_trust,
    encode_verifying_key,
)
from enrollment.core.sealing.receipt import (
    MAX_RECEIPT_PAYLOAD_BYTES,
    RECEIPT_CONTENT_TYPE,
    Receipt,
    sign_receipt,
    verify_receipt,
)
from enrollment.core.sealing.recipient_announcement import (
    ANNOUNCEMENT_CONTENT_TYPE,
    MAX_ANNOUNCEMENT_PAYLOAD_BYTES,
    RecipientAnnouncement,
    sign_announcement,
    verify_announcement,
)
from enrollment.core.sealing.seal import MANIFEST_CONTENT_TYPE, SealedPackage, seal_package
from enrollment.core.sealing.signing_key import VerifyingKey
from enrollment.core.sealing.verify import open_package
from enrollment.registry.keys import SoftwareRecipientKey, SoftwareSigningKey
from tests.golden.sealing.sample_fields import SAMPLE_FIELDS

PLANS: Final = Path(__file__).parents[2] / "enrollment" / "service" / "plans"
SIGNER: Final = SoftwareSigningKey.generate()
RECIPIENT: Final = SoftwareRecipientKey.generate()
TRUSTED: Final[dict[bytes, VerifyingKey]] = {SIGNER.key_id: SIGNER.verifying_key}
RECEIPT: Final = Receipt(
    package_sha256=bytes(32),
    package_id=SAMPLE_FIELDS.package_id,
    station_id=SAMPLE_FIELDS.station_id,
    sequence=SAMPLE_FIELDS.sequence,
    received_at_ms=1_760_000_302_000,
    registry_id="registry-1",
)
ANNOUNCEMENT: Final = RecipientAnnouncement(
    registry_id="registry-1", issued_at_ms=1_760_000_302_000, recipient=RECIPIENT.public_key
)


def sealed() -> SealedPackage:
    return seal_package(
        SAMPLE_FIELDS, {"a.bin": ("application/octet-stream", b"content")}, SIGNER, RECIPIENT.public_key
    )


def canonical(data: bytes) -> None:
    value = cbor.decode(data, what="an item", max_bytes=len(data))
    require(cbor.encode(value) == data, "the item does not come back")  # type: ignore[arg-type]  # it was read as one


def manifest(data: bytes) -> None:
    require(Manifest.decode(data).encode() == data, "the manifest does not come back")


def receipt(data: bytes) -> None:
    require(Receipt.decode(data).encode() == data, "the receipt does not come back")


def signed_receipt(data: bytes) -> None:
    message = cose.SignedMessage.decode(data, RECEIPT_CONTENT_TYPE, MAX_RECEIPT_PAYLOAD_BYTES)
    require(message.encode() == data, "the message does not come back")
    verify_receipt(data, TRUSTED, bytes(32))
    require(message.payload == RECEIPT.encode(), "a receipt that nobody signed holds")


def signed_announcement(data: bytes) -> None:
    message = cose.SignedMessage.decode(data, ANNOUNCEMENT_CONTENT_TYPE, MAX_ANNOUNCEMENT_PAYLOAD_BYTES)
    require(message.encode() == data, "the message does not come back")
    verify_announcement(data, TRUSTED, ANNOUNCEMENT.registry_id)
    require(message.payload == ANNOUNCEMENT.encode(), "an announcement that nobody signed holds")


def announcement(data: bytes) -> None:
    require(RecipientAnnouncement.decode(data).encode() == data, "the announcement does not come back")


def package(data: bytes) -> None:
    """Its outside, then the octets as the body that the seal hides."""
    try:
        container.split_package(data)
    except MalformedPackage:
        signed, contents = container.split_body(data)
        require(container.encode_body(signed, [bytes(contents)]) == data, "the body does not come back")
        message = cose.SignedMessage.decode(signed, MANIFEST_CONTENT_TYPE, MAX_MANIFEST_BYTES)
        message.verify(TRUSTED)
        Manifest.decode(message.payload)
    else:
        open_package(data, {RECIPIENT.key_id: RECIPIENT}, TRUSTED)


def key_file(data: bytes) -> None:
    """One kind of file, else the other."""
    try:
        decode_verifying_key(data)
    except EnrollmentError:
        decode_registry_trust(data)


def key_file_content(data: bytes) -> None:
    """As `key_file`, of the CBOR inside: the armour would hide it."""
    for kind in ("ENROLLMENT VERIFYING KEY", "ENROLLMENT REGISTRY TRUST"):
        text = base64.b64encode(data).decode("ascii")
        lines = [text[start : start + LINE_LENGTH] for start in range(0, len(text), LINE_LENGTH)]
        armoured = "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""]).encode("ascii")
        with contextlib.suppress(EnrollmentError):
            key_file(armoured)


def key_file_seeds() -> Iterator[bytes]:
    yield encode_verifying_key(SIGNER.verifying_key)
    trust = RegistryTrust(registry_id="registry-1", recipient=RECIPIENT.public_key, receipt_key=SIGNER.verifying_key)
    yield encode_registry_trust(trust)


def key_content_seeds() -> Iterator[bytes]:
    for armoured in key_file_seeds():
        yield base64.b64decode(b"".join(armoured.strip().split(b"\n")[1:-1]))


def package_seeds() -> Iterator[bytes]:
    made = sealed()
    yield made.data
    signed = cose.sign(made.manifest.encode(), MANIFEST_CONTENT_TYPE, SIGNER)
    yield container.encode_body(signed, [b"content"])


def plan(data: bytes) -> None:
    found = parse_plan(data.decode("utf-8", "replace"))
    require(plan_from_table(plan_to_table(found)) == found, "the plan does not come back")


def plan_seeds() -> Iterator[bytes]:
    for path in sorted(PLANS.glob("*.toml")):
        yield path.read_bytes()


SEALING_TARGETS: Final = (
    Target("CBOR", canonical, lambda: [sealed().manifest.encode(), RECEIPT.encode()], 1024),
    Target("manifest", manifest, lambda: [sealed().manifest.encode()]),
    Target("receipt", receipt, lambda: [RECEIPT.encode()], 1024),
    Target("signed-receipt", signed_receipt, lambda: [sign_receipt(RECEIPT, SIGNER)]),
    Target("announcement", announcement, lambda: [ANNOUNCEMENT.encode()]),
    Target("signed-announcement", signed_announcement, lambda: [sign_announcement(ANNOUNCEMENT, SIGNER)], 8192),
    Target("package", package, package_seeds, 8192),
    Target("key-file", key_file, key_file_seeds, 8192),
    Target("key-content", key_file_content, key_content_seeds),
    Target("plan", plan, plan_seeds),
)
