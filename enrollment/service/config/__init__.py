"""The station's configuration: station.toml -> frozen dataclasses. The only reader of files and environment.

[station]   id
[state]     folder (relative to the file): station.db and keys/; passphrase_file (optional)
[listen]    socket, socket_mode
[share]     address, folder (optional): other PCs may use this station's devices over mutual TLS
[registry]  address, trust, ca, certificate, private_key (the last in the keys folder when not given)
[devices]   addresses, poll_s
[plans]     folder (optional): plans of this point, beside and before the built-in ones
[cards]     profiles, trust, revocation_lists, signer_certificate, signer_key, keys, key_version; token_module,
            token_label, token_pin_file and signer_token_key; insert_timeout_s, return_timeout_s (all optional): this
            station writes and reads cards
[outbox]    chunk_bytes, backoff_min_s, backoff_max_s, call_timeout_s
[hand_over] false_match_rate, tries, tries_in_all, shift_hours
"""

from enrollment.service.config.clock import Clock, SystemClock
from enrollment.service.config.plans_and_profiles import load_card_profiles, load_plans
from enrollment.service.config.settings import (
    CardsConfig,
    DevicesConfig,
    HandOverConfig,
    OutboxConfig,
    RegistryConfig,
    ShareConfig,
    StationConfig,
)
from enrollment.service.config.station_file import FALSE_MATCH_RATES, SHARE_FOLDER, default_cards, load_config
from enrollment.service.config.toml_table import ConfigInvalid, is_address

__all__ = [
    "FALSE_MATCH_RATES",
    "SHARE_FOLDER",
    "CardsConfig",
    "Clock",
    "ConfigInvalid",
    "DevicesConfig",
    "HandOverConfig",
    "OutboxConfig",
    "RegistryConfig",
    "ShareConfig",
    "StationConfig",
    "SystemClock",
    "default_cards",
    "is_address",
    "load_card_profiles",
    "load_config",
    "load_plans",
]
