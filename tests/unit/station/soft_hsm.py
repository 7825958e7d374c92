"""Tokens of SoftHSM 2, and stations whose configuration names one."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from enrollment.service import daemon
from enrollment.service.cards.authority import CardAuthority
from enrollment.service.config import load_card_profiles, load_config
from enrollment.service.keys.token import TokenPlace

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so").resolve()  # a library is loaded once a process, by one name
PIN = "271828"
MASTER = bytes.fromhex(
    "8C72C72CF908411653018807950D82FBAD947562F0828A0B10B8B9606ABF3BCD"
)  # of GlobalPlatformPro's KDF3
LABELS = ("nothing", "empty", "careless", "of a station", "of a signer")  # what is wrong with each, or whose it is


def make_tokens(folder: Path) -> None:
    """SoftHSM reads where they are once a process."""
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    for label in LABELS:
        subprocess.run(
            ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "31415926", "--pin", PIN],
            check=True,
            capture_output=True,
        )
    store("nothing", "card-master-1", MASTER)
    store("nothing", "card-master-2", MASTER[:16])
    store("nothing", "something-else", MASTER)
    store("careless", "card-master-1", MASTER, EXTRACTABLE=True)
    for label in ("of a station", "of a signer"):
        store(label, "card-master-1", MASTER)


def session_of(label: str) -> Any:
    """To put keys there."""
    pkcs11: Any = importlib.import_module("pkcs11")
    return pkcs11.lib(str(MODULE)).get_token(token_label=label).open(user_pin=PIN, rw=True)


def store(label: str, name: str, key: bytes, **attributes: bool) -> None:
    """Put a key into the token `label`. attributes: by name, instead of those of a master key."""
    pkcs11: Any = importlib.import_module("pkcs11")
    wanted = {"SENSITIVE": True, "EXTRACTABLE": False, "SIGN": True, "TOKEN": True} | attributes
    template = {getattr(pkcs11.Attribute, name): value for name, value in wanted.items()}
    template |= {
        pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY,
        pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.AES,
        pkcs11.Attribute.LABEL: name,
        pkcs11.Attribute.VALUE: key,
    }
    with session_of(label) as session:
        session.create_object(template)


def place_of(label: str, folder: Path, pin: str = PIN) -> TokenPlace:
    """With its PIN in a file of the folder."""
    pin_file = folder / f"{label}.pin"
    pin_file.write_text(pin + "\n")
    pin_file.chmod(0o600)
    return TokenPlace(MODULE, label, pin_file)


def configured(folder: Path, place: TokenPlace, **more: str) -> Path:
    """The configuration of a station that is set up for cards and names this token. more: further keys of [cards]."""
    options = ["--folder", str(folder / "s"), "--station", "T-1", "--json"]
    path = json.loads(CliRunner().invoke(daemon.main, ["init", *options], catch_exceptions=False).output)["config"]
    CliRunner().invoke(daemon.main, ["cards", "init", "--config", path], catch_exceptions=False)
    named = {"token_module": place.module, "token_label": place.label, "token_pin_file": place.pin_file, **more}
    with Path(path).open("a", encoding="utf-8") as file:
        file.writelines(f"{name} = {json.dumps(str(value))}\n" for name, value in named.items())
    return Path(path)


def authority_with(folder: Path, place: TokenPlace, **more: str) -> CardAuthority:
    """Of a `configured` station."""
    config = load_config(configured(folder, place, **more))
    return CardAuthority(config.cards, load_card_profiles(config), config.passphrase)
