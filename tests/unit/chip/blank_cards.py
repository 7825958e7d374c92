"""Blank cards of the model, plans for them, and the keys that both know."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from enrollment.core.chip.apdu import Transmit
from enrollment.core.chip.card_keys import FACTORY_VERSION, CardKeyProvider, CardKeys, KeySet, MasterKey, aes_cmac
from enrollment.core.chip.card_profile import CardProfile, card_profile_from_table
from enrollment.core.chip.personalisation import Personalised, personalise
from enrollment.core.chip.personalisation_plan import CardPlan, CardSecrets, make_chip_keys
from enrollment.core.chip.security_infos import (
    BRAINPOOL_P256R1,
    CHIP_AUTHENTICATION_AES_128,
    PACE_ECDH_GM_AES_128,
    encode_card_access,
    numbered,
)
from firmware_stubs.card.card import Card
from firmware_stubs.card.memory import DEVELOPMENT_KEY, Memory
from firmware_stubs.card.profile import VN_CCCD
from tests.card_wire import CardWire

MASTER_KEY = bytes(range(0x60, 0x70))
KEY_VERSION = 1
_PROFILE = Path(__file__).parents[3] / "enrollment/service/card_profiles/vn-cccd.toml"
PROFILE: CardProfile = card_profile_from_table(tomllib.loads(_PROFILE.read_text()))
FILE_IDS = {file.name: int(file.file_id, 16) for file in PROFILE.files}
_SIZES = {"EF.DG2": 18_000, "EF.DG3": 16_000, "EF.SOD": 2_400, "EF.DG13": 700, "EF.DG1": 95}


def keys(master_key: bytes = MASTER_KEY, factory_key: bytes = DEVELOPMENT_KEY) -> CardKeys:
    """The factory's keys, and those that a master key makes."""
    master = MasterKey(lambda message: aes_cmac(master_key, message), len(master_key))
    return CardKeys({FACTORY_VERSION: KeySet(*(factory_key,) * 3), KEY_VERSION: master})


def chance(seed: int = 1) -> Callable[[int], bytes]:
    """Octets that are the same in every run."""
    return random.Random(seed).randbytes  # noqa: S311 - for tests


CARD_ACCESS = encode_card_access(
    [
        numbered(CHIP_AUTHENTICATION_AES_128, 1),
        numbered(PACE_ECDH_GM_AES_128, 2, BRAINPOOL_P256R1),
    ]
)
_CHIP_KEYS = make_chip_keys(PROFILE)


def plan_of(seed: int = 1, scale: float = 1.0) -> CardPlan:
    """A plan of some 38,000 octets; another card's for each seed. scale: of its large files."""
    sizes = {name: int(size * scale) if size > 500 else size for name, size in _SIZES.items()}
    of_this_card = chance(seed)
    files = {file.name: of_this_card(sizes.get(file.name, 120)) for file in PROFILE.files}
    files |= {"EF.COM": chance(0)(24), "EF.CardAccess": CARD_ACCESS}
    secrets = CardSecrets(f"{seed:09}", "900101", "<<<<<<", f"{seed:06}", _CHIP_KEYS.chip, _CHIP_KEYS.active)
    return CardPlan(PROFILE, files, secrets, KEY_VERSION)


def blank_card(number: int = 0, *, scp_i: int = VN_CCCD.scp_i, key: bytes = DEVELOPMENT_KEY) -> Card:
    """From the factory. key: of which its set is made."""
    memory = Memory.blank(number)
    memory.keys = (key,) * 3
    return Card(memory, replace(VN_CCCD, scp_i=scp_i))


def wire(transmit: Callable[[bytes], bytes]) -> Transmit:
    """To a card, or to what stands before one."""
    return CardWire(transmit).transmit


def write(
    exchange: Callable[[bytes], bytes],
    plan: CardPlan,
    provider: CardKeyProvider,
    *,
    block: int,
    challenge_source: Callable[[int], bytes],
    **on: Any,
) -> Personalised:
    """`personalise` over a wire that keeps no card waiting."""
    through = CardWire(exchange)
    return personalise(
        through.transmit,
        plan,
        provider,
        block=block,
        challenge_source=challenge_source,
        transmit_each=through.transmit_each,
        **on,
    )


def holds(card: Card, plan: CardPlan) -> bool:
    """Whether its files are the plan's."""
    files = {FILE_IDS[name]: octets for name, octets in plan.files.items()}
    return {fid: bytes(content) for fid, content in card.memory.files.items()} == files
