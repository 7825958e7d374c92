"""enrolld cards: what a station needs to write chip cards and to read them.

init    for development: an authority and a document signer of one's own, and the keys that blank cards come with; adds
        [cards] to station.toml. Where cards count, the country's authority gives certificate and key.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from enrollment.terminal import json_option


@click.group()
def cards() -> None:
    """Chip cards: their document signer, trusted authorities and keys."""


@cards.command()
@click.option(
    "--config", "path", type=click.Path(path_type=Path), required=True, help="station.toml; as the daemon's user."
)
@json_option
def init(path: Path, as_json: bool) -> None:
    """Make a development authority and document signer, and add [cards] to station.toml. Start the daemon anew after.

    What exists is never overwritten.
    """
    from enrollment.service.config import (
        ConfigInvalid,
        SystemClock,
        default_cards,
        load_card_profiles,
    )
    from enrollment.service.keys.card_keys_file import create_card_keys, master_file
    from enrollment.service.keys.document_signer import AUTHORITY_KEY_FILE, create_development_signer
    from enrollment.service.keys.errors import KeysExist
    from enrollment.service.station_file import changing

    with changing(path) as (config, add):
        found = config.cards or default_cards(config.folder)
        documents = sorted({profile.mrz.document_code.rstrip("<") for profile in load_card_profiles(config).values()})
        now, passphrase = SystemClock().now(), config.passphrase()
        has_signer = found.signer_certificate.exists() and (found.signer_key.parent / AUTHORITY_KEY_FILE).exists()
        has_keys = (found.keys / master_file(found.key_version)).exists()
        if has_signer and has_keys and config.cards is not None:
            raise KeysExist(f"{found.keys} is set up already", folder=str(found.keys))
        if not has_signer:  # else an earlier call was cut short
            create_development_signer(
                found.signer_certificate,
                found.signer_key,
                found.trust,
                found.revocation_lists,
                config.station_id,
                documents,
                now,
                passphrase,
            )
        if not has_keys:
            try:
                found.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigInvalid(
                    f"{found.keys} cannot be written: {error.strerror}", file=str(found.keys), problem="unwritable"
                ) from error
            create_card_keys(found.keys, found.key_version, passphrase)
        if config.cards is None:
            add("\n[cards]\n")
    told = {
        "signer_certificate": str(found.signer_certificate),
        "signer_key": str(found.signer_key),
        "trust": str(found.trust),
        "revocation_lists": str(found.revocation_lists),
        "keys": str(found.keys),
    }
    reads = any(address.partition(":")[0].lower() == "pcsc" for address in config.devices.addresses)
    hint = "" if reads else ' add "pcsc:" to [devices] addresses, and'
    click.echo(json.dumps(told) if as_json else f"made for development alone;{hint} start the daemon anew")
    sys.stdout.flush()
