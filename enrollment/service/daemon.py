"""enrolld: the command line of the station's daemon.

    enrolld init          makes a station's folder: configuration, keys, database
    enrolld issue-session makes an operator's token; revoke-sessions ends all of an operator's
    enrolld rejoin        goes on at the registry after the database was set back to an older copy
    enrolld share         lets other PCs use this station's devices (share_commands)
    enrolld cards         what chip cards are signed and written with (card_commands)
    enrolld run           serves until SIGTERM or SIGINT

Everything heavy is imported by the command that needs it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from enrollment.core.errors import EnrollmentError
from enrollment.service.card_commands import cards
from enrollment.service.share_commands import share
from enrollment.terminal import Commands, Told, json_errors_option, json_option, language_option

if TYPE_CHECKING:
    from enrollment.service.config import StationConfig
    from enrollment.service.store.store import Store

CONFIG_NAME: Final = "station.toml"
ROLES: Final = ("operator", "supervisor", "technician")


class _StationCommands(Commands):
    def told(self, error: Exception) -> Told | None:
        from enrollment.service import command_words

        return command_words.told(error) if isinstance(error, EnrollmentError) else None


@click.group(cls=_StationCommands)
@language_option
def main() -> None:
    """The enrollment station's daemon."""
    # Before numpy is imported: the core's matrices are small, and a second BLAS thread waits for a core that another
    # capture uses (a comparison of 2.6 ms took 32 ms on a busy machine of two cores).
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@main.command()
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), required=True, help="The station's folder.")
@click.option("--station", "station_id", required=True, help="The station's id at the registry.")
@click.option("--registry-address", help="host:port of the registry; without it nothing is ever sent.")
@click.option("--device", "devices", multiple=True, help="Device address (usb:, usbip://..., http://...); repeatable.")
@click.option("--passphrase-file", type=click.Path(path_type=Path, exists=True), help="Encrypts the key files.")
@json_option
def init(
    folder: Path,
    station_id: str,
    registry_address: str | None,
    devices: tuple[str, ...],
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Make a station: configuration, keys, database. What exists is never overwritten.

    A call that was cut short is finished by the same call.
    """
    from enrollment.service.config import ConfigInvalid
    from enrollment.service.keys import software_keys
    from enrollment.service.station_file import alone_with

    path = folder / CONFIG_NAME
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigInvalid(
            f"{path} cannot be written: {error.strerror}", file=str(path), problem="unwritable"
        ) from error
    with alone_with(path):
        config = _made(path, _station_toml(station_id, registry_address, devices, passphrase_file))
    made = {
        "config": str(path),
        "verifying_key": str(config.keys_folder / software_keys.VERIFYING_FILE),
        "client_csr": str(config.keys_folder / software_keys.REQUEST_FILE),
        "keys": str(config.keys_folder),
    }
    if config.registry is not None:
        made |= {
            "registry_trust": str(config.registry.trust),
            "registry_ca": str(config.registry.ca),
            "client_certificate": str(config.registry.certificate),
        }
    _say(made, as_json)


def _made(path: Path, text: str) -> StationConfig:
    """Make what is missing of a station. Raises ConfigInvalid where another is there, or all of this one."""
    from enrollment.service.config import ConfigInvalid, SystemClock, load_config
    from enrollment.service.keys.software_keys import SoftwareKeys
    from enrollment.service.station_file import write
    from enrollment.service.store.store import Store

    begun = path.exists()
    if begun:
        other = path.read_bytes() != text.encode()
        config = load_config(path)
        if other or (SoftwareKeys.complete(config.keys_folder) and config.database.exists()):
            raise ConfigInvalid(f"{path} exists already", file=str(path), problem="exists")
    else:
        write(path, text)
    try:
        config = load_config(path)
        has_keys = begun and SoftwareKeys.complete(config.keys_folder)
        passphrase = config.passphrase()
        keys = (
            SoftwareKeys.load(config.keys_folder, passphrase)
            if has_keys
            else SoftwareKeys.create(config.keys_folder, config.station_id, passphrase)
        )
        Store.open(config.database, SystemClock(), keys, place=config.station_id).close()
    except BaseException:
        if not begun:
            path.unlink()
        raise
    return config


def _station_toml(
    station_id: str, registry_address: str | None, devices: tuple[str, ...], passphrase_file: Path | None
) -> str:
    def quoted(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)  # a JSON string is a TOML basic string

    lines = ["[station]", f"id = {quoted(station_id)}"]
    if passphrase_file is not None:
        lines += ["", "[state]", f"passphrase_file = {quoted(str(passphrase_file.resolve()))}"]
    if devices:
        lines += ["", "[devices]", f"addresses = [{', '.join(map(quoted, devices))}]"]
    if registry_address is not None:
        lines += ["", "[registry]", f"address = {quoted(registry_address)}"]
    return "\n".join(lines) + "\n"


@main.command("issue-session")
@click.option("--config", "path", type=click.Path(path_type=Path), required=True, help="station.toml")
@click.option("--operator", "operator_id", required=True, help="The operator's id.")
@click.option("--role", type=click.Choice(ROLES), default="operator", show_default=True)
@click.option("--hours", type=click.FloatRange(0.01, 24 * 31), default=12.0, show_default=True)
@json_option
def issue_session(path: Path, operator_id: str, role: str, hours: float, as_json: bool) -> None:
    """Make an operator's token and print it; it is shown this once. Works while the daemon runs."""
    from enrollment.service.store.operator_sessions import Role

    with _opened(path) as store:
        token = store.sessions.issue(operator_id, Role(role), timedelta(hours=hours))
    if as_json:
        _say({"token": token, "operator": operator_id, "role": role}, as_json=True)
    else:
        click.echo(token)


@main.command("revoke-sessions")
@click.option("--config", "path", type=click.Path(path_type=Path), required=True, help="station.toml")
@click.option("--operator", "operator_id", required=True, help="The operator's id.")
@json_option
def revoke_sessions(path: Path, operator_id: str, as_json: bool) -> None:
    """End every session of an operator, within a second: a token was lost. Works while the daemon runs."""
    with _opened(path) as store:
        ended = store.sessions.revoke(operator_id)
    _say({"operator": operator_id, "sessions_ended": ended}, as_json)


@contextmanager
def _opened(path: Path) -> Iterator[Store]:
    """The station's store; the daemon may run."""
    from enrollment.service.config import SystemClock, load_config
    from enrollment.service.keys.software_keys import SoftwareKeys
    from enrollment.service.store.store import Store

    config = load_config(path)
    keys = SoftwareKeys.load(config.keys_folder, config.passphrase())
    store = Store.open(config.database, SystemClock(), keys, place=config.station_id)
    try:
        yield store
    finally:
        store.close()


@main.command()
@click.option("--config", "path", type=click.Path(path_type=Path), required=True, help="station.toml")
@click.option("--operator", "operator_id", required=True, help="Who decides it, for the audit log.")
@json_option
def rejoin(path: Path, operator_id: str, as_json: bool) -> None:
    """Go on after the registry's last package, where station.db was set back to an older copy.

    For a refusal STATION_SET_BACK, once it is sure that no other machine works with this station's keys. Stop the
    daemon first. What has no receipt here is sealed anew. A dossier that the registry had before the disk died takes
    the receipt that was given for it then, unless its content is another now: enrollctl outbox names such a one.
    """
    from enrollment.core.sealing.field_rules import require_text
    from enrollment.service.assembly import lock_folder
    from enrollment.service.config import load_config

    require_text("operator", operator_id)
    lock = lock_folder(load_config(path).folder)
    try:
        with _opened(path) as store:
            dossiers, link = store.outbox.rejoin(operator_id=operator_id), store.outbox.next_link()
    finally:
        os.close(lock)
    _say({"dossiers": dossiers, "next_sequence": link.sequence}, as_json)


@main.command()
@click.option("--config", "path", type=click.Path(path_type=Path), required=True, help="station.toml")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
@json_errors_option
def run(path: Path, log_level: str) -> None:
    """Serve until SIGTERM or SIGINT. Prints one line of JSON when health says SERVING."""
    logging.basicConfig(
        level=log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    import asyncio

    asyncio.run(_serve(path))


async def _serve(path: Path) -> None:
    import asyncio
    import signal

    import cv2

    from enrollment.service.assembly import Station
    from enrollment.service.config import load_config
    from enrollment.service.rpc.diagnostics_servicer import process_started_s

    cv2.setNumThreads(1)  # its own threads wait for each other awake: a tenth of what a slap costs
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    config = load_config(path)
    station = Station(config, started_s=process_started_s())
    await station.start()
    shared = {} if config.share is None else {"address": config.share.address}
    _say({"ready": True, "socket": str(config.socket), **shared, "start_ms": round(station.start_ms)}, as_json=True)
    await stop.wait()
    await station.stop()


main.add_command(share)
main.add_command(cards)


def _say(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts))
    else:
        for name, value in facts.items():
            click.echo(f"{name:20} {value}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
