"""enrollctl: what a technician or a script asks of a running enrolld."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import grpc

from enrollment.cli import (
    commands_card,
    commands_device,
    commands_devices,
    commands_doctor,
    commands_dossier,
    commands_enroll,
    commands_explain,
    commands_metrics,
    commands_outbox,
    commands_receipt,
    commands_share,
    commands_udev,
)
from enrollment.cli.failure import Refusal, describe
from enrollment.cli.output import Output
from enrollment.cli.session import Session
from enrollment.terminal import default_language, write_for_owner_alone


class Commands(click.Group):
    """Turns every failure of a call into its sentence, its reason and an exit status."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (grpc.RpcError, Refusal) as error:
            failure = error.failure if isinstance(error, Refusal) else describe(error)
            session = ctx.find_object(Session)
            out = session.out if session else Output.make(as_json=False, language=default_language())
            facts = " ".join(f"{name}={value}" for name, value in failure.facts.items())
            out.console.print(
                f"{failure.text(out.language)} [{failure.reason}] {facts}".rstrip(), style="red", markup=False
            )
            out.value({"error": {"code": failure.code, "reason": failure.reason, "facts": failure.facts}})
            ctx.exit(failure.exit_status)


@click.group(cls=Commands)
@click.option("--socket", type=click.Path(path_type=Path), envvar="ENROLL_SOCKET", help="The daemon's Unix socket.")
@click.option("--address", envvar="ENROLL_ADDRESS", help="host:port of a station on another PC, in place of --socket.")
@click.option(
    "--papers",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="ENROLL_PAPERS",
    help="This PC's key and certificate for that station: the folder of `share request`.",
)
@click.option(
    "--token-file", type=click.Path(path_type=Path), envvar="ENROLL_TOKEN_FILE", help="File with the session token."
)
@click.option("--token", envvar="ENROLL_TOKEN", help="The session token; a file or the environment is safer.")
@click.option("--json", "as_json", is_flag=True, help="One JSON value a line on standard output.")
@click.option("--lang", type=click.Choice(["vi", "en"]), default=default_language, help="Language of messages.")
@click.pass_context
def main(
    ctx: click.Context,
    socket: Path | None,
    address: str | None,
    papers: Path | None,
    token_file: Path | None,
    token: str | None,
    as_json: bool,
    lang: str,
) -> None:
    """Ask a running enrolld (ENROLL_SOCKET, ENROLL_TOKEN_FILE name its socket and your session)."""
    write_for_owner_alone()  # prints, portraits, lists
    ctx.obj = Session(Output.make(as_json=as_json, language=lang), socket, address, papers, token_file, token)


main.add_command(commands_devices.devices)
main.add_command(commands_enroll.enroll)
main.add_command(commands_dossier.dossier)
main.add_command(commands_outbox.outbox)
main.add_command(commands_card.card)
main.add_command(commands_receipt.receipt)
main.add_command(commands_explain.explain)
main.add_command(commands_doctor.doctor)
main.add_command(commands_udev.setup_udev)
main.add_command(commands_device.device)
main.add_command(commands_metrics.metrics)
main.add_command(commands_share.share)

if __name__ == "__main__":
    sys.exit(main())
