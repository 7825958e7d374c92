"""Open and verify a sealed package. Whatever is wrong, nothing of the package is given out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from enrollment.core.errors import DigestMismatch, MalformedPackage, WrongRecipient
from enrollment.core.sealing import container
from enrollment.core.sealing.cose import SignedMessage
from enrollment.core.sealing.manifest import MAX_MANIFEST_BYTES, Manifest
from enrollment.core.sealing.recipient_key import RecipientPrivateKey
from enrollment.core.sealing.seal import MANIFEST_CONTENT_TYPE, PartContent
from enrollment.core.sealing.signing_key import VerifyingKey


@dataclass(frozen=True, slots=True)
class OpenedPackage:
    """A package that passed every check.

    manifest: as it was signed.
    parts: name -> (media type, bytes), in the manifest's order.
    signer_key_id: of the trusted key whose two signatures hold, 32 bytes.
    signed_manifest: the COSE_Sign that they stand in.
    """

    manifest: Manifest
    parts: Mapping[str, PartContent] = field(repr=False)
    signer_key_id: bytes
    signed_manifest: bytes = field(repr=False)


def open_package(
    data: bytes, recipients: Mapping[bytes, RecipientPrivateKey], trusted: Mapping[bytes, VerifyingKey]
) -> OpenedPackage:
    """Open a package with every check of docs/package-format.md, in this order:

    1. size, magic, version and suite are those of the format          else MalformedPackage
    2. it is sealed to one of these recipients                         else WrongRecipient
    3. the seal holds, header included                                 else DigestMismatch
    4. the body holds a COSE_Sign of the one allowed form              else MalformedPackage
    5. both signatures name one trusted signer                         else UnknownSigner
    6. both signatures hold, ES256 and ML-DSA-65                       else SignatureInvalid
    7. the manifest is deterministic, complete and within its limits   else MalformedPackage
    8. the manifest names the recipient that the header names          else WrongRecipient
    9. the parts fill the body exactly                                 else MalformedPackage
    10. every part has its length and its SHA-256                      else DigestMismatch

    recipients: key id -> what opens the seal. Several, where keys were rotated and packages of before are on their way.
    trusted: key id -> verifying key. The caller decides which keys may speak for which station: sequence, previous
        digest and station are facts of the manifest that only a ledger can judge.
    """
    header, recipient_key_id = container.split_package(data)  # 1
    recipient = recipients.get(recipient_key_id)
    if recipient is None or recipient.key_id != recipient_key_id:  # 2
        raise WrongRecipient("sealed to a key that opens nothing here", sealed_to=recipient_key_id.hex())
    body = recipient.open_sealed(data[container.HEADER_BYTES :], header)  # 3
    signed_manifest, contents = container.split_body(body)  # 4
    message = SignedMessage.decode(signed_manifest, MANIFEST_CONTENT_TYPE, MAX_MANIFEST_BYTES)
    message.verify(trusted)  # 5, 6
    manifest = Manifest.decode(message.payload)  # 7
    if manifest.recipient_key_id != recipient_key_id:  # 8
        raise WrongRecipient(
            "signed for another recipient than it is sealed to", signed_for=manifest.recipient_key_id.hex()
        )
    promised = sum(part.length for part in manifest.parts)
    if promised != len(contents):  # 9
        raise MalformedPackage("the parts do not fill the package", promised=promised, found=len(contents))
    parts: dict[str, PartContent] = {}
    start = 0
    for part in manifest.parts:  # 10
        content = bytes(contents[start : start + part.length])
        if hashlib.sha256(content).digest() != part.sha256:
            raise DigestMismatch("a part differs from the digest in the manifest", part=part.name)
        parts[part.name] = PartContent(part.media_type, content)
        start += part.length
    return OpenedPackage(manifest, parts, message.key_id, signed_manifest)
