"""Seal a package: describe the parts, sign the description, encrypt both to the registry."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields as fields_of
from typing import Final, NamedTuple

from enrollment.core.errors import MalformedPackage
from enrollment.core.sealing import container, cose
from enrollment.core.sealing.manifest import MAX_MANIFEST_BYTES, Manifest, ManifestFields, Part
from enrollment.core.sealing.recipient_key import RecipientPublicKey
from enrollment.core.sealing.signing_key import SigningKey

MANIFEST_CONTENT_TYPE: Final = "application/vnd.enrollment.manifest+cbor"


class PartContent(NamedTuple):
    """A part as it goes in, and as it comes out."""

    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class SealedPackage:
    """A package ready to be sent.

    data: the sealed package.
    sha256: of data, 32 bytes: the package's name on the wire, and `previous_digest` of the station's next package.
    manifest: what was signed.
    """

    data: bytes
    sha256: bytes
    manifest: Manifest


def describe_parts(parts: Mapping[str, tuple[str, bytes]]) -> tuple[Part, ...]:
    """The parts as a manifest names them. Raises MalformedPackage."""
    return tuple(
        Part(name=name, media_type=media_type, length=len(content), sha256=hashlib.sha256(content).digest())
        for name, (media_type, content) in parts.items()
    )


def seal_package(
    fields: ManifestFields,
    parts: Mapping[str, tuple[str, bytes]],
    signing_key: SigningKey,
    recipient: RecipientPublicKey,
) -> SealedPackage:
    """Make the package that `verify.open_package` opens.

    parts: name -> (media type, bytes), in the order in which they shall lie in the package.
    Raises MalformedPackage for whatever the registry would refuse: a field, a name, an empty part, a size.
    """
    contents = [content for _, content in parts.values()]
    manifest = Manifest(
        **{field.name: getattr(fields, field.name) for field in fields_of(ManifestFields)},
        recipient_key_id=recipient.key_id,
        parts=describe_parts(parts),
    )
    payload = manifest.encode()
    if len(payload) > MAX_MANIFEST_BYTES:
        raise MalformedPackage(f"a manifest of {len(payload)} bytes is longer than {MAX_MANIFEST_BYTES}")
    signed_manifest = cose.sign(payload, MANIFEST_CONTENT_TYPE, signing_key)
    header = container.encode_header(manifest.recipient_key_id)
    size = container.sealed_size(len(signed_manifest), sum(map(len, contents)))
    if size > container.MAX_PACKAGE_BYTES:
        raise MalformedPackage(f"a package of {size} bytes is longer than {container.MAX_PACKAGE_BYTES}", length=size)
    data = header + recipient.seal(container.encode_body(signed_manifest, contents), header)
    return SealedPackage(data=data, sha256=hashlib.sha256(data).digest(), manifest=manifest)
