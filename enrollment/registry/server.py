"""enroll-registryd: initialise a development registry, enroll stations, serve, show the ledger, rotate keys."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from cryptography.hazmat.primitives.asymmetric import ec

from enrollment.core.certificates import CertificateAuthority, certificate_pem, private_key_pem
from enrollment.core.sealing.field_rules import require_text
from enrollment.core.sealing.public_keys import RegistryTrust, decode_verifying_key, encode_registry_trust
from enrollment.registry import ledger as ledger_rows
from enrollment.registry.certificates import issue_station_certificate
from enrollment.registry.command_line import RegistryCommands, data_option, database_option, transaction
from enrollment.registry.data_folder import DataFolder
from enrollment.registry.key_commands import list_keys, rotate_keys, withdraw_key
from enrollment.registry.keys import RegistryKeys, write_private_file
from enrollment.registry.serving import TlsFiles, now_ms, serving
from enrollment.terminal import json_errors_option, json_option, language_option

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(cls=RegistryCommands)
@language_option
def main() -> None:
    """The receiving end of enrollment stations."""


@main.command()
@data_option
@click.option("--registry-id", default="registry-dev", show_default=True, help="How receipts name this registry.")
@click.option(
    "--name",
    "names",
    multiple=True,
    default=("localhost", "127.0.0.1"),
    show_default=True,
    help="Host name or IP address in the server's certificate; may be repeated.",
)
@json_option
def init(root: Path, registry_id: str, names: tuple[str, ...], as_json: bool) -> None:
    """Make a development registry: authority, server certificate, keys, and the trust file for stations."""
    require_text("registry_id", registry_id)
    folder = DataFolder(root)
    folder.create()
    now = datetime.now(UTC)
    authority = CertificateAuthority.create(registry_id, now)
    server_key = ec.generate_private_key(ec.SECP256R1())
    keys = RegistryKeys.generate()
    keys.save(folder.keys)
    write_private_file(folder.authority_key, authority.key_pem())
    write_private_file(folder.server_key, private_key_pem(server_key))
    folder.authority_certificate.write_bytes(certificate_pem(authority.certificate))
    server_certificate = authority.issue_server_certificate(server_key.public_key(), names, now)
    folder.server_certificate.write_bytes(certificate_pem(server_certificate))
    trust = RegistryTrust(registry_id, keys.recipient.public_key, keys.receipt.verifying_key)
    # Last: a folder with a trust file is a complete one.
    folder.trust_file.write_bytes(encode_registry_trust(trust))
    made = {
        "registry_id": registry_id,
        "trust": str(folder.trust_file),
        "authority": str(folder.authority_certificate),
    }
    sentence = f"registry {registry_id}: stations pin {folder.trust_file} and {folder.authority_certificate}"
    click.echo(json.dumps(made) if as_json else sentence)


@main.command("enroll-station")
@data_option
@database_option
@click.option("--station", "station_id", required=True, help="The station's id.")
@click.option("--csr", required=True, type=FILE, help="The station's certificate signing request, PEM.")
@click.option("--verifying-key", required=True, type=FILE, help="The station's verifying key file.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Client certificate, PEM.")
@json_option
def enroll_station(
    root: Path, database: str | None, station_id: str, csr: Path, verifying_key: Path, out: Path, as_json: bool
) -> None:
    """Let a station send: register its verifying key, certify its TLS key."""
    folder = DataFolder(root)
    folder.require()
    require_text("station_id", station_id)
    key = decode_verifying_key(verifying_key.read_bytes())
    authority = CertificateAuthority.load(folder.authority_certificate.read_bytes(), folder.authority_key.read_bytes())
    certificate = issue_station_certificate(authority, csr.read_bytes(), station_id, datetime.now(UTC))
    with transaction(folder, database) as session:
        ledger_rows.enroll_station(session, station_id, key, now_ms())
    out.write_bytes(certificate_pem(certificate))
    made = {"station_id": station_id, "key_id": key.key_id.hex(), "certificate": str(out)}
    sentence = f"station {station_id}: key {key.key_id.hex()[:16]}, certificate in {out}"
    click.echo(json.dumps(made) if as_json else sentence)


@main.command()
@data_option
@database_option
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=50443, show_default=True, type=click.IntRange(0, 65535), help="0 takes any free one.")
@click.option("--tls-certificate", type=FILE, help="The server's certificate, PEM; from the folder by default.")
@click.option("--tls-key", type=FILE, help="The server's private key, PEM; from the folder by default.")
@click.option("--client-ca", type=FILE, help="The authority of client certificates, PEM; from the folder by default.")
@click.option(
    "--log-level", default="INFO", show_default=True, type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"])
)
@json_errors_option
def serve(
    root: Path,
    database: str | None,
    host: str,
    port: int,
    tls_certificate: Path | None,
    tls_key: Path | None,
    client_ca: Path | None,
    log_level: str,
) -> None:
    """Take packages until SIGTERM or Ctrl-C. Prints one line of JSON with the address when it is ready."""
    logging.basicConfig(level=log_level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    folder = DataFolder(root)
    tls = TlsFiles(
        certificate=tls_certificate or folder.server_certificate,
        key=tls_key or folder.server_key,
        client_authority=client_ca or folder.authority_certificate,
    )
    asyncio.run(_serve(folder, database or folder.default_database, tls, host, port))


async def _serve(folder: DataFolder, database: str, tls: TlsFiles, host: str, port: int) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with serving(folder, database, tls, host, port) as address:
        print(json.dumps({"ready": True, "address": address}), flush=True)
        await ended.wait()


@main.command()
@data_option
@database_option
@json_option
def ledger(root: Path, database: str | None, as_json: bool) -> None:
    """Show what was received of each station, and what is missing."""
    folder = DataFolder(root)
    folder.require()
    with transaction(folder, database) as session:
        stations = ledger_rows.all_stations(session)
        repeated = [ledger_rows.repeated_dossiers(session, station.station_id) for station in stations]
    rows = [_ledger_row(*station) for station in zip(stations, repeated, strict=True)]
    if as_json:
        click.echo(json.dumps({"stations": rows}))
        return
    for row in rows:
        gaps = ", ".join(f"{first}-{last}" for first, last in row["gaps"]) or "none"
        click.echo(
            f"{row['station_id']}: {row['packages']} packages, last number {row['last_sequence']}, "
            f"received {row['last_received'] or 'never'}, gaps {gaps}, {row['open_uploads']} uploads open"
        )
        for several in row["repeated"]:
            numbers = ", ".join(map(str, several["sequences"]))
            click.echo(f"  dossier {several['dossier_id']} came more than once, numbers {numbers}: compare them")


def _ledger_row(station: ledger_rows.StationLedger, repeated: list[tuple[str, tuple[int, ...]]]) -> dict[str, Any]:
    received = station.last_received_at_ms
    return {
        "station_id": station.station_id,
        "packages": station.packages,
        "last_sequence": station.last_sequence,
        "last_package_sha256": station.last_sha256.hex(),
        "last_received": None if received is None else datetime.fromtimestamp(received / 1000, UTC).isoformat(),
        "open_uploads": station.open_uploads,
        "gaps": [list(gap) for gap in station.gaps],
        "repeated": [{"dossier_id": dossier_id, "sequences": list(numbers)} for dossier_id, numbers in repeated],
    }


for command in (list_keys, rotate_keys, withdraw_key):
    main.add_command(command)

if __name__ == "__main__":
    main()
