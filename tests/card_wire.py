"""From octets to commands: what stands between our side of a card's protocols and a card, in tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from enrollment.core.chip.apdu import OK, Command, Response


class CardWire:
    """exchange: a command's octets to an answer's, by the model itself or through a reader.

    commands: all that were sent. fetched: answers that came by GET RESPONSE, which a driver sends by itself.
    """

    def __init__(self, exchange: Callable[[bytes], bytes]) -> None:
        self._exchange = exchange
        self.commands: list[bytes] = []
        self.fetched = 0

    def transmit(self, command: Command) -> Response:
        octets = command.encode()
        self.commands.append(octets)
        answer = self._exchange(octets)
        while answer[-2:-1] == b"\x61":
            self.fetched += 1
            answer = answer[:-2] + self._exchange(b"\x00\xc0\x00\x00" + answer[-1:])
        return Response.decode(answer)

    def transmit_each(self, commands: Iterable[Command]) -> Iterator[Response]:
        """As a driver does that keeps no card waiting.

        A command is taken before the one before it is sent, and an answer handed out when the next command was sent.
        """
        coming = iter(commands)
        command, before = next(coming, None), None
        while command is not None and (before is None or before.status == OK):
            following = next(coming, None)
            try:
                response = self.transmit(command)
            except Exception:
                if before is not None:
                    yield before
                raise
            if before is not None:
                yield before
            command, before = following, response
        if before is not None:
            yield before
