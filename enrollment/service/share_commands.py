"""enrolld share: lets other PCs use this station's devices, and takes it back.

init     makes the share's authority and the server's certificate, and adds [share] to station.toml
issue    admits a PC: its signing request (enrollctl share request) -> a certificate
list     the PCs that are admitted, and until when
revoke   shuts a PC out, at once
names    the station has another address: certifies the server anew; the PCs keep what they have
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from enrollment.terminal import json_option

if TYPE_CHECKING:
    from enrollment.service.config import StationConfig
    from enrollment.service.keys.sharing import SharingFolder

DEFAULT_ADDRESS: Final = "0.0.0.0:50444"  # nobody without a certificate of this station gets in
MAX_REQUEST_BYTES: Final = 64 * 1024

config_option = click.option(
    "--config", "path", type=click.Path(path_type=Path), required=True, help="station.toml; as the daemon's user."
)
names_option = click.option(
    "--name",
    "names",
    multiple=True,
    required=True,
    help="Host name or IP address under which the other PCs call this one; repeatable.",
)


@click.group()
def share() -> None:
    """Let other PCs use this station's devices over mutual TLS."""


def _address(_ctx: click.Context, _option: click.Parameter, value: str) -> str:
    from enrollment.service.config import is_address

    if not is_address(value):
        raise click.BadParameter("must be host:port")
    return value


@share.command()
@config_option
@names_option
@click.option(
    "--address", default=DEFAULT_ADDRESS, show_default=True, callback=_address, help="host:port to listen on."
)
@json_option
def init(path: Path, names: tuple[str, ...], address: str, as_json: bool) -> None:
    """Make the share's certificates and add [share] to station.toml. Start the daemon anew afterwards."""
    from enrollment.service.config import SHARE_FOLDER, ShareConfig, SystemClock
    from enrollment.service.keys.sharing import SharingFolder
    from enrollment.service.station_file import changing

    with changing(path) as (config, add):
        shared = config.share or ShareConfig(address, config.folder / SHARE_FOLDER)
        folder, now, passphrase = SharingFolder(shared.folder), SystemClock().now(), config.passphrase()
        if config.share is None and folder.complete:  # an earlier call was cut short
            folder.rename_server(names, now, passphrase)
        else:
            folder.create(config.station_id, names, now, passphrase)
        if config.share is None:
            add(f"\n[share]\naddress = {json.dumps(address)}\n")
    _say(
        {"address": shared.address, "folder": str(shared.folder), "names": list(names)},
        f"shared at {shared.address} as {', '.join(names)}; start the daemon anew, then admit PCs: enrolld share issue",
        as_json,
    )


@share.command()
@config_option
@names_option
@json_option
def names(path: Path, names: tuple[str, ...], as_json: bool) -> None:
    """Certify the server under other names or addresses. Start the daemon anew afterwards."""
    folder, config = _opened(path)
    from enrollment.service.config import SystemClock

    folder.rename_server(names, SystemClock().now(), config.passphrase())
    _say({"names": list(names)}, f"known as {', '.join(names)}; start the daemon anew", as_json)


@share.command()
@config_option
@click.option("--client", required=True, help="The PC's name, for example counter-3.")
@click.option(
    "--request",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="What `enrollctl share request` wrote there.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The certificate to take back to it."
)
@click.option("--days", type=click.IntRange(1, 3650), default=365, show_default=True, help="How long it is good for.")
@json_option
def issue(path: Path, client: str, request: Path, out: Path, days: int, as_json: bool) -> None:
    """Admit a PC. An older certificate of the same name is shut out. Works while the daemon runs."""
    from enrollment.service.config import ConfigInvalid, SystemClock

    folder, config = _opened(path)
    with request.open("rb") as file:
        asked = file.read(MAX_REQUEST_BYTES)
    lifetime, now = timedelta(days=days), SystemClock().now()
    pem = folder.issue(client, asked, now, lifetime, config.passphrase())
    _write_down(config, "pc-admitted", client=client, days=days)
    try:
        out.write_bytes(pem)
    except OSError as error:
        raise ConfigInvalid(
            f"{out} cannot be written: {error.strerror}", file=str(out), problem="unwritable"
        ) from error
    told = {"client": client, "certificate": str(out), "expires": (now + lifetime).isoformat(timespec="seconds")}
    _say(told, f"{client} is admitted until {now + lifetime:%Y-%m-%d}: take {out} back to it", as_json)


@share.command()
@config_option
@click.option("--client", required=True, help="The PC's name.")
@json_option
def revoke(path: Path, client: str, as_json: bool) -> None:
    """Shut a PC out: its next message is refused. Works while the daemon runs."""
    folder, config = _opened(path)
    folder.revoke(client)
    _write_down(config, "pc-shut-out", client=client)
    _say({"client": client, "revoked": True}, f"{client} is shut out", as_json)


@share.command("list")
@config_option
@json_option
def list_clients(path: Path, as_json: bool) -> None:
    """Show the PCs that are admitted."""
    from enrollment.service.config import SystemClock

    folder, _config = _opened(path)
    now, clients = SystemClock().now(), folder.clients()
    rows = [
        {"client": client.name, "expires": client.expires.isoformat(), "expired": client.expires <= now}
        for client in clients
    ]
    lines = [
        f"{client.name:24} {client.expires:%Y-%m-%d}{' EXPIRED' if client.expires <= now else ''}" for client in clients
    ]
    _say({"clients": rows}, "\n".join(lines) or "no PC is admitted", as_json)


def _opened(path: Path) -> tuple[SharingFolder, StationConfig]:
    """The share's folder, and the station's configuration. Raises ConfigInvalid."""
    from enrollment.service.config import ConfigInvalid, load_config
    from enrollment.service.keys.sharing import SharingFolder

    config = load_config(path)
    if config.share is None:
        raise ConfigInvalid(f"{path} has no [share]: enrolld share init", file=str(path), key="share")
    return SharingFolder(config.share.folder), config


def _write_down(config: StationConfig, action: str, **facts: str | int) -> None:
    """In the audit log, as sessions are."""
    from enrollment.service.config import SystemClock
    from enrollment.service.keys.software_keys import SoftwareKeys
    from enrollment.service.store.audit_log import SYSTEM
    from enrollment.service.store.store import Store

    keys = SoftwareKeys.load(config.keys_folder, config.passphrase())
    store = Store.open(config.database, SystemClock(), keys, place=config.station_id)
    try:
        store.audit.append(action, SYSTEM, **facts)
    finally:
        store.close()


def _say(facts: dict[str, Any], sentence: str, as_json: bool) -> None:
    click.echo(json.dumps(facts) if as_json else sentence)
    sys.stdout.flush()
