"""Writing one card to its plan, from whatever stands on it to the lock.

1. The channel is opened; the card proves its keys first, so that no try is lost.
2. What stands is read back and judged: nothing is written to a card that was begun, or finished, for something else.
3. Its own keys are put, once: the version that the card tells says whether they were. All that follows is under them.
4. Each file is created and written, the security object first; a file that stands is carried on where it differs.
5. Passwords and keys of the chip protocols are put.
6. The card is locked, and shown to be locked.

Whatever is lost on the way, `personalise` is called again with the same plan and a card held anew. An answer says that
its command was carried out, for its MAC covers the command's: what is written in one go is not read back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from enrollment.core.chip import personalisation_commands as commands
from enrollment.core.chip.apdu import Response, Transmit
from enrollment.core.chip.card_keys import CardKeyProvider
from enrollment.core.chip.card_profile import CardFile
from enrollment.core.chip.personalisation_plan import SECURITY_OBJECT, CardPlan
from enrollment.core.chip.scp03 import CHALLENGE_OCTETS, SecureChannel, longest_data, open_channel
from enrollment.core.errors import CardBelongsElsewhere, CardRefused, CardSpoiled, MalformedCardAnswer

OnProgress: TypeAlias = Callable[[str, int, int], None]
OnCard: TypeAlias = Callable[[bytes, bool], None]

MIN_ROOM: Final = 47  # octets of a file in one command: a card that takes fewer is not carried on with
REFUSALS_IN_A_PLACE: Final = 2
MAX_REFUSALS: Final = 32

_END_OF_FILE, _NOT_SATISFIED, _FILE_NOT_FOUND, _WRONG_OFFSET = 0x6282, 0x6982, 0x6A82, 0x6B00
_TOO_LONG: Final = frozenset({0x6700, 0x6A84, 0x6884, 0x6F00})  # what cards say to more octets than they take at once
_NOT_ALLOWED: Final = 0x69  # high octet


@dataclass(frozen=True, slots=True)
class Personalised:
    """A finished card. serial: its key diversification data. written: octets of files; the rest stood already."""

    serial: bytes
    key_version: int
    written: int


def personalise(
    transmit: Transmit,
    plan: CardPlan,
    keys: CardKeyProvider,
    *,
    block: int,
    challenge_source: Callable[[int], bytes],
    on_card: OnCard = lambda serial, begun: None,
    on_progress: OnProgress = lambda step, done, total: None,
) -> Personalised:
    """Bring the card to the plan and lock it; on a card that is finished to this plan, say so.

    block: octets that reader and card carry in one exchange. challenge_source: N octets of chance.
    on_card(serial, begun): a card that proved its keys, before anything is written to it; begun: it has its own keys,
    so it was begun or finished before. A finished card shows no files: whose it is tells its serial alone. What this
    raises ends it.
    on_progress(step, done, total): octets of files that stand.
    Raises CardNotGenuine before the card has lost a try; CardBelongsElsewhere before anything is written; CardSpoiled
    for a card that was begun and refuses to be finished; CardRefused for one that stands as it was; CardChannelBroken,
    MalformedCardAnswer and whatever the transmit raises, after which it is called again.
    """
    return _Personalisation(transmit, plan, keys, block, challenge_source, on_card, on_progress).run()


def places_to_resume(plan: CardPlan, stands: Mapping[str, bytes]) -> dict[str, int]:
    """From which octet on each file that stands must be written.

    stands: files by name, with one octet more than the plan's where the card's is longer.
    Raises CardBelongsElsewhere where the security object is not the plan's, as far as it is written, or files stand
    without one; CardSpoiled for another file of another length.
    """
    if not stands:
        return {}
    planned, found = plan.files[SECURITY_OBJECT], stands.get(SECURITY_OBJECT, b"")
    place = _first_difference(found, planned)
    begun_only = place < len(planned)
    if len(found) != len(planned) or any(found[place:]) or (begun_only and len(stands) > 1):
        raise CardBelongsElsewhere("the card was begun for something else", step=f"read back {SECURITY_OBJECT}")
    places = {}
    for name, octets in stands.items():
        if len(octets) != len(plan.files[name]):
            raise CardSpoiled(f"{name} has another length than it must have", step=f"read back {name}", status="9000")
        places[name] = _first_difference(octets, plan.files[name])
    return places


class _Personalisation:
    def __init__(
        self,
        transmit: Transmit,
        plan: CardPlan,
        keys: CardKeyProvider,
        block: int,
        challenge_source: Callable[[int], bytes],
        on_card: OnCard,
        on_progress: OnProgress,
    ) -> None:
        self._transmit = transmit
        self._plan = plan
        self._keys = keys
        self._room = longest_data(block)
        self._chance = challenge_source
        self._on_card = on_card
        self._on_progress = on_progress
        self._begun = False
        self._written = 0
        self._progress = (0, 0)  # stage, and how far within

    def run(self) -> Personalised:
        """Again and again from what stands, as long as a refusal leaves the card further than the one before."""
        furthest, refusals, refusals_here = (self._progress, -self._room), 0, 0
        while True:
            channel = self._open()
            try:
                return self._carry_on(channel)
            except CardRefused as refused:
                place = (self._progress, -self._room)
                refusals_here = 1 if place > furthest else refusals_here + 1
                furthest, refusals = max(place, furthest), refusals + 1
                if refusals_here < REFUSALS_IN_A_PLACE and refusals < MAX_REFUSALS:
                    continue
                if not self._begun:
                    raise
                raise CardSpoiled(str(refused), **refused.facts) from None

    def _open(self) -> SecureChannel:
        aid = self._plan.profile.aid
        selected = self._transmit(commands.select_application(aid))
        if selected.status == _FILE_NOT_FOUND:
            raise CardBelongsElsewhere("the card has not the profile's application", step="SELECT", aid=aid)
        selected.expect("SELECT of the application")
        return open_channel(
            self._transmit, self._keys, application=bytes.fromhex(aid), challenge=self._chance(CHALLENGE_OCTETS)
        )

    def _carry_on(self, channel: SecureChannel) -> Personalised:
        plan = self._plan
        has_own_keys = channel.key_version == plan.key_version
        stands = self._read_back(channel)
        if not has_own_keys and (stands is None or stands):
            raise CardBelongsElsewhere("the card was written under other keys", key_version=channel.key_version)
        places = {} if stands is None else places_to_resume(plan, stands)
        self._on_card(channel.serial, has_own_keys)
        self._begun = has_own_keys
        if stands is None:
            return self._personalised(channel)
        if not has_own_keys:
            channel = self._put_keys(channel)
        done = 0
        for file, octets in plan.in_writing_order:
            self._write(channel, file, octets, places.get(file.name), done)
            done += len(octets)
        for number, secret in enumerate(plan.secrets.objects()):
            channel.send(commands.put_data(secret)).expect(f"PUT DATA {secret.tag:02X}")
            self._reached(2, number)
        channel.send(commands.LOCK).expect("lock")
        self._reached(3, 0)
        self._show_locked(channel)
        return self._personalised(channel)

    def _personalised(self, channel: SecureChannel) -> Personalised:
        self._on_progress("lock", self._plan.octets, self._plan.octets)
        return Personalised(channel.serial, channel.key_version, self._written)

    def _read_back(self, channel: SecureChannel) -> dict[str, bytes] | None:
        """What stands of the plan's files; None where the card is locked and does not show them."""
        stands: dict[str, bytes] = {}
        for at, (file, octets) in enumerate(self._plan.in_writing_order):
            selected = channel.send(commands.select_file(file.file_id))
            if selected.status != _FILE_NOT_FOUND:
                selected.expect(f"SELECT {file.name}")
                content = self._read(channel, file.name, len(octets))
                if content is None:
                    return None
                stands[file.name] = content
            elif not at:
                break  # they are written in this order: none stands
        return stands

    def _read(self, channel: SecureChannel, name: str, octets: int) -> bytes | None:
        """The current file's, one more than `octets` where it is longer; None where the card is locked."""
        content = b""
        while len(content) <= octets:
            asked = min(self._room - commands.ODD_OVERHEAD, octets + 1 - len(content))
            command = commands.read(len(content), asked)
            answer = channel.send(command)
            if answer.status == _WRONG_OFFSET:
                break
            if answer.status == _NOT_SATISFIED and self._is_locked(channel):
                return None
            part = commands.read_octets(command, answer.expect(f"READ BINARY {name}", _END_OF_FILE))
            if len(part) > asked:
                raise MalformedCardAnswer("a card answered more than it was asked for", step=f"READ BINARY {name}")
            content += part
            if not part or (answer.status == _END_OF_FILE and len(content) == octets):
                break
        return content

    def _is_locked(self, channel: SecureChannel) -> bool:
        """Whether a file that stands cannot be created for that it is late, not for that it stands."""
        file, octets = self._plan.in_writing_order[0]
        return channel.send(commands.create_file(file.file_id, len(octets))).status >> 8 == _NOT_ALLOWED

    def _put_keys(self, channel: SecureChannel) -> SecureChannel:
        version = self._plan.key_version
        new = self._keys.key_set(version, channel.serial)
        command, told = commands.put_key(channel.key_version, version, new, channel.keys.dek)
        answer = channel.send(command).expect("PUT KEY")
        self._begun = True
        self._reached(1, 0)
        channel = self._open()
        if answer != told or channel.key_version != version:
            raise CardSpoiled("the card did not take the keys as they were sent", step="PUT KEY", status="9000")
        return channel

    def _write(self, channel: SecureChannel, file: CardFile, octets: bytes, place: int | None, done: int) -> None:
        """place: the octet from which on a file that stands is written; None where none stands. done: before it."""
        if place is None:
            channel.send(commands.create_file(file.file_id, len(octets))).expect(f"CREATE FILE {file.name}")
        if place != len(octets) and (place or not commands.has_short_identifier(file.file_id)):
            channel.send(commands.select_file(file.file_id)).expect(f"SELECT {file.name}")
        offset = place or 0
        self._standing(file.name, done + offset)
        while offset < len(octets):
            room = self._room - (commands.ODD_OVERHEAD if offset > commands.MAX_EVEN_OFFSET else 0)
            part = octets[offset : offset + room]
            if not offset and commands.has_short_identifier(file.file_id):
                command = commands.update_at_start(file.file_id, part)
            else:
                command = commands.update(offset, part)
            self._adapt(channel.send(command)).expect(f"UPDATE BINARY {file.name}")
            offset += len(part)
            self._written += len(part)
            self._standing(file.name, done + offset)

    def _adapt(self, answer: Response) -> Response:
        if answer.status in _TOO_LONG:
            self._room = max(self._room // 2, MIN_ROOM)
        return answer

    def _show_locked(self, channel: SecureChannel) -> None:
        """Try to write what stands already: it must be refused, for that it is late."""
        file, octets = self._plan.in_writing_order[0]
        answer = channel.send(commands.update_named(file.file_id, octets[:1]))
        if answer.status >> 8 != _NOT_ALLOWED:
            status = f"{answer.status:04X}"
            raise CardRefused("the card is not locked after its lock", step="UPDATE BINARY after lock", status=status)

    def _standing(self, step: str, octets: int) -> None:
        self._reached(1, octets)
        self._on_progress(step, octets, self._plan.octets)

    def _reached(self, stage: int, within: int) -> None:
        self._progress = max(self._progress, (stage, within))


def _first_difference(found: bytes, planned: bytes) -> int:
    """How many octets they begin with alike."""
    if found == planned:
        return len(planned)
    pairs = enumerate(zip(found, planned, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(found), len(planned)))
