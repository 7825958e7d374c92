"""enroll-registryd keys, rotate-keys, withdraw-key: the keys that stations seal their packages to."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from enrollment.registry import recipients
from enrollment.registry.command_line import data_option, database_option, transaction
from enrollment.registry.data_folder import DataFolder
from enrollment.registry.keys import SoftwareRecipientKey
from enrollment.registry.recipients import RecipientState
from enrollment.registry.serving import load_registry, now_ms, publish_recipient
from enrollment.terminal import json_option

KEEP_DAYS: Final = 180  # longer than any station stays off line


@click.command("rotate-keys")
@data_option
@database_option
@click.option(
    "--keep-days",
    type=click.FloatRange(0, 36_500, min_open=True),
    default=KEEP_DAYS,
    show_default=True,
    help="So long the key before goes on opening what was sealed to it.",
)
@json_option
def rotate_keys(root: Path, database: str | None, keep_days: float, as_json: bool) -> None:
    """Have stations seal to a new key; works while the registry serves.

    Stations learn of it with their next package, by an announcement that the receipt key signs. The key before goes on
    opening what is on its way, until its time is over or `withdraw-key` ends it.
    """
    folder = DataFolder(root)
    trust, keys = load_registry(folder)
    new = SoftwareRecipientKey.generate()
    with transaction(folder, database) as session:
        new.save_rotated(folder.keys)
        now = now_ms()
        until = now + round(timedelta(days=keep_days).total_seconds() * 1000)
        before = recipients.rotate(session, trust, new.public_key, keys.receipt, now_ms=now, opens_until_ms=until)
    publish_recipient(folder, trust, new.public_key)
    if as_json:
        click.echo(json.dumps({"current": new.key_id.hex(), "before": _row(before)}))
        return
    click.echo(f"stations seal to {new.key_id.hex()} from now on; new ones pin {folder.trust_file}")
    click.echo(f"{before.key_id.hex()} opens until {_time(before.opens_until_ms)}")


@click.command("withdraw-key")
@data_option
@database_option
@click.option(
    "--key", "key_id_begin", required=True, help="The key's id, or as much of its beginning as tells it apart."
)
@json_option
def withdraw_key(root: Path, database: str | None, key_id_begin: str, as_json: bool) -> None:
    """Let an earlier key open nothing any more, at once: it was stolen, or every station has left it.

    Stations seal anew what still waits under it. The private half stays in the keys folder, for the packages in the
    objects folder that were sealed to it; whoever needs none of them may delete its folder.
    """
    folder = DataFolder(root)
    folder.require()
    with transaction(folder, database) as session:
        state = recipients.withdraw(session, key_id_begin, now_ms())
    if as_json:
        click.echo(json.dumps(_row(state)))
        return
    click.echo(f"{state.key_id.hex()} opens nothing any more")


@click.command("keys")
@data_option
@database_option
@json_option
def list_keys(root: Path, database: str | None, as_json: bool) -> None:
    """Show the keys that packages are sealed to: the current one, and until when earlier ones open."""
    folder = DataFolder(root)
    trust, _ = load_registry(folder)
    with transaction(folder, database) as session:
        states = recipients.all_recipients(session) or [RecipientState(trust.recipient.key_id, 0, None)]
    if as_json:
        click.echo(json.dumps({"keys": [_row(state) for state in states]}))
        return
    for state in states:
        if state.opens_until_ms is None:
            click.echo(f"{state.key_id.hex()} current, since {_time(state.issued_at_ms) or 'the beginning'}")
        else:
            opens = "opens until" if state.opens(now_ms()) else "opens nothing since"
            click.echo(f"{state.key_id.hex()} {opens} {_time(state.opens_until_ms)}")


def _row(state: RecipientState) -> dict[str, Any]:
    return {
        "key_id": state.key_id.hex(),
        "current": state.opens_until_ms is None,
        "issued": _time(state.issued_at_ms) or None,
        "opens": state.opens(now_ms()),
        "opens_until": _time(state.opens_until_ms) or None,
    }


def _time(at_ms: int | None) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds") if at_ms else ""
