"""A card's plan as octets, for keeping it sealed until its card is finished: deterministic CBOR.

{ "files": {name: octets}, "zone": [number, birth, expiry], "can": digits, "chip", "active": PKCS #8, "keys": version }
"""

from __future__ import annotations

from typing import Any

import cbor2
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from enrollment.core.chip.card_profile import CardProfile
from enrollment.core.chip.personalisation_plan import CardPlan, CardSecrets
from enrollment.core.chip.signature_algorithms import SigningKey
from enrollment.core.errors import EnrollmentError
from enrollment.service.store.errors import StoredDataDamaged

_FILES, _ZONE, _CAN, _CHIP, _ACTIVE, _KEYS = "files", "zone", "can", "chip", "active", "keys"


def encode_plan(plan: CardPlan) -> bytes:
    """All of it but the profile."""
    secrets = plan.secrets
    table: dict[str, Any] = {
        _FILES: dict(plan.files),
        _ZONE: [secrets.document_number, secrets.date_of_birth, secrets.date_of_expiry],
        _CAN: secrets.can,
        _CHIP: _der(secrets.chip_key),
        _ACTIVE: _der(secrets.active_key),
        _KEYS: plan.key_version,
    }
    return cbor2.dumps(table, canonical=True)


def decode_plan(octets: bytes, profile: CardProfile) -> CardPlan:
    """Raises StoredDataDamaged for anything that `encode_plan` did not write."""
    try:
        table = cbor2.loads(octets)
        chip, active = (load_der_private_key(table[name], None) for name in (_CHIP, _ACTIVE))
        number, birth, expiry = table[_ZONE]
        if isinstance(chip, ec.EllipticCurvePrivateKey) and isinstance(active, SigningKey):
            secrets = CardSecrets(number, birth, expiry, table[_CAN], chip, active)
            return CardPlan(profile, table[_FILES], secrets, table[_KEYS])
    except (cbor2.CBORDecodeError, ValueError, TypeError, KeyError, UnsupportedAlgorithm, EnrollmentError) as error:
        raise StoredDataDamaged("a card's plan is not what was kept", kind=type(error).__name__) from None
    raise StoredDataDamaged("a card's plan is not what was kept", kind="keys")


def _der(key: SigningKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
