"""How a package lies in bytes: the sealed outside, and the body that the seal hides.

    sealed package                                body
    +--------+-------------------------+          +----------+-----------------------------+
    | 0      | magic, 8 bytes          |          | 0        | S, uint32                   |
    | 8      | format version, uint16  |          | 4        | signed manifest, S bytes    |
    | 10     | KEM id, uint16          |          | 4 + S    | part 1, part 2, ... in the  |
    | 12     | KDF id, uint16          |          |          | manifest's order, unpadded, |
    | 14     | AEAD id, uint16         |          |          | up to the body's end        |
    | 16     | recipient key id, 32    |          +----------+-----------------------------+
    +--------+-------------------------+
    | 48     | HPKE encapsulation, 1120|
    | 1168   | ciphertext of the body  |
    | end-16 | AEAD tag, 16            |
    +--------+-------------------------+

Integers are big-endian. The 48 bytes of the header are the `info` of HPKE: no bit of them can be changed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from enrollment.core.errors import MalformedPackage
from enrollment.core.sealing.cose import OVERHEAD_BYTES
from enrollment.core.sealing.field_rules import DIGEST_BYTES
from enrollment.core.sealing.manifest import FORMAT_VERSION, MAX_MANIFEST_BYTES
from enrollment.core.sealing.recipient_key import AEAD_ID, ENCAPSULATION_BYTES, KDF_ID, KEM_ID, TAG_BYTES

MAGIC: Final = b"\x89EPKG\r\n\x1a"  # a high byte and line ends, as PNG has them: shows a transfer in text mode
HEADER_BYTES: Final = 48
MAX_PACKAGE_BYTES: Final = 64 * 1024 * 1024
MIN_PACKAGE_BYTES: Final = HEADER_BYTES + ENCAPSULATION_BYTES + TAG_BYTES
MAX_SIGNED_MANIFEST_BYTES: Final = MAX_MANIFEST_BYTES + OVERHEAD_BYTES

_HEADER: Final = struct.Struct(f">8sHHHH{DIGEST_BYTES}s")
_LENGTH: Final = struct.Struct(">I")


def encode_header(recipient_key_id: bytes) -> bytes:
    """The 48 bytes before the encapsulation."""
    return _HEADER.pack(MAGIC, FORMAT_VERSION, KEM_ID, KDF_ID, AEAD_ID, recipient_key_id)


def split_package(data: bytes) -> tuple[bytes, bytes]:
    """Check size, magic, version and suite; returns the header and its recipient key id. Raises MalformedPackage."""
    if not MIN_PACKAGE_BYTES <= len(data) <= MAX_PACKAGE_BYTES:
        raise MalformedPackage(
            f"a package of {len(data)} bytes is outside {MIN_PACKAGE_BYTES}..{MAX_PACKAGE_BYTES}", length=len(data)
        )
    header = data[:HEADER_BYTES]
    magic, version, kem, kdf, aead, recipient_key_id = _HEADER.unpack(header)
    if magic != MAGIC:
        raise MalformedPackage("not a sealed package: it begins with other bytes")
    if version != FORMAT_VERSION:
        raise MalformedPackage(f"a package of format version {version} cannot be read here", version=version)
    if (kem, kdf, aead) != (KEM_ID, KDF_ID, AEAD_ID):
        raise MalformedPackage("a package must be sealed with the suite of its version", kem=kem, kdf=kdf, aead=aead)
    return header, recipient_key_id


def sealed_size(signed_manifest_bytes: int, parts_bytes: int) -> int:
    """Bytes of the sealed package around a signed manifest and parts of these sizes."""
    return MIN_PACKAGE_BYTES + _LENGTH.size + signed_manifest_bytes + parts_bytes


def encode_body(signed_manifest: bytes, parts: Sequence[bytes]) -> bytes:
    """Lay the signed manifest and the parts one after the other."""
    return b"".join([_LENGTH.pack(len(signed_manifest)), signed_manifest, *parts])


def split_body(body: bytes) -> tuple[bytes, memoryview]:
    """Returns the signed manifest, and a view of all parts' bytes. Raises MalformedPackage."""
    if len(body) < _LENGTH.size:
        raise MalformedPackage("a package's body is truncated", length=len(body))
    (length,) = _LENGTH.unpack_from(body)
    end = _LENGTH.size + length
    if length > MAX_SIGNED_MANIFEST_BYTES or end > len(body):
        raise MalformedPackage("a package's signed manifest does not fit", length=length)
    return body[_LENGTH.size : end], memoryview(body)[end:]
