"""What every command shares: where the daemon is, whose session it is, how to speak."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec

import click
import grpc

from enrollment.cli.connection import Station, connect
from enrollment.cli.failure import Refusal, describe
from enrollment.cli.output import Output
from enrollment.cli.sharing import SharedStation

P = ParamSpec("P")

_TOKEN: Final = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Session:
    """The options of the command group. address, papers: of a station on another PC, and of this PC for it."""

    out: Output
    socket: Path | None
    address: str | None
    papers: Path | None
    token_file: Path | None
    token: str | None = field(repr=False)

    def shared_station(self) -> SharedStation:
        """The station on another PC. Raises click.UsageError, Refusal."""
        if self.address is None or self.papers is None:
            raise click.UsageError("name this PC's papers with --papers or ENROLL_PAPERS (enrollctl share request)")
        return SharedStation.load(self.address, self.papers)

    @contextmanager
    def station(self) -> Iterator[Station]:
        """Connect. Raises click.UsageError when place or token is not given or cannot be read, Refusal."""
        place = self.socket if self.address is None else self.shared_station()
        if place is None:
            raise click.UsageError(
                "name the daemon's socket with --socket or ENROLL_SOCKET, or another PC's station with --address"
            )
        try:
            with connect(place, self._session_token()) as station:
                yield station
        except grpc.RpcError as error:
            if isinstance(place, SharedStation) and not describe(error).answered:
                raise Refusal(place.why_unreachable()) from error
            raise

    def _session_token(self) -> str:
        token, origin = self.token, "--token or ENROLL_TOKEN"
        if token is None:
            if self.token_file is None:
                raise click.UsageError("name your session with --token-file or ENROLL_TOKEN_FILE")
            origin = str(self.token_file)
            try:
                token = self.token_file.read_text("ascii", "replace").strip()
            except OSError as error:
                raise click.UsageError(f"cannot read the session token from {origin}: {error}") from error
        if _TOKEN.fullmatch(token) is None:  # gRPC would say so in words of its own, on every call
            raise click.UsageError(f"{origin} holds no session token: make one with enrolld issue-session")
        return token


def with_station(command: Callable[Concatenate[Station, Output, P], None]) -> Callable[P, None]:
    """Give a command a connected station and its output as first arguments."""

    @click.pass_context
    @wraps(command)
    def connected(ctx: click.Context, /, *args: P.args, **kwargs: P.kwargs) -> None:
        session: Any = ctx.find_object(Session)
        with session.station() as station:
            command(station, session.out, *args, **kwargs)

    return connected
