"""That the chip is no copy: active authentication and chip authentication.

    00 88 INTERNAL AUTHENTICATE    8 octets of ours -> a signature under the key of EF.DG15
    00 22 41A4 MSE:Set AT          80 protocol (, 84 key number)
    00 86 GENERAL AUTHENTICATE     7C { 80 our one-time point } -> 7C {}; then all goes on under the agreed keys

Chip authentication says nothing by itself: the next answer under the new keys proves it. The keys are only as good as
the files that they stand in: whoever uses these has verified EF.DG14 and EF.DG15 against the security object.
Sources: ICAO Doc 9303-11, 8th edition, 6.1 and 6.2; signatures r || s: BSI TR-03111, 5.2.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from enrollment.core.chip import iso9796_2
from enrollment.core.chip.access import curve as curves
from enrollment.core.chip.access.secure_messaging import Session
from enrollment.core.chip.apdu import MAX_SHORT_LE, Command, Transmit
from enrollment.core.chip.dg15_public_key import CardPublicKey
from enrollment.core.chip.public_keys import load_public_key
from enrollment.core.chip.security_infos import (
    ACTIVE_AUTHENTICATION,
    CHIP_AUTHENTICATION_ECDH,
    PUBLIC_KEY_ECDH,
    SecurityInfo,
    algorithm_of,
    encoded_identifier,
)
from enrollment.core.errors import (
    CardNotGenuine,
    CardRefused,
    MalformedCardAnswer,
    MalformedRecord,
    SignatureInvalid,
)
from enrollment.core.records.data_object import DataObject, content_of, encode_objects

ACTIVE_STEP: Final = "active authentication"
CHIP_STEP: Final = "chip authentication"
CHALLENGE_OCTETS: Final = 8

_PLAIN_ECDSA: Final = "0.4.0.127.0.7.1.1.4.1"
_ECDSA_DIGESTS: Final[Mapping[str, hashes.HashAlgorithm]] = {
    f"{_PLAIN_ECDSA}.1": hashes.SHA1(),  # noqa: S303 - over a challenge of ours, that no collision serves
    f"{_PLAIN_ECDSA}.2": hashes.SHA224(),
    f"{_PLAIN_ECDSA}.3": hashes.SHA256(),
    f"{_PLAIN_ECDSA}.4": hashes.SHA384(),
    f"{_PLAIN_ECDSA}.5": hashes.SHA512(),
}
_AES_OCTETS: Final = {f"{CHIP_AUTHENTICATION_ECDH}.{last}": octets for last, octets in ((2, 16), (3, 24), (4, 32))}


@dataclass(frozen=True, slots=True)
class ChipKey:
    """What chip authentication needs of EF.DG14. key_id: None where the card has one key only."""

    protocol: str
    public_key: ec.EllipticCurvePublicKey
    key_id: int | None


def active_digest(infos: Sequence[SecurityInfo], default: str) -> hashes.HashAlgorithm | None:
    """The digest under a card's ECDSA signatures by EF.DG14, or by `default` (dotted) where it names none.

    None for an algorithm that is not spoken here. Raises MalformedRecord.
    """
    named = next((algorithm_of(info) for info in infos if info.protocol == ACTIVE_AUTHENTICATION), default)
    return _ECDSA_DIGESTS.get(named)


def authenticate_actively(
    transmit: Transmit, key: CardPublicKey, digest: hashes.HashAlgorithm | None, chance: Callable[[int], bytes]
) -> None:
    """The chip signs a challenge. digest: for keys on a curve; those of RSA name their own in the signature.

    Raises CardRefused, and CardNotGenuine where the signature is not the key's.
    """
    challenge = chance(CHALLENGE_OCTETS)
    le = max((key.key_size + 7) // 8, MAX_SHORT_LE)
    signature = transmit(Command(0x00, 0x88, 0, 0, challenge, le=le)).expect("INTERNAL AUTHENTICATE")
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            _verify_plain(key, digest, signature, challenge)
        else:
            iso9796_2.verify(key, signature, challenge)
    except (InvalidSignature, SignatureInvalid, UnsupportedAlgorithm):
        message = f"{ACTIVE_STEP}: the chip does not know the key that it was issued with"
        raise CardNotGenuine(message, step=ACTIVE_STEP) from None


def chip_key(infos: Sequence[SecurityInfo]) -> ChipKey | None:
    """The key and protocol of EF.DG14 with the longest AES key; None where there are none that are spoken here."""
    found: list[ChipKey] = []
    for info in infos:
        if info.protocol not in _AES_OCTETS or (info.parameter or 0) < 0:
            continue
        for key in infos:  # a protocol without a number goes with the only key, 9303-11 9.2.5 and 9.2.6
            point = _public_key(key) if key.protocol == PUBLIC_KEY_ECDH and key.parameter == info.parameter else None
            if point is not None:
                found.append(ChipKey(info.protocol, point, key.parameter))
    return max(found, key=lambda key: _AES_OCTETS[key.protocol], default=None)


def authenticate_chip(session: Session, transmit: Transmit, key: ChipKey, chance: Callable[[int], bytes]) -> Session:
    """Agree with the chip's key; the new session, which its first answer proves: see `prove`.

    session: the present one, which ends. transmit: beneath it. Raises CardRefused, MalformedCardAnswer.
    """
    curve = key.public_key.curve
    identifier = content_of(encoded_identifier(key.protocol), 0x06, CHIP_STEP)
    asked = [DataObject(0x80, identifier)]
    if key.key_id is not None:
        asked.append(DataObject(0x84, key.key_id.to_bytes(-(-max(key.key_id.bit_length(), 1) // 8), "big")))
    session.send(Command(0x00, 0x22, 0x41, 0xA4, encode_objects(asked))).expect("MSE:Set AT of chip authentication")
    ours = curves.scalar(curve, chance)
    point = DataObject(0x80, curves.encoded(curves.times_generator(curve, ours))).encode()
    told = DataObject(0x7C, point).encode()
    answer = session.send(Command(0x00, 0x86, 0, 0, told, le=MAX_SHORT_LE)).expect("GENERAL AUTHENTICATE")
    try:
        content_of(answer, 0x7C, CHIP_STEP)
    except MalformedRecord as error:
        raise MalformedCardAnswer(str(error), step=CHIP_STEP) from None
    return Session.agreed(transmit, curves.shared(ours, key.public_key), _AES_OCTETS[key.protocol])


def prove(session: Session, command: Command) -> None:
    """Send a harmless command under new keys: only a chip that knows its private key answers it.

    Raises CardNotGenuine.
    """
    try:
        session.send(command)
    except (MalformedCardAnswer, CardRefused):
        message = f"{CHIP_STEP}: the chip does not know the private key that it was issued with"
        raise CardNotGenuine(message, step=CHIP_STEP) from None


def _verify_plain(
    key: ec.EllipticCurvePublicKey, digest: hashes.HashAlgorithm | None, signature: bytes, challenge: bytes
) -> None:
    octets = (key.curve.group_order.bit_length() + 7) // 8
    if digest is None or len(signature) != 2 * octets:
        raise SignatureInvalid("the signature is not of its key's length", octets=len(signature))
    r, s = (int.from_bytes(part, "big") for part in (signature[:octets], signature[octets:]))
    key.verify(encode_dss_signature(r, s), challenge, ec.ECDSA(digest))


def _public_key(info: SecurityInfo) -> ec.EllipticCurvePublicKey | None:
    """The point; None for one that is not on a curve known here."""
    try:
        key = load_public_key(info.required)
    except MalformedRecord:
        return None
    known = {curve.name for curve in curves.BY_PARAMETER.values()}
    return key if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in known else None
