"""Files with public keys, to be pinned: a station's verifying key, and the registry's trust file.

Text, so that they can be mailed, printed and compared: base64 lines of 64 characters between a BEGIN and an END line
(the strict form of RFC 7468 section 3), around deterministic CBOR (docs/package-format.md).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from enrollment.core.errors import MalformedPackage
from enrollment.core.sealing import deterministic_cbor as cbor
from enrollment.core.sealing.field_rules import require_text
from enrollment.core.sealing.recipient_key import RecipientPublicKey
from enrollment.core.sealing.signing_key import VerifyingKey

KEY_FILE_VERSION: Final = 1
MAX_KEY_FILE_BYTES: Final = 16 * 1024
LINE_LENGTH: Final = 64  # characters of base64

_VERIFYING_KEY_LABEL: Final = "ENROLLMENT VERIFYING KEY"
_REGISTRY_TRUST_LABEL: Final = "ENROLLMENT REGISTRY TRUST"
_VERSION, _REGISTRY_ID, _RECIPIENT, _RECEIPT_KEY = range(1, 5)
_KEY_SET: Final = 2


@dataclass(frozen=True, slots=True)
class RegistryTrust:
    """What a station must know of its registry.

    registry_id: as receipts name it.
    recipient: the key to which packages are sealed.
    receipt_key: the key that signs receipts.
    Raises MalformedPackage.
    """

    registry_id: str
    recipient: RecipientPublicKey
    receipt_key: VerifyingKey

    def __post_init__(self) -> None:
        require_text("registry_id", self.registry_id)

    @property
    def receipt_keys(self) -> dict[bytes, VerifyingKey]:
        """The keys that receipt.verify_receipt trusts, by key id."""
        return {self.receipt_key.key_id: self.receipt_key}


def encode_verifying_key(key: VerifyingKey) -> bytes:
    """The file of a station's verifying key."""
    return _armour(_VERIFYING_KEY_LABEL, cbor.encode({_VERSION: KEY_FILE_VERSION, _KEY_SET: key.cose_key_set()}))


def decode_verifying_key(data: bytes) -> VerifyingKey:
    """Read the file of a station's verifying key. Raises MalformedPackage."""
    fields = _decode(_VERIFYING_KEY_LABEL, data)
    if fields.keys() != {_VERSION, _KEY_SET}:
        raise MalformedPackage("a verifying key file has missing or unknown keys")
    return VerifyingKey.from_cose_key_set(fields[_KEY_SET])


def encode_registry_trust(trust: RegistryTrust) -> bytes:
    """The registry trust file."""
    fields: dict[int, cbor.CborValue] = {
        _VERSION: KEY_FILE_VERSION,
        _REGISTRY_ID: trust.registry_id,
        _RECIPIENT: [trust.recipient.ml_kem_768, trust.recipient.x25519],
        _RECEIPT_KEY: trust.receipt_key.cose_key_set(),
    }
    return _armour(_REGISTRY_TRUST_LABEL, cbor.encode(fields))


def decode_registry_trust(data: bytes) -> RegistryTrust:
    """Read the registry trust file. Raises MalformedPackage."""
    fields = _decode(_REGISTRY_TRUST_LABEL, data)
    match fields:
        case {2: str() as registry_id, 3: [bytes() as ml_kem_768, bytes() as x25519], 4: key_set} if len(fields) == 4:
            return RegistryTrust(
                registry_id=registry_id,
                recipient=RecipientPublicKey(ml_kem_768=ml_kem_768, x25519=x25519),
                receipt_key=VerifyingKey.from_cose_key_set(key_set),
            )
    raise MalformedPackage("a registry trust file has missing or unknown keys")


def _armour(label: str, content: bytes) -> bytes:
    text = base64.b64encode(content).decode("ascii")
    lines = [text[start : start + LINE_LENGTH] for start in range(0, len(text), LINE_LENGTH)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode("ascii")


def _decode(label: str, data: bytes) -> dict[int, object]:
    what = f"a file of type {label}"
    if len(data) > MAX_KEY_FILE_BYTES:
        raise MalformedPackage(f"{what} is longer than {MAX_KEY_FILE_BYTES} bytes", length=len(data))
    # Only line ends may differ: the file may have passed through mail or another system's editor.
    lines = data.replace(b"\r\n", b"\n").strip().split(b"\n")
    begin, end = f"-----BEGIN {label}-----".encode("ascii"), f"-----END {label}-----".encode("ascii")
    if len(lines) < 3 or lines[0] != begin or lines[-1] != end:
        raise MalformedPackage(f"{what} must lie between its BEGIN and END lines")
    try:
        content = base64.b64decode(b"".join(lines[1:-1]), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedPackage(f"{what} is not base64") from error
    if _armour(label, content) != b"\n".join([*lines, b""]):
        raise MalformedPackage(f"{what} is not in its one allowed form")
    fields = cbor.decode(content, what=what, max_bytes=MAX_KEY_FILE_BYTES)
    if not isinstance(fields, dict) or fields.get(_VERSION) != KEY_FILE_VERSION:
        raise MalformedPackage(f"{what} must be a map of version {KEY_FILE_VERSION}")
    return fields
