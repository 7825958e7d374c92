"""The master keys of cards in a token, which computes their CMACs.

A version's master key is the AES key with the label card-master-VERSION, CKA_SIGN, sensitive and not extractable:

    pkcs11-tool --module MODULE --token-label TOKEN --login --keygen --key-type AES:32 --label card-master-1 \\
        --usage-sign --sensitive

What blank cards are opened with is the batch's, not the country's: its file is that of card_keys_file.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Final

from enrollment.core.chip.card_keys import FACTORY_VERSION, OWN_VERSIONS, CardKeys, KeySet, MasterKey
from enrollment.service.keys.token import OpenToken, Token

MASTER_LABEL: Final = "card-master-"
_LABEL: Final = re.compile(MASTER_LABEL + "([0-9]{1,3})")


def card_keys_of_token(token: Token, factory: KeySet) -> CardKeys:
    """The keys of every version in the token, and the factory's. Raises KeysUnusable, naming what is missing."""

    def lengths(opened: OpenToken) -> dict[int, int]:
        found = _keys(opened)
        for key in found.values():
            token.require_kept(key)
        return {version: key.key_length // 8 for version, key in found.items()}

    versions = token.ask(lengths, "does not tell its keys")
    if not versions:
        raise token.unusable(f"has no AES key with a label {MASTER_LABEL}VERSION")
    sources: dict[int, KeySet | MasterKey] = {FACTORY_VERSION: factory}
    for version, octets in versions.items():
        sources[version] = MasterKey(partial(_cmac, token, version), octets)
    return CardKeys(sources)


def _cmac(token: Token, version: int, message: bytes) -> bytes:
    """AES-CMAC under a version's master key. Raises KeysUnusable."""

    def compute(opened: OpenToken) -> bytes:
        from pkcs11 import Mechanism

        key = _keys(opened).get(version)
        if key is None:
            raise token.unusable(f"has no key {MASTER_LABEL}{version} any more")
        return bytes(key.sign(message, mechanism=Mechanism.AES_CMAC))

    return token.ask(compute, "computes no AES-CMAC")


def _keys(opened: OpenToken) -> dict[int, Any]:
    """Master keys by version."""
    from pkcs11 import KeyType, ObjectClass

    found = {}
    for key in opened.keys(CLASS=ObjectClass.SECRET_KEY, KEY_TYPE=KeyType.AES):
        label = _LABEL.fullmatch(key.label)
        if label is not None and int(label[1]) in OWN_VERSIONS:
            found[int(label[1])] = key
    return found
