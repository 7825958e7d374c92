"""Procedures and card profiles: the built-in ones, and those of the station's folders, which replace them."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Final

from enrollment.core.chip.card_profile import CardProfile, card_profile_from_table
from enrollment.core.dossier.plan import Plan, parse_plan
from enrollment.core.errors import InvalidCardProfile, InvalidPlan
from enrollment.service.config.settings import StationConfig
from enrollment.service.config.toml_table import ConfigInvalid, read_file

MAX_BYTES: Final = 256 * 1024  # of one plan or profile


def load_plans(config: StationConfig) -> dict[str, Plan]:
    """The station's plans by name: the built-in ones, and those of its folder, which replace them.

    Raises ConfigInvalid naming the file.
    """
    built_in = resources.files("enrollment.service") / "plans"
    texts = {entry.name: entry.read_text("utf-8") for entry in built_in.iterdir() if entry.name.endswith(".toml")}
    plans = {plan.plan_id: plan for plan in (parse_plan(text) for text in texts.values())}
    if config.plans_folder is not None:
        for path in sorted(config.plans_folder.glob("*.toml")):
            try:
                plan = parse_plan(read_file(path, MAX_BYTES).decode("utf-8"))
            except (InvalidPlan, UnicodeDecodeError) as error:
                raise ConfigInvalid(f"the plan {path} cannot be used: {error}", file=str(path)) from error
            plans[plan.plan_id] = plan
    return dict(sorted(plans.items()))


def load_card_profiles(config: StationConfig) -> dict[str, CardProfile]:
    """The station's card profiles by name: the built-in ones, and those of its folder, which replace them.

    Raises ConfigInvalid naming the file.
    """
    built_in = resources.files("enrollment.service") / "card_profiles"
    found = [(entry.name, entry.read_bytes()) for entry in built_in.iterdir() if entry.name.endswith(".toml")]
    if config.cards is not None and config.cards.profiles is not None:
        found += [(str(path), read_file(path, MAX_BYTES)) for path in sorted(config.cards.profiles.glob("*.toml"))]
    profiles = {}
    for name, content in found:
        try:
            profile = card_profile_from_table(tomllib.loads(content.decode("utf-8")))
        except (InvalidCardProfile, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
            raise ConfigInvalid(f"the card profile {name} cannot be used: {error}", file=name) from error
        profiles[profile.profile_id] = profile
    return dict(sorted(profiles.items()))
