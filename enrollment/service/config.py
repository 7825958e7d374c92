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

from __future__ import annotations

import os
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any, Final, Protocol

from enrollment.core.chip.card_profile import CardProfile, card_profile_from_table
from enrollment.core.dossier.plan import Plan, parse_plan
from enrollment.core.errors import EnrollmentError, InvalidCardProfile, InvalidPlan
from enrollment.core.sealing.field_rules import require_text

MAX_CONFIG_BYTES: Final = 256 * 1024
MAX_PASSPHRASE_BYTES: Final = 4096
PASSPHRASE_CREDENTIAL: Final = "station-passphrase"  # noqa: S105 - its name among systemd's credentials
SHARE_FOLDER: Final = "share"
CARDS_FOLDER: Final = "cards"
FALSE_MATCH_RATES: Final = (
    2e-5,
    1e-2,
)  # of a finger with two prints in the dossier, as far as core.fingerprint measured
MAX_SOCKET_PATH: Final = 107  # bytes; sun_path of sockaddr_un less its end


class ConfigInvalid(EnrollmentError):
    """station.toml, or a file that it names, cannot be used."""

    reason = "CONFIG_INVALID"


class Clock(Protocol):
    """Time comes in here, so that tests need not wait for it."""

    def now(self) -> datetime:
        """The station's clock, UTC, aware. It may be wrong: for records only."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start: for every duration and expiry."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class RegistryConfig:
    """Where packages go, and whom to trust there. All paths are absolute."""

    address: str
    trust: Path
    ca: Path
    certificate: Path
    private_key: Path


@dataclass(frozen=True, slots=True)
class ShareConfig:
    """Where other PCs reach this station: host:port to listen on, and the folder of keys.sharing."""

    address: str
    folder: Path


@dataclass(frozen=True, slots=True)
class CardsConfig:
    """What cards are written with, and whom to trust of those that are read. All paths are absolute.

    profiles: a folder of card profiles beside and before the built-in ones. trust: a folder or file of CSCA
    certificates; revocation_lists: of the lists of signers that they revoked, may be missing. signer_certificate,
    signer_key: the document signer's. keys: the folder of the cards' keys. key_version: of the keys that cards are
    given, 1..127. token_module: the PKCS #11 library of the token that has the master keys, None where they are in the
    folder; signer_token_key: the label of the document signer's private key there, "" where it is in a file.
    insert_timeout_s: for a card to be put into the reader; return_timeout_s: for one that was lost to come back.
    """

    trust: Path
    revocation_lists: Path
    signer_certificate: Path
    signer_key: Path
    keys: Path
    key_version: int = 1
    profiles: Path | None = None
    token_module: Path | None = None
    token_label: str = ""
    token_pin_file: Path | None = None
    signer_token_key: str = ""
    insert_timeout_s: float = 30.0
    return_timeout_s: float = 15.0


@dataclass(frozen=True, slots=True)
class DevicesConfig:
    """addresses as drivers.discovery takes them; poll_s: seconds between two looks where no bus tells of changes."""

    addresses: tuple[str, ...] = ("usb:",)
    poll_s: float = 0.5


@dataclass(frozen=True, slots=True)
class OutboxConfig:
    """chunk_bytes: of one upload message; the rest in seconds."""

    chunk_bytes: int = 256 * 1024
    backoff_min_s: float = 1.0
    backoff_max_s: float = 300.0
    call_timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class HandOverConfig:
    """How a card is handed over.

    false_match_rate: of one comparison of a live finger with the dossier's. tries: in one call; tries_in_all: that may
    fail in a row before only two officers can hand the card over. shift: so long a supervisor may undo it.
    """

    false_match_rate: float = 1e-4
    tries: int = 3
    tries_in_all: int = 9
    shift: timedelta = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class StationConfig:
    """Everything that a daemon needs to know before it starts. registry is None for a station that never sends, share
    for one that only its own PC uses, cards for one that writes and reads none."""

    station_id: str
    folder: Path
    socket: Path
    socket_mode: int = 0o660
    passphrase_file: Path | None = None
    registry: RegistryConfig | None = None
    share: ShareConfig | None = None
    cards: CardsConfig | None = None
    devices: DevicesConfig = field(default_factory=DevicesConfig)
    outbox: OutboxConfig = field(default_factory=OutboxConfig)
    plans_folder: Path | None = None
    hand_over: HandOverConfig = field(default_factory=HandOverConfig)

    @property
    def database(self) -> Path:
        return self.folder / "station.db"

    @property
    def keys_folder(self) -> Path:
        return self.folder / "keys"

    def passphrase(self) -> bytes | None:
        """What the station's key files are encrypted under; None where they are not.

        Read from the configured file, else from systemd's credentials. Raises ConfigInvalid.
        """
        path = self.passphrase_file
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        if path is None and credentials:
            path = Path(credentials) / PASSPHRASE_CREDENTIAL
            if not path.exists():
                return None
        if path is None:
            return None
        text = _read(path, MAX_PASSPHRASE_BYTES).strip(b"\r\n")
        if not text:
            raise ConfigInvalid("the passphrase file is empty", file=str(path))
        return text


class _Table:
    """One table of the file; remembers where it is for errors, and refuses keys that nobody asked for."""

    def __init__(self, file: Path, name: str, content: object) -> None:
        if not isinstance(content, Mapping):
            raise ConfigInvalid(f"[{name}] must be a table", file=str(file), key=name)
        self._file, self._name, self._left = file, name, dict(content)

    def take(self, key: str, kind: type, default: Any = None, *, required: bool = False) -> Any:
        if key not in self._left:
            if required:
                raise self.wrong(key, "is missing")
            return default
        value = self._left.pop(key)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise self.wrong(key, f"must be of type {kind.__name__}")
        return value

    def number(self, key: str, default: float, least: float, most: float) -> float:
        value = float(self.take(key, float, default))
        if not least <= value <= most:
            raise self.wrong(key, f"must be {least:g}..{most:g}")
        return value

    def path(self, key: str, default: Path | None = None, *, required: bool = False) -> Path | None:
        value = self.take(key, str, None, required=required)
        return default if value is None else (self._file.parent / value).resolve()

    def address(self, key: str) -> str:
        value = str(self.take(key, str, required=True))
        if not is_address(value):
            raise self.wrong(key, "must be host:port")
        return value

    def wrong(self, key: str, what: str) -> ConfigInvalid:
        return ConfigInvalid(
            f"{self._file}: {self._name}.{key} {what}", file=str(self._file), key=f"{self._name}.{key}"
        )

    def done(self) -> None:
        for key in self._left:
            raise self.wrong(str(key)[:64], "is not known")


def is_address(text: str) -> bool:
    """Whether it is host:port."""
    host, _, port = text.rpartition(":")
    return bool(host) and port.isascii() and port.isdecimal() and 0 < int(port) < 65536


def load_config(path: Path) -> StationConfig:
    """Read station.toml. Raises ConfigInvalid, naming the file and the key."""
    path = path.resolve()
    try:
        content = tomllib.loads(_read(path, MAX_CONFIG_BYTES).decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigInvalid(f"{path} is no TOML: {error}", file=str(path)) from error

    def table(name: str) -> _Table:
        return _Table(path, name, content.pop(name, {}))

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


def _station_id(table: _Table) -> str:
    station_id = str(table.take("id", str, required=True))
    try:
        require_text("station.id", station_id)
    except EnrollmentError as error:
        raise table.wrong("id", "must be 1..64 characters A-Z a-z 0-9 . _ @ -") from error
    return station_id


def _registry(table: _Table, folder: Path) -> RegistryConfig:
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


def _share(table: _Table, folder: Path) -> ShareConfig:
    config = ShareConfig(table.address("address"), table.path("folder", folder / SHARE_FOLDER) or folder)
    table.done()
    return config


def default_cards(folder: Path) -> CardsConfig:
    """Where a station's card files lie unless station.toml says otherwise. folder: the station's."""
    cards = folder / CARDS_FOLDER
    return CardsConfig(cards / "csca", cards / "crl", cards / "signer.pem", cards / "signer-key.pem", cards)


def _cards(table: _Table, folder: Path) -> CardsConfig:
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


def _devices(table: _Table) -> DevicesConfig:
    addresses = table.take("addresses", list, ["usb:"])
    if len(addresses) > 64 or not all(isinstance(address, str) and len(address) <= 500 for address in addresses):
        raise table.wrong("addresses", "must be a list of at most 64 strings")
    config = DevicesConfig(tuple(addresses), table.number("poll_s", 0.5, 0.05, 3600))
    table.done()
    return config


def _outbox(table: _Table) -> OutboxConfig:
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


def _hand_over(table: _Table) -> HandOverConfig:
    config = HandOverConfig(
        false_match_rate=table.number("false_match_rate", 1e-4, *FALSE_MATCH_RATES),
        tries=int(table.number("tries", 3, 1, 20)),
        tries_in_all=int(table.number("tries_in_all", 9, 1, 100)),
        shift=timedelta(hours=table.number("shift_hours", 12.0, 0.0, 7 * 24.0)),
    )
    table.done()
    return config


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
                plan = parse_plan(_read(path, MAX_CONFIG_BYTES).decode("utf-8"))
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
        found += [(str(path), _read(path, MAX_CONFIG_BYTES)) for path in sorted(config.cards.profiles.glob("*.toml"))]
    profiles = {}
    for name, content in found:
        try:
            profile = card_profile_from_table(tomllib.loads(content.decode("utf-8")))
        except (InvalidCardProfile, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
            raise ConfigInvalid(f"the card profile {name} cannot be used: {error}", file=name) from error
        profiles[profile.profile_id] = profile
    return dict(sorted(profiles.items()))


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise ConfigInvalid(f"{path} cannot be read: {error.strerror}", file=str(path)) from error
    if len(content) > limit:
        raise ConfigInvalid(f"{path} is larger than {limit} bytes", file=str(path))
    return content
