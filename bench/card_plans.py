"""Plans of cards whose files are chance, and the keys that write them on the firmware model."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from enrollment.core.chip.card_keys import FACTORY_VERSION, CardKeys, KeySet, MasterKey, aes_cmac
from enrollment.core.chip.card_profile import card_profile_from_table
from enrollment.core.chip.personalisation_plan import CardPlan, CardSecrets

PROFILE: Final = Path(__file__).parents[1] / "enrollment/service/card_profiles/vn-cccd.toml"
FACTORY: Final = KeySet(*(bytes(range(0x40, 0x50)),) * 3)


def card_plan(sizes: Mapping[str, int], others: int, chance: Callable[[int], bytes]) -> CardPlan:
    """sizes: octets of files by name. others: of those that it does not name."""
    profile = card_profile_from_table(tomllib.loads(PROFILE.read_text("utf-8")))
    files = {file.name: chance(sizes.get(file.name, others)) for file in profile.files}
    key = ec.derive_private_key(7, ec.BrainpoolP256R1())
    return CardPlan(profile, files, CardSecrets("012345678", "900101", "350101", "345678", key, key))


def card_keys(master: bytes) -> CardKeys:
    """Those of the model's blank cards, and what a master key makes of them."""
    return CardKeys({FACTORY_VERSION: FACTORY, 1: MasterKey(lambda message: aes_cmac(master, message), len(master))})
