"""What every command shares: where the daemon is, whose session it is, how to speak."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import click

from enrollment.cli.connection import Station, connect
from enrollment.cli.output import Output

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Session:
    """The options of the command group."""

    out: Output
    socket: Path | None
    token_file: Path | None
    token: str | None

    @contextmanager
    def station(self) -> Iterator[Station]:
        """Connect. Raises click.UsageError when the socket or the token is not given or cannot be read."""
        if self.socket is None:
            raise click.UsageError("name the daemon's socket with --socket or ENROLL_SOCKET")
        token = self.token
        if token is None:
            if self.token_file is None:
                raise click.UsageError("name your session with --token-file or ENROLL_TOKEN_FILE")
            try:
                token = self.token_file.read_text(encoding="ascii").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise click.UsageError(f"cannot read the session token from {self.token_file}: {error}") from error
        with connect(self.socket, token) as station:
            yield station


def with_station(command: Callable[Concatenate[Station, Output, P], None]) -> Callable[P, None]:
    """Give a command a connected station and its output as first arguments."""

    @click.pass_context
    @wraps(command)
    def connected(ctx: click.Context, /, *args: P.args, **kwargs: P.kwargs) -> None:
        session: Any = ctx.find_object(Session)
        with session.station() as station:
            command(station, session.out, *args, **kwargs)

    return connected
