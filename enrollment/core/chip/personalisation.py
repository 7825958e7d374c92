"""Writing one card to its plan, from whatever stands on it to the lock.

1. The channel is opened; the card proves its keys first, so that no try is lost.
2. What stands is read back and judged: nothing is written to a card that was begun, or finished, for something else.
3. Its own keys are put, once: the version that the card tells says whether they were. All that follows is under them.
4. Each file is created and written, the security object first; a file that stands is carried on where it differs.
5. Passwords and keys of the chip protocols are put.
6. The card is locked, and shown to be locked.

Whatever is lost on the way, `personalise` is called again with the same plan and a card held anew. An answer says that
its command was carried out, for its MAC covers the command's: what is written in one go is not read back. Those MACs
are looked at while the next command is on its way, and all of them before the lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from enrollment.core.chip import personalisation_commands as commands
from enrollment.core.chip.access.opening import Way, open_access, select_application, strongest_way
from enrollment.core.chip.access.password import AccessKey
from enrollment.core.chip.apdu import Response, Transmit, TransmitEach, one_by_one
from enrollment.core.chip.card_keys import CardKeyProvider
from enrollment.core.chip.card_profile import CardFile
from enrollment.core.chip.personalisation_plan import CARD_ACCESS, SECURITY_OBJECT, CardPlan
from enrollment.core.chip.personalisation_standing import (
    MIN_ROOM,
    NOT_SATISFIED,
    Room,
    places_to_resume,
    read_current_file,
)
from enrollment.core.chip.scp03 import CHALLENGE_OCTETS, Order, SecureChannel, longest_data, open_channel
from enrollment.core.chip.security_infos import decode_card_access
from enrollment.core.errors import (
    CardBelongsElsewhere,
    CardNotGenuine,
    CardRefused,
    CardSpoiled,
    InvalidCardProfile,
    InvalidInput,
    WrongCardPassword,
)

OnProgress: TypeAlias = Callable[[str, int, int], None]
OnCard: TypeAlias = Callable[[bytes, bool], None]
Progress: TypeAlias = tuple[int, int, int]
"""Stage; which file or secret; how far in the file."""

REFUSALS_IN_A_PLACE: Final = 2
MAX_REFUSALS: Final = 32

_FILE_NOT_FOUND: Final = 0x6A82
_NOT_ALLOWED: Final = 0x69  # high octet
_SESSION_OVERHEAD: Final = 24  # octets of an answer's objects and padding beside those of SCP03


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
    known: bytes = b"",
    on_card: OnCard = lambda serial, begun: None,
    on_progress: OnProgress = lambda step, done, total: None,
    transmit_each: TransmitEach | None = None,
) -> Personalised:
    """Bring the card to the plan and lock it; on a card that is finished to this plan, say so.

    block: octets that reader and card carry in one exchange. challenge_source: N octets of chance.
    known: the serial of the card that was begun by this plan, where one was: it is gone on with also where the power
    went within its first write.
    on_card(serial, begun): a card that proved its keys, before anything is written to it; begun: it has its own keys
    already. What this raises ends it.
    on_progress(step, done, total): octets of files that stand.
    transmit_each: to the same card as `transmit`, for commands that need not wait for answers.
    Raises CardNotGenuine before the card has lost a try; CardBelongsElsewhere before anything is written; CardSpoiled
    for a card that was begun and refuses to be finished; CardRefused for one that stands as it was; InvalidInput where
    `keys` has none of the plan's version; CardChannelBroken, MalformedCardAnswer and whatever the transmit raises,
    after which it is called again.
    """
    each = transmit_each or one_by_one(transmit)
    return _Personalisation(transmit, each, plan, keys, block, challenge_source, known, on_card, on_progress).run()


class _Personalisation:
    def __init__(
        self,
        transmit: Transmit,
        transmit_each: TransmitEach,
        plan: CardPlan,
        keys: CardKeyProvider,
        block: int,
        challenge_source: Callable[[int], bytes],
        known: bytes,
        on_card: OnCard,
        on_progress: OnProgress,
    ) -> None:
        self._transmit, self._transmit_each = transmit, transmit_each
        self._plan = plan
        self._keys = keys
        self._room = Room(max(longest_data(block), MIN_ROOM))
        self._chance = challenge_source
        self._known = known
        self._on_card = on_card
        self._on_progress = on_progress
        self._begun = False
        self._written = self._standing = 0
        self._progress: Progress = (0, 0, 0)

    def run(self) -> Personalised:
        """Again and again from what stands, as long as a refusal leaves the card further than the one before."""
        furthest, refusals, refusals_here = (self._progress, -self._room.octets), 0, 0
        while True:
            select_application(self._transmit, self._plan.profile)
            channel = self._open()
            try:
                return self._carry_on(channel)
            except CardRefused as refused:
                place = (self._progress, -self._room.octets)
                refusals_here = 1 if place > furthest else refusals_here + 1
                furthest, refusals = max(place, furthest), refusals + 1
                if refusals_here < REFUSALS_IN_A_PLACE and refusals < MAX_REFUSALS:
                    continue
                if not self._begun:
                    raise
                raise CardSpoiled(str(refused), **refused.facts) from None

    def _open(self) -> SecureChannel:
        application, challenge = bytes.fromhex(self._plan.profile.aid), self._chance(CHALLENGE_OCTETS)
        return open_channel(
            self._transmit,
            self._keys,
            application=application,
            challenge=challenge,
            transmit_each=self._transmit_each,
        )

    def _carry_on(self, channel: SecureChannel) -> Personalised:
        plan = self._plan
        has_own_keys = channel.key_version == plan.key_version
        stands = self._read_back(channel)
        if not has_own_keys and (stands is None or stands):
            raise CardBelongsElsewhere("the card was written under other keys", key_version=channel.key_version)
        if stands is None:
            self._on_card(channel.serial, True)
            self._know_again()
            return self._personalised(channel)
        self._begun = has_own_keys
        places = self._judged(channel, stands)
        self._on_card(channel.serial, has_own_keys)
        self._known = channel.serial
        if not has_own_keys:
            channel = self._put_keys(channel)
        self._standing = sum(places.values())
        self._on_progress(SECURITY_OBJECT, self._standing, plan.octets)
        channel.send_each(self._orders(places))
        channel.send(commands.LOCK).expect("lock")
        self._reached(4)
        self._show_locked(channel)
        return self._personalised(channel)

    def _judged(self, channel: SecureChannel, stands: Mapping[str, bytes]) -> dict[str, int]:
        """Where to carry on. An error, such as the end of a file, comes unprotected: a verdict needs a second look."""
        try:
            return places_to_resume(self._plan, stands, known=channel.serial == self._known)
        except (CardBelongsElsewhere, CardSpoiled):
            if self._read_back(channel) == stands:
                raise
            raise CardRefused("the card shows two things in turn", step="read back", status="9000") from None

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
                content = read_current_file(channel.send, self._room, file.name, len(octets))
                if content is None and self._is_locked(channel):
                    return None
                stands[file.name] = self._shown(content, file.name)
            elif not at:
                break  # they are written in this order: none stands
        return stands

    @staticmethod
    def _shown(content: bytes | None, name: str) -> bytes:
        if content is None:
            status = f"{NOT_SATISFIED:04X}"
            raise CardRefused(f"the card does not show {name}", step=f"READ BINARY {name}", status=status)
        return content

    def _is_locked(self, channel: SecureChannel) -> bool:
        """Whether a file that stands cannot be created for that it is late, not for that it stands."""
        file, octets = self._plan.in_writing_order[0]
        return channel.send(commands.create_file(file.file_id, len(octets))).status >> 8 == _NOT_ALLOWED

    def _know_again(self) -> None:
        """Open the locked card as its holder does; its security object must be the plan's."""
        plan, key = self._plan, self._plan.secrets.zone_key
        self._begun = False  # a card that is finished is not spoiled by what it refuses now
        try:
            session = open_access(self._transmit, self._way_in(key), key, self._chance)
        except (WrongCardPassword, CardNotGenuine):
            raise CardBelongsElsewhere("the card is finished for another holder", step="access") from None
        select_application(session.send, plan.profile)
        file, octets = plan.in_writing_order[0]
        session.send(commands.select_file(file.file_id)).expect(f"SELECT {file.name}")
        room = Room(self._room.octets - _SESSION_OVERHEAD)
        content = read_current_file(session.send, room, file.name, len(octets))
        if self._shown(content, file.name) != octets:
            raise CardBelongsElsewhere("the card is finished for something else", step=f"read back {file.name}")

    def _way_in(self, key: AccessKey) -> Way:
        """BAC where there is it: the application, which it needs, is selected."""
        plan = self._plan
        if "bac" in plan.profile.access.protocols:
            return Way()
        offered = plan.files.get(CARD_ACCESS)
        way = strongest_way(plan.profile, decode_card_access(offered) if offered else (), key)
        if isinstance(way, str):
            raise InvalidCardProfile(way, key="access", found=", ".join(plan.profile.access.protocols))
        return way

    def _put_keys(self, channel: SecureChannel) -> SecureChannel:
        version = self._plan.key_version
        try:
            new = self._keys.key_set(version, channel.serial)
        except CardBelongsElsewhere:
            raise InvalidInput("there are no keys of the version that cards are to have", key_version=version) from None
        command, told = commands.put_key(channel.key_version, version, new, channel.keys.dek)
        answer = channel.send(command).expect("PUT KEY")
        self._begun = True
        self._reached(1)
        channel = self._open()
        if answer != told or channel.key_version != version:
            raise CardSpoiled("the card did not take the keys as they were sent", step="PUT KEY", status="9000")
        return channel

    def _orders(self, places: Mapping[str, int]) -> Iterator[Order]:
        """All that is written between keys and lock. Taken one ahead: what stands is said by the answers alone."""
        for number, (file, octets) in enumerate(self._plan.in_writing_order):
            yield from self._file_orders(number, file, octets, places.get(file.name))
        for number, secret in enumerate(self._plan.secrets.objects()):
            yield commands.put_data(secret), partial(self._done, f"PUT DATA {secret.tag:02X}", (3, number, 0))

    def _file_orders(self, number: int, file: CardFile, octets: bytes, place: int | None) -> Iterator[Order]:
        """place: the octet from which on a file that stands is written; None where none stands."""
        is_named, offset = commands.has_short_identifier(file.file_id), place or 0
        if place is None:
            create = commands.create_file(file.file_id, len(octets))
            yield create, partial(self._entered, "CREATE FILE", file.name, (2, number, 0))
        if offset < len(octets) and (offset or not is_named):
            yield commands.select_file(file.file_id), partial(self._entered, "SELECT", file.name, (2, number, offset))
        while offset < len(octets):
            part = octets[offset : offset + self._room.at(offset)]
            at_start = is_named and not offset
            command = commands.update_at_start(file.file_id, part) if at_start else commands.update(offset, part)
            offset += len(part)
            yield command, partial(self._updated, file.name, (2, number, offset), len(part))

    def _done(self, step: str, progress: Progress, answer: Response) -> None:
        answer.expect(step)
        self._progress = max(self._progress, progress)

    def _entered(self, step: str, name: str, progress: Progress, answer: Response) -> None:
        self._done(f"{step} {name}", progress, answer)
        self._on_progress(name, self._standing, self._plan.octets)

    def _updated(self, name: str, progress: Progress, octets: int, answer: Response) -> None:
        self._done(f"UPDATE BINARY {name}", progress, self._room.fitted(answer))
        self._written += octets
        self._standing += octets
        self._on_progress(name, self._standing, self._plan.octets)

    def _show_locked(self, channel: SecureChannel) -> None:
        """Try to write what stands already: it must be refused, for that it is late."""
        file, octets = self._plan.in_writing_order[0]
        answer = channel.send(commands.update_named(file.file_id, octets[:1]))
        if answer.status >> 8 != _NOT_ALLOWED:
            status = f"{answer.status:04X}"
            raise CardRefused("the card is not locked after its lock", step="UPDATE BINARY after lock", status=status)

    def _reached(self, stage: int) -> None:
        self._progress = max(self._progress, (stage, 0, 0))
