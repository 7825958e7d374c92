"""station.toml -> StationConfig."""

from __future__ import annotations

import os
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Final

from enrollment.core.errors import EnrollmentError
from enrollment.core.sealing.field_rules import require_text
from enrollment.service.config.settings import (
    CardsConfig,
    DevicesConfig,
    HandOverConfig,
    OutboxConfig,
    RegistryConfig,
    ShareConfig,
    StationConfig,
)
from enrollment.service.config.toml_table import ConfigInvalid, TomlTable, read_file

MAX_CONFIG_BYTES: Final = 256 * 1024
SHARE_FOLDER: Final = "share"
CARDS_FOLDER: Final = "cards"
# Of a finger with two prints in the dossier, as far as core.fingerprint measured
FALSE_MATCH_RATES: Final = (2e-5, 1e-2)
MAX_SOCKET_PATH: Final = 107  # bytes; sun_path of sockaddr_un less its end


def load_config(path: Path) -> StationConfig:
    """Read station.toml. Raises ConfigInvalid, naming the file and the key."""
    path = path.resolve()
    try:
        content = tomllib.loads(read_file(path, MAX_CONFIG_BYTES).decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigInvalid(f"{path} is no TOML: {error}", file=str(path), problem="no TOML") from error

    def table(name: str) -> TomlTable:
        return TomlTable(path, name, content.pop(name, {}))

    station, state, listen, plans = table("station"), table("state"), table("listen"), table("plans")
    station_id = _station_id(station)
    folder = state.path("folder", path.parent) or path.parent
    socket = listen.path("socket", folder / "enrolld.sock") or folder / "enrolld.sock"
    if len(os.fsencode(socket)) > MAX_SOCKET_PATH:
        raise listen.wrong("socket", f"is longer than the {MAX_SOCKET_PATH} bytes that a Unix socket's path may have")
    socket_mode = listen.take("socket_mode", int, 0o660)
    if not 0 <= socket_mode <= 0o777:
        raise listen.wrong("socket_mode", "must be 0o000..0o777")
    config = StationConfig(
        station_id=station_id,
        folder=folder,
        socket=socket,
        socket_mode=socket_mode,
        passphrase_file=state.path("passphrase_file"),
        registry=_registry(table("registry"), folder) if "registry" in content else None,
        share=_share(table("share"), folder) if "share" in content else None,
        cards=_cards(table("cards"), folder) if "cards" in content else None,
        devices=_devices(table("devices")),
        outbox=_outbox(table("outbox")),
        plans_folder=plans.path("folder"),
        hand_over=_hand_over(table("hand_over")),
    )
    for rest in (station, state, listen, plans):
        rest.done()
    for name in content:
        raise ConfigInvalid(f"{path}: [{name[:64]}] is not known", file=str(path), key=name[:64])
    return config


def _station_id(table: TomlTable) -> str:
    station_id = str(table.take("id", str, required=True))
    try:
        require_text("station.id", station_id)
    except EnrollmentError as error:
        raise table.wrong("id", "must be 1..64 characters A-Z a-z 0-9 . _ @ -") from error
    return station_id


def _registry(table: TomlTable, folder: Path) -> RegistryConfig:
    keys = folder / "keys"
    config = RegistryConfig(
        address=table.address("address"),
        trust=table.path("trust", keys / "registry-trust.pem") or keys,
        ca=table.path("ca", keys / "registry-ca.pem") or keys,
        certificate=table.path("certificate", keys / "client-certificate.pem") or keys,
        private_key=table.path("private_key", keys / "client-key.pem") or keys,
    )
    table.done()
    return config


def _share(table: TomlTable, folder: Path) -> ShareConfig:
    config = ShareConfig(table.address("address"), table.path("folder", folder / SHARE_FOLDER) or folder)
    table.done()
    return config


def default_cards(folder: Path) -> CardsConfig:
    """Where a station's card files lie unless station.toml says otherwise. folder: the station's."""
    cards = folder / CARDS_FOLDER
    return CardsConfig(cards / "csca", cards / "crl", cards / "signer.pem", cards / "signer-key.pem", cards)


def _cards(table: TomlTable, folder: Path) -> CardsConfig:
    usual = default_cards(folder)
    config = CardsConfig(
        trust=table.path("trust", usual.trust) or folder,
        revocation_lists=table.path("revocation_lists", usual.revocation_lists) or folder,
        signer_certificate=table.path("signer_certificate", usual.signer_certificate) or folder,
        signer_key=table.path("signer_key", usual.signer_key) or folder,
        keys=table.path("keys", usual.keys) or folder,
        key_version=int(table.number("key_version", 1, 1, 127)),
        profiles=table.path("profiles"),
        token_module=table.path("token_module"),
        token_label=str(table.take("token_label", str, "")),
        token_pin_file=table.path("token_pin_file"),
        signer_token_key=str(table.take("signer_token_key", str, "")),
        insert_timeout_s=table.number("insert_timeout_s", 30.0, 0.1, 600),
        return_timeout_s=table.number("return_timeout_s", 15.0, 0.1, 600),
    )
    token = (config.token_module is not None, bool(config.token_label), config.token_pin_file is not None)
    if any(token) and not all(token):
        raise table.wrong("token_module", "needs token_label and token_pin_file beside it")
    if config.signer_token_key and not all(token):
        raise table.wrong("signer_token_key", "needs token_module, token_label and token_pin_file beside it")
    table.done()
    return config


def _devices(table: TomlTable) -> DevicesConfig:
    addresses = table.take("addresses", list, ["usb:"])
    if len(addresses) > 64 or not all(isinstance(address, str) and len(address) <= 500 for address in addresses):
        raise table.wrong("addresses", "must be a list of at most 64 strings")
    config = DevicesConfig(tuple(addresses), table.number("poll_s", 0.5, 0.05, 3600))
    table.done()
    return config


def _outbox(table: TomlTable) -> OutboxConfig:
    config = OutboxConfig(
        chunk_bytes=int(table.number("chunk_bytes", 256 * 1024, 1024, 1024 * 1024)),
        backoff_min_s=table.number("backoff_min_s", 1.0, 0.01, 3600),
        backoff_max_s=table.number("backoff_max_s", 300.0, 0.01, 86_400),
        call_timeout_s=table.number("call_timeout_s", 30.0, 0.1, 3600),
    )
    if config.backoff_max_s < config.backoff_min_s:
        raise table.wrong("backoff_max_s", "must not be less than backoff_min_s")
    table.done()
    return config


def _hand_over(table: TomlTable) -> HandOverConfig:
    config = HandOverConfig(
        false_match_rate=table.number("false_match_rate", 1e-4, *FALSE_MATCH_RATES),
        tries=int(table.number("tries", 3, 1, 20)),
        tries_in_all=int(table.number("tries_in_all", 9, 1, 100)),
        shift=timedelta(hours=table.number("shift_hours", 12.0, 0.0, 7 * 24.0)),
    )
    table.done()
    return config
