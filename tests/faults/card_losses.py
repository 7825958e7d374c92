"""What becomes of a card that is lost at each command of its personalisation, or that answers nonsense there.

    python -m tests.faults.card_losses [--twice] [--json]

The card is the model, in this process: a loss is a cold start of it, before or after it has carried the command out. It
is then written again, from its beginning, until it is finished or said to be spoiled.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

from drivers.errors import TransmitLost
from enrollment.core.chip.personalisation_plan import CardPlan
from enrollment.core.errors import CardSpoiled, EnrollmentError
from firmware_stubs.card.card import Card
from firmware_stubs.card.memory import MAX_TRIES, LifeCycle
from tests.unit.chip.blank_cards import KEY_VERSION, blank_card, chance, holds, keys, plan_of, write

PUT_KEY: Final = 0xD8
MAX_RUNS: Final = 5
MAX_COMMANDS: Final = 1_000_000
NONSENSE: Final = (
    *("6F00", "6700", "6982", "6983", "6985", "6A80", "6A82", "6A84", "6A86", "6A88", "6A89", "6B00", "6D00", "6581"),
    *("6283", "6300", "9000", "FF", "00"),  # warnings and success without their MACs, and less than a status word
)
REFUSED: Final = {0xE0: "CREATE FILE", 0xD6: "UPDATE BINARY", 0xD8: "PUT KEY", 0xDA: "PUT DATA and lock"}
MEMORY_FAILURE: Final = b"\x65\x81"

Disturbance = Callable[[Card, bytes], bytes]
"""What happens instead of a command: the answer, or an exception."""


@dataclass(frozen=True)
class Outcome:
    """Of one card. ended: how. at: commands at which it was disturbed. refused: reasons of the runs that failed."""

    what: str
    at: tuple[int, ...]
    ended: str
    runs: int
    refused: tuple[str, ...]
    locked: bool
    right: bool
    tries_lost: int
    keys_put: int
    locks: int

    @property
    def is_wrong(self) -> bool:
        """Locked, so that it would be given out, and not what it should be."""
        return self.locked and not self.right

    @property
    def is_bad(self) -> bool:
        """What must never be; for a card that was only lost, also that it is not finished."""
        was_lost = self.what.split(",")[0] in LOSSES
        return (
            self.is_wrong
            or self.tries_lost > 0
            or self.keys_put > 1
            or self.locks > 1
            or (was_lost and self.ended != "finished")
            or (self.ended == "finished" and not (self.locked and self.right))
        )


def lost_before(card: Card, raw: bytes) -> bytes:
    card.power_off()
    raise TransmitLost("the card is gone")


def lost_after(card: Card, raw: bytes) -> bytes:
    card.transmit(raw)
    return lost_before(card, raw)


def torn(kept: float, rest: bytes) -> Disturbance:
    """The power goes within a write: of its octets a part stands, the rest is what the memory makes of it.

    kept: share of the octets. rest: what fills the others, b"" for what stood there before.
    """

    def disturb(card: Card, raw: bytes) -> bytes:
        before = {fid: bytes(content) for fid, content in card.memory.files.items()}
        card.transmit(raw)
        for fid, content in card.memory.files.items():
            old = before.get(fid, bytes(len(content)))
            changed = [at for at, (one, other) in enumerate(zip(old, content, strict=True)) if one != other]
            if changed:
                start = changed[0] + round(kept * (changed[-1] + 1 - changed[0]))
                length = changed[-1] + 1 - start
                content[start : changed[-1] + 1] = (rest * length)[:length] or old[start : changed[-1] + 1]
        return lost_before(card, raw)

    return disturb


def answering(answer: str, *, executed: bool) -> Disturbance:
    def disturb(card: Card, raw: bytes) -> bytes:
        if executed:
            card.transmit(raw)
        return bytes.fromhex(answer)

    return disturb


def refusing(instruction: int) -> Disturbance:
    return lambda card, raw: MEMORY_FAILURE if raw[1] == instruction else card.transmit(raw)


class DisturbedWire:
    """Commands to a card; those at the given numbers are disturbed. Counts what a card carries out but once."""

    def __init__(self, card: Card, at: Container[int], disturb: Disturbance) -> None:
        self._card, self._at, self._disturb = card, at, disturb
        self.commands = self.keys_put = self.locks = 0

    def transmit(self, raw: bytes) -> bytes:
        number, self.commands = self.commands, self.commands + 1
        memory = self._card.memory
        version, life_cycle = memory.key_version, memory.life_cycle
        try:
            return self._disturb(self._card, raw) if number in self._at else self._card.transmit(raw)
        finally:
            self.keys_put += raw[1] == PUT_KEY and (memory.key_version != version or memory.key_version == KEY_VERSION)
            self.locks += memory.life_cycle is LifeCycle.OPERATIONAL is not life_cycle


def try_card(what: str, plan: CardPlan, block: int, at: Sequence[int], disturb: Disturbance) -> Outcome:
    """Write a blank card that is disturbed at these commands, counted over all runs."""
    card = blank_card()
    through = DisturbedWire(card, at, disturb)
    refused: list[str] = []
    ended = "unfinished"
    met: list[bytes] = []  # as a station keeps it, before anything is written
    for _ in range(MAX_RUNS):
        try:
            write(
                through.transmit,
                plan,
                keys(),
                block=block,
                challenge_source=chance(len(refused)),
                known=met[-1] if met else b"",
                on_card=lambda serial, begun: met.append(serial),
            )
            ended = "finished"
            break
        except CardSpoiled as spoiled:
            refused.append(spoiled.reason)
            ended = "spoiled"
            break
        except (EnrollmentError, TransmitLost) as error:
            refused.append(error.reason)
            card.power_off()
    return Outcome(
        what,
        tuple(at[:2]),
        ended,
        len(refused) + (ended == "finished"),
        tuple(refused),
        locked=card.memory.life_cycle is LifeCycle.OPERATIONAL,
        right=holds(card, plan) and objects_of(plan) == card.memory.objects,
        tries_lost=MAX_TRIES - card.memory.tries,
        keys_put=through.keys_put,
        locks=through.locks,
    )


def objects_of(plan: CardPlan) -> dict[int, bytes]:
    """The plan's secrets as the model keeps them."""
    return {secret.tag: secret.value for secret in plan.secrets.objects()}


