"""Basic Access Control, card side (ICAO Doc 9303-11, 4.3)."""

from __future__ import annotations

import hmac

from firmware_stubs.card.apdu import Refused, Status
from firmware_stubs.card.channel import pad
from firmware_stubs.card.secure_messaging import ENCRYPTION, MAC, SecureMessaging, TripleDesSuite, derive_3des


def suite(seed: bytes) -> TripleDesSuite:
    """The two 3DES keys of a seed, 16 bytes."""
    return TripleDesSuite(derive_3des(seed, ENCRYPTION), derive_3des(seed, MAC))


def mutual_authenticate(
    data: bytes, challenge: bytes, mrz_digest: bytes, own_key: bytes
) -> tuple[bytes, SecureMessaging]:
    """Answer EXTERNAL AUTHENTICATE: EIC || MIC, and the session. Raises Refused with 6700 or 6300.

    data: EIFD || MIFD, 40 bytes. challenge: that GET CHALLENGE told. own_key: KIC, 16 random bytes.
    """
    if len(data) != 40:
        raise Refused(Status.WRONG_LENGTH)
    keys = suite(mrz_digest[:16])
    sealed, mac = data[:32], data[32:]
    if not hmac.compare_digest(keys.mac(pad(sealed, keys.block)), mac):
        raise Refused(Status.AUTHENTICATION_FAILED)
    opened = keys.cipher(b"").decryptor().update(sealed)
    theirs, told, their_key = opened[:8], opened[8:16], opened[16:]
    if not hmac.compare_digest(told, challenge):
        raise Refused(Status.AUTHENTICATION_FAILED)
    answer = keys.cipher(b"").encryptor().update(challenge + theirs + own_key)
    seed = bytes(one ^ other for one, other in zip(their_key, own_key, strict=True))
    session = SecureMessaging(suite(seed), challenge[4:] + theirs[4:])
    return answer + keys.mac(pad(answer, keys.block)), session
