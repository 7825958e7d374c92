"""Basic Access Control: both sides prove that they know the zone's fields, and agree on 3DES keys.

    00 84 GET CHALLENGE            RND.IC, 8 octets
    00 82 EXTERNAL AUTHENTICATE    E(RND.IFD RND.IC K.IFD) MAC  ->  E(RND.IC RND.IFD K.IC) MAC

Source: ICAO Doc 9303-11, 8th edition, 4.3; worked example in its appendix D.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final

from enrollment.core.chip.access.keys import TRIPLE_DES
from enrollment.core.chip.access.password import AccessKey, PasswordKind
from enrollment.core.chip.access.refusals import refused_password
from enrollment.core.chip.access.secure_messaging import Session
from enrollment.core.chip.access.suites import MAC_OCTETS, padded, suite_of
from enrollment.core.chip.apdu import Command, Transmit
from enrollment.core.errors import CardNotGenuine, InvalidInput, MalformedCardAnswer

STEP: Final = "basic access control"
_RANDOM_OCTETS, _KEY_OCTETS = 8, 16
_SEALED_OCTETS: Final = 2 * _RANDOM_OCTETS + _KEY_OCTETS
_NO_COUNTER: Final = b""  # 3DES encrypts from zero


def open_by_bac(transmit: Transmit, key: AccessKey, chance: Callable[[int], bytes]) -> Session:
    """The session. The application must be selected.

    Raises InvalidInput for a CAN, WrongCardPassword, CardRefused, MalformedCardAnswer, and CardNotGenuine where the
    card cannot prove to know the zone.
    """
    if key.kind is not PasswordKind.ZONE:
        raise InvalidInput("basic access control is opened by the machine readable zone, not by the CAN", step=STEP)
    suite = suite_of(key.secret[:_KEY_OCTETS], TRIPLE_DES)
    challenge = transmit(Command(0x00, 0x84, 0, 0, le=_RANDOM_OCTETS)).expect("GET CHALLENGE")
    if len(challenge) != _RANDOM_OCTETS:
        raise MalformedCardAnswer("GET CHALLENGE: not 8 octets", step=STEP, length=len(challenge))

    ours, our_key = chance(_RANDOM_OCTETS), chance(_KEY_OCTETS)
    sealed = suite.encrypt(_NO_COUNTER, ours + challenge + our_key)
    data = sealed + suite.mac(padded(sealed, suite.block))
    answer = transmit(Command(0x00, 0x82, 0, 0, data, le=_SEALED_OCTETS + MAC_OCTETS))
    found = refused_password(answer, STEP).expect(STEP)
    if len(found) != _SEALED_OCTETS + MAC_OCTETS:
        raise MalformedCardAnswer(f"{STEP}: not 40 octets", step=STEP, length=len(found))

    theirs, mac = found[:_SEALED_OCTETS], found[_SEALED_OCTETS:]
    if not hmac.compare_digest(suite.mac(padded(theirs, suite.block)), mac):
        raise CardNotGenuine(f"{STEP}: the card does not prove to know its zone", step=STEP)
    opened = suite.decrypt(_NO_COUNTER, theirs)
    if not hmac.compare_digest(opened[: 2 * _RANDOM_OCTETS], challenge + ours):
        raise CardNotGenuine(f"{STEP}: the card answers another challenge", step=STEP)
    their_key = int.from_bytes(opened[2 * _RANDOM_OCTETS :], "big")
    seed = (int.from_bytes(our_key, "big") ^ their_key).to_bytes(_KEY_OCTETS, "big")
    return Session(transmit, suite_of(seed, TRIPLE_DES), challenge[4:] + ours[4:])
