"""The station's settings, as frozen values: what station.toml says, with all paths absolute."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from enrollment.service.config.toml_table import ConfigInvalid, read_file

MAX_PASSPHRASE_BYTES: Final = 4096
PASSPHRASE_CREDENTIAL: Final = "station-passphrase"  # noqa: S105 - its name among systemd's credentials


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
        text = read_file(path, MAX_PASSPHRASE_BYTES).strip(b"\r\n")
        if not text:
            raise ConfigInvalid("the passphrase file is empty", file=str(path))
        return text