def commands_of(plan: CardPlan, block: int) -> int:
    """How many commands an undisturbed card takes."""
    card = blank_card()
    through = DisturbedWire(card, (), lost_before)
    write(through.transmit, plan, keys(), block=block, challenge_source=chance())
    return through.commands


LOSSES: Final[dict[str, Disturbance]] = {
    "lost before the command was carried out": lost_before,
    "lost after": lost_after,
    "lost within a write: half stands": torn(0.5, b"\xff"),
    "lost within a write: noise stands": torn(0.0, b"\x5a\x17\xc3"),
}


def losses(plan: CardPlan, block: int) -> Iterator[Outcome]:
    """A loss at each command."""
    for what, disturb in LOSSES.items():
        for at in range(commands_of(plan, block)):
            yield try_card(what, plan, block, (at,), disturb)


def losses_in_pairs(plan: CardPlan, block: int, step: int = 1) -> Iterator[Outcome]:
    """A loss at each command, and another at each `step`th of those that follow."""
    for what, disturb in LOSSES.items():
        for first in range(commands_of(plan, block)):
            for later in range(1, 2 * commands_of(plan, block), step):
                yield try_card(f"{what}, twice", plan, block, (first, first + later), disturb)


def nonsense(plan: CardPlan, block: int) -> Iterator[Outcome]:
    """Each answer of NONSENSE once at each command, carried out or not."""
    for executed in (False, True):
        for answer in NONSENSE:
            what = f"answers {answer}, command {'' if executed else 'not '}carried out"
            for at in range(commands_of(plan, block)):
                yield try_card(what, plan, block, (at,), answering(answer, executed=executed))


def lasting(plan: CardPlan, block: int) -> Iterator[Outcome]:
    """Each answer of NONSENSE, and each refusal of REFUSED, from each command on, for ever."""
    disturbances = {f"answers {answer} from there on": answering(answer, executed=False) for answer in NONSENSE}
    disturbances |= {f"refuses {name} from there on": refusing(ins) for ins, name in REFUSED.items()}
    for what, disturb in disturbances.items():
        for first in range(commands_of(plan, block)):
            yield replace(try_card(what, plan, block, range(first, MAX_COMMANDS), disturb), at=(first,))


def table(outcomes: list[Outcome]) -> str:
    """A row a disturbance."""
    kinds = list(dict.fromkeys(found.what for found in outcomes))
    width = max(map(len, kinds))
    heads = ("cards", "finished", "spoiled", "stopped", "wrong data", "tries lost", "PUT KEY >1", "lock >1")
    lines = [" " * width + "  " + "  ".join(heads)]
    for kind in [*kinds, ""]:
        of = [found for found in outcomes if not kind or found.what == kind]
        ended = Counter(found.ended for found in of)
        cells = (
            len(of),
            ended["finished"],
            ended["spoiled"],
            ended["unfinished"],
            sum(found.is_wrong for found in of),
            sum(found.tries_lost for found in of),
            sum(found.keys_put > 1 for found in of),
            sum(found.locks > 1 for found in of),
        )
        numbers = "  ".join(f"{cell:>{len(head)}}" for cell, head in zip(cells, heads, strict=True))
        lines.append(f"{kind or 'all':{width}}  {numbers}")
    return "\n".join(lines)


def main() -> None:
    """Disturb a card at every command of its personalisation, and print what became of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.card_losses", description=main.__doc__)
    parser.add_argument("--block", type=int, default=4096, help="octets that reader and card carry in one exchange")
    parser.add_argument("--twice", action="store_true", help="two losses, at every pair of commands: minutes")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    plan = plan_of()
    count = commands_of(plan, arguments.block)
    print(f"{plan.octets} octets of files, {count} commands, block {arguments.block}", file=sys.stderr)
    outcomes = [
        *losses(plan, arguments.block),
        *nonsense(plan, arguments.block),
        *lasting(plan, arguments.block),
    ]
    if arguments.twice:
        outcomes += losses_in_pairs(plan, arguments.block)
    if arguments.json:
        print(json.dumps({"octets": plan.octets, "commands": count, "cards": [asdict(found) for found in outcomes]}))
    else:
        print(table(outcomes))
    raise SystemExit(int(any(found.is_bad for found in outcomes)))


if __name__ == "__main__":
    main()
