"""enrollctl share: this PC's side of a station that is shared."""

from __future__ import annotations

from pathlib import Path

import click

from enrollment.cli import sharing
from enrollment.cli.session import Session


@click.group()
def share() -> None:
    """Use the devices of a station on another PC."""


@share.command()
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), required=True, help="This PC's papers.")
@click.option("--name", required=True, help="This PC's name, for example counter-3.")
@click.pass_context
def request(ctx: click.Context, folder: Path, name: str) -> None:
    """Make this PC's key and a request for a certificate; a key that is there is kept."""
    session = ctx.find_object(Session)
    if session is None:
        raise click.UsageError("call it as a command of enrollctl")
    try:
        made = sharing.make_request(folder, name)
    except (OSError, ValueError, TypeError) as error:
        raise click.UsageError(f"{folder} cannot be used: {error}") from error
    wanted = folder / sharing.CERTIFICATE_FILE
    session.out.say(
        f"take {made} to the station (enrolld share issue --client {name}), and put what it gives into {wanted}",
        f"mang {made} đến trạm (enrolld share issue --client {name}), rồi chép chứng thư nhận được vào {wanted}",
    )
    session.out.value({"request": str(made), "certificate": str(wanted)})
