"""A card is written to its plan, whatever stands on it; in process, against the card model."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from drivers.errors import TransmitLost
from enrollment.core.chip import security_infos as si
from enrollment.core.chip.apdu import Command
from enrollment.core.chip.card_keys import CardKeyProvider
from enrollment.core.chip.card_profile import CardProfile
from enrollment.core.chip.passive_authentication import Outcome
from enrollment.core.chip.personalisation import Personalised
from enrollment.core.chip.personalisation_plan import CardPlan, CardSecrets, make_chip_keys
from enrollment.core.chip.personalisation_standing import places_to_resume
from enrollment.core.errors import (
    CardBelongsElsewhere,
    CardChannelBroken,
    CardNotGenuine,
    CardRefused,
    CardSpoiled,
    InvalidCardProfile,
    InvalidInput,
    MalformedRecord,
)
from firmware_stubs.card.apdu import decode as decode_command
from firmware_stubs.card.card import Card
from firmware_stubs.card.memory import MAX_TRIES, LifeCycle
from tests.faults.card_losses import Disturbance, torn
from tests.unit.chip.blank_cards import (
    KEY_VERSION,
    PROFILE,
    blank_card,
    chance,
    holds,
    keys,
    plan_of,
    write,
)
from tests.unit.chip.issued_cards import IssuedCard, files_of, key_info, person, profile_with

pytest.importorskip("yubikit", reason="needs requirements/card.lock: ./run setup dev, with its Debian packages")

PLAN = plan_of()
SMALL = plan_of(scale=0.1)
SOD, DG2 = 0x011D, 0x0102


def with_other_end(octets: bytes) -> bytes:
    return octets[:-1] + bytes((octets[-1] ^ 1,))


def encode(
    card: Card, plan: CardPlan = PLAN, *, block: int = 4096, provider: CardKeyProvider | None = None, **on: Any
) -> Personalised:
    return write(card.transmit, plan, provider or keys(), block=block, challenge_source=chance(), **on)


class Between:
    """What stands before a card: `answer` may take its place, or let a command through by None. sent: instructions."""

    def __init__(self, card: Card, answer: Callable[[Command], int | None]) -> None:
        self._card, self._answer = card, answer
        self.sent: list[int] = []

    def transmit(self, raw: bytes) -> bytes:
        command = decode_command(raw)
        self.sent.append(command.ins)
        status = self._answer(Command(command.cla, command.ins, command.p1, command.p2, command.data, command.le))
        return self._card.transmit(raw) if status is None else status.to_bytes(2)


def through(between: Between, plan: CardPlan = PLAN, block: int = 4096) -> Personalised:
    return write(between.transmit, plan, keys(), block=block, challenge_source=chance())


@pytest.mark.parametrize("block", [24, 255, 1000, 4096, 65_535])
def test_a_blank_card_becomes_its_plan_and_is_locked(block: int) -> None:
    card = blank_card()
    assert encode(card, block=block) == Personalised(card.memory.serial, 1, PLAN.octets)
    assert holds(card, PLAN)
    assert (card.memory.life_cycle, card.memory.tries) == (LifeCycle.OPERATIONAL, MAX_TRIES)
    assert sorted(card.memory.objects) == [0x62, 0x63, 0x65, 0x66]
    own = keys().key_set(KEY_VERSION, card.memory.serial)
    assert (card.memory.keys, card.memory.key_version) == ((own.enc, own.mac, own.dek), KEY_VERSION)


@pytest.mark.parametrize(("factory", "own"), [(16, 16), (16, 24), (16, 32), (24, 32), (32, 32), (32, 16)])
def test_keys_of_every_length_replace_one_another(factory: int, own: int) -> None:
    card = blank_card(key=bytes(range(factory)))
    encode(card, SMALL, provider=keys(bytes(range(own)), bytes(range(factory))))
    assert holds(card, SMALL)
    assert {len(key) for key in card.memory.keys} == {own}


def test_all_but_the_key_change_goes_under_the_cards_own_keys() -> None:
    """What blank cards are opened with, many know: what they could listen to is one PUT KEY."""
    between = Between(blank_card(), lambda command: None)
    through(between, SMALL)
    at = between.sent.index(0xD8)
    assert between.sent[: at + 1] == [0xA4, 0x50, 0x82, 0xA4, 0xD8]
    assert between.sent[at + 1 : at + 3] == [0x50, 0x82]
    assert between.sent.count(0xD8) == 1
    assert {0xE0, 0xD6, 0xDA} <= set(between.sent[at + 3 :])


def test_files_beyond_the_reach_of_even_instructions_are_written_and_read_back() -> None:
    big = replace(PROFILE, files=tuple(replace(file, max_octets=65_535) for file in PROFILE.files))
    files = {**SMALL.files, "EF.DG2": chance(4)(60_001)}
    plan = CardPlan(big, files, SMALL.secrets)
    card = blank_card()
    encode(card, plan, block=3000)
    assert bytes(card.memory.files[DG2]) == files["EF.DG2"]
    card.memory.life_cycle = LifeCycle.INITIALISED
    card.memory.files[DG2][50_000:] = bytes(10_001)
    assert encode(card, plan, block=3000).written == 10_001
    assert bytes(card.memory.files[DG2]) == files["EF.DG2"]


def test_progress_counts_octets_and_the_card_is_told_before_it_is_written() -> None:
    card = blank_card()
    told: list[tuple[str, int, int]] = []
    met: list[tuple[bytes, bool, int]] = []

    def on_card(serial: bytes, begun: bool) -> None:
        met.append((serial, begun, card.memory.key_version))

    encode(card, block=1000, on_progress=lambda *step: told.append(step), on_card=on_card)
    assert met == [(card.memory.serial, False, 0xFF)]
    done = [octets for _, octets, _ in told]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, PLAN.octets)
    assert {total for *_, total in told} == {PLAN.octets}
    assert told[0][0] == "EF.SOD"
    assert told[-1][0] == "lock"


def test_who_refuses_the_card_that_is_met_keeps_it_as_it_is() -> None:
    card = blank_card()

    def refuse(serial: bytes, begun: bool) -> None:
        raise CardBelongsElsewhere("the ledger has it elsewhere")

    with pytest.raises(CardBelongsElsewhere, match="ledger"):
        encode(card, on_card=refuse)
    assert card.memory.to_json() == blank_card().memory.to_json() | {"sequence": 1}


def test_a_finished_card_is_known_again() -> None:
    for profile in (PROFILE, replace(PROFILE, access=replace(PROFILE.access, protocols=("pace",)))):
        plan = replace(PLAN, profile=profile)
        card = blank_card()
        encode(card, plan)
        before = card.memory.to_json()
        for block in (255, 4096):
            assert encode(card, plan, block=block).written == 0
        assert card.memory.to_json() | {"sequence": 0} == before | {"sequence": 0}


@pytest.mark.parametrize("same_zone", [False, True])
def test_a_card_that_is_finished_for_another_dossier_is_left_alone(same_zone: bool) -> None:
    card = blank_card()
    other = plan_of(2)
    encode(card, replace(other, secrets=PLAN.secrets) if same_zone else other)
    before = card.memory.to_json()
    with pytest.raises(CardBelongsElsewhere, match="finished for"):
        encode(card)
    assert card.memory.to_json() | {"sequence": 0} == before | {"sequence": 0}


class Power(Exception):
    pass


@pytest.mark.parametrize("commands", range(9, 60, 7))
def test_a_card_that_was_begun_for_another_dossier_is_left_alone(commands: int) -> None:
    card = blank_card()
    left = commands

    def cut(command: Command) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Power

    with pytest.raises(Power):
        through(Between(card, cut), plan_of(2), block=1000)
    card.power_off()
    before = card.memory.to_json()
    if not any(card.memory.files.get(SOD, b"")):  # its keys, and at most an empty file: anybody's
        encode(card)
        assert holds(card, PLAN)
        return
    with pytest.raises(CardBelongsElsewhere, match="begun for something else"):
        encode(card)
    assert card.memory.to_json() | {"sequence": 0} == before | {"sequence": 0}


@pytest.mark.parametrize(
    ("stands", "error"),
    [
        ({"EF.SOD": b""}, CardBelongsElsewhere),
        ({"EF.SOD": PLAN.files["EF.SOD"][:-1]}, CardBelongsElsewhere),
        ({"EF.SOD": PLAN.files["EF.SOD"] + b"\0"}, CardBelongsElsewhere),
        ({"EF.SOD": with_other_end(PLAN.files["EF.SOD"])}, CardBelongsElsewhere),
        ({"EF.DG1": PLAN.files["EF.DG1"]}, CardBelongsElsewhere),
        ({"EF.SOD": bytes(len(PLAN.files["EF.SOD"])), "EF.DG1": PLAN.files["EF.DG1"]}, CardBelongsElsewhere),
        ({"EF.SOD": PLAN.files["EF.SOD"], "EF.DG1": PLAN.files["EF.DG1"] + b"\0"}, CardSpoiled),
        ({"EF.SOD": PLAN.files["EF.SOD"], "EF.DG1": b""}, CardSpoiled),
    ],
)
def test_what_stands_and_is_no_part_of_the_plan_is_refused(stands: dict[str, bytes], error: type[Exception]) -> None:
    with pytest.raises(error):
        places_to_resume(PLAN, stands)


def test_what_stands_and_is_a_part_of_the_plan_is_carried_on() -> None:
    sod, dg1 = PLAN.files["EF.SOD"], PLAN.files["EF.DG1"]
    assert places_to_resume(PLAN, {}) == {}
    assert places_to_resume(PLAN, {"EF.SOD": bytes(len(sod))}) == {"EF.SOD": 0}
    assert places_to_resume(PLAN, {"EF.SOD": sod[:700].ljust(len(sod), b"\0")}) == {"EF.SOD": 700}
    torn = dg1[:10] + b"\xff" * (len(dg1) - 10)  # a write that the power cut short: ours, for the object is
    assert places_to_resume(PLAN, {"EF.SOD": sod, "EF.DG1": torn}) == {"EF.SOD": len(sod), "EF.DG1": 10}


def torn_within_the_security_object(plan: CardPlan, block: int, number: int, tear: Disturbance) -> Card | None:
    """A card that lost its power within this write of EF.SOD; None where there are fewer."""
    card, left = blank_card(), number

    def transmit(raw: bytes) -> bytes:
        nonlocal left
        writes = raw[1] == 0xD6 and set(card.memory.files) == {SOD}
        left -= writes
        return tear(card, raw) if writes and left < 0 else card.transmit(raw)

    with suppress(TransmitLost):
        write(transmit, plan, keys(), block=block, challenge_source=chance())
        return None
    return card


@pytest.mark.parametrize(
    ("kept", "rest"), [(0.0, b"\xff"), (0.5, b"\xff"), (0.5, b""), (0.99, b"\x5a"), (0.3, b"\x17\xc3")]
)
def test_write_that_was_torn_within_the_security_object_is_made_good_on_that_card_alone(
    kept: float, rest: bytes
) -> None:
    plan = replace(PLAN, files={**SMALL.files, "EF.SOD": PLAN.files["EF.SOD"]})
    tear, cards = torn(kept, rest), 0
    while (card := torn_within_the_security_object(plan, 300, cards, tear)) is not None:
        cards += 1
        before = card.memory.to_json() | {"sequence": 0}
        for other in (plan_of(2, 0.1), plan_of(3)):
            for known in (b"", blank_card(7).memory.serial):
                with pytest.raises(CardBelongsElsewhere):
                    encode(card, other, block=300, known=known)
        assert card.memory.to_json() | {"sequence": 0} == before
        assert encode(card, plan, block=300, known=card.memory.serial).written >= plan.octets - 2400
        assert holds(card, plan)
        assert (card.memory.life_cycle, card.memory.tries) == (LifeCycle.OPERATIONAL, MAX_TRIES)
    assert cards >= 9


def test_card_with_another_dossiers_whole_security_object_is_refused_whatever_the_station_knows_of_it() -> None:
    ours, theirs = (replace(SMALL, files={**SMALL.files, "EF.SOD": files_of()["EF.SOD"]}) for _ in range(2))
    card = blank_card()
    with pytest.raises(ZeroDivisionError):
        encode(card, theirs, on_progress=lambda step, done, total: 1 // (step == "EF.SOD"))
    before = card.memory.to_json() | {"sequence": 0}
    with pytest.raises(CardBelongsElsewhere):
        encode(card, ours, known=card.memory.serial)
    assert card.memory.to_json() | {"sequence": 0} == before


def test_file_of_another_length_in_place_of_the_security_object_spoils_the_card_that_was_begun() -> None:
    short = {"EF.SOD": PLAN.files["EF.SOD"][:-1]}
    with pytest.raises(CardSpoiled, match="another length"):
        places_to_resume(PLAN, short, known=True)
    with pytest.raises(CardBelongsElsewhere):
        places_to_resume(PLAN, {"EF.SOD": bytes(2400), "EF.DG1": PLAN.files["EF.DG1"]}, known=True)


def test_wrong_keys_end_it_before_a_try_and_nothing_is_written() -> None:
    card = blank_card()
    with pytest.raises(CardNotGenuine):
        encode(card, provider=keys(factory_key=bytes(16)))
    assert card.memory.to_json() == blank_card().memory.to_json() | {"sequence": 1}
    encode(card, SMALL)
    with pytest.raises(CardNotGenuine):
        encode(card, SMALL, provider=keys(master_key=bytes(16)))
    assert card.memory.tries == MAX_TRIES


def test_a_card_of_another_kind_is_refused() -> None:
    elsewhere = profile_with()
    elsewhere = replace(elsewhere, aid="A0000002471002")
    with pytest.raises(CardBelongsElsewhere, match="no application"):
        encode(blank_card(), CardPlan(elsewhere, PLAN.files, PLAN.secrets))
    with pytest.raises(CardBelongsElsewhere, match="protect its answers"):
        encode(blank_card(scp_i=0x10))


def limited(most: int, status: int = 0x6700) -> Callable[[Command], int | None]:
    """A card that takes no longer commands, and says so."""
    return lambda command: status if len(command.data) > most else None


@pytest.mark.parametrize("status", [0x6700, 0x6A84, 0x6884, 0x6F00])
@pytest.mark.parametrize("most", [120, 255, 1000, 5000])
def test_blocks_shrink_to_what_the_card_takes(most: int, status: int) -> None:
    card = blank_card()
    done = through(Between(card, limited(most, status)), block=32_000)
    assert holds(card, PLAN)
    assert done.written == PLAN.octets
    assert card.memory.tries == MAX_TRIES


def test_a_card_that_takes_no_block_is_spoiled_after_a_bounded_number_of_tries() -> None:
    card = blank_card()
    between = Between(card, lambda command: 0x6700 if command.ins == 0xD6 else None)
    with pytest.raises(CardSpoiled) as raised:
        through(between, block=32_000)
    assert raised.value.facts == {"step": "UPDATE BINARY EF.SOD", "status": "6700"}
    assert between.sent.count(0xD6) < 16
    assert card.memory.life_cycle is LifeCycle.INITIALISED


@pytest.mark.parametrize(
    ("instruction", "step"),
    [
        (0xE0, "CREATE FILE EF.SOD"),
        (0xD6, "UPDATE BINARY EF.SOD"),
        (0xDA, "PUT DATA 62"),
    ],
)
def test_a_lasting_refusal_names_its_step_and_status(instruction: int, step: str) -> None:
    with pytest.raises(CardSpoiled) as raised:
        through(Between(blank_card(), lambda command: 0x6581 if command.ins == instruction else None))
    assert str(raised.value.facts["step"]).startswith(step)
    assert raised.value.facts["status"] == "6581"


def test_a_card_that_refuses_its_keys_is_as_blank_as_it_was() -> None:
    card = blank_card()
    with pytest.raises(CardRefused) as raised:
        through(Between(card, lambda command: 0x6A80 if command.ins == 0xD8 else None))
    assert raised.value.facts == {"step": "PUT KEY", "status": "6A80"}
    assert (card.memory.keys, card.memory.files) == (blank_card().memory.keys, {})


def test_check_values_that_are_not_of_the_keys_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No card of the model takes keys wrongly: it is made to answer with other check values, under its MAC."""
    from firmware_stubs.card import scp03

    put = scp03.put_key
    monkeypatch.setattr(scp03, "put_key", lambda *told: with_other_end(put(*told)))
    card = blank_card()
    with pytest.raises(CardSpoiled) as raised:
        encode(card)
    assert raised.value.facts["step"] == "PUT KEY"
    assert card.memory.files == {}


def test_a_lock_that_does_not_lock_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model locks: it is made to say so and not to."""
    monkeypatch.setattr(Card, "_lock", lambda self, proved: None)
    card = blank_card()
    with pytest.raises(CardSpoiled) as raised:
        encode(card)
    assert raised.value.facts == {"step": "UPDATE BINARY after lock", "status": "9000"}
    assert holds(card, PLAN)  # and what was tried there changed nothing


def test_an_answer_that_is_changed_on_its_way_ends_the_run_and_the_next_one_finishes() -> None:
    card = blank_card()
    count = 0

    def change(raw: bytes) -> bytes:
        nonlocal count
        count += 1
        answer = card.transmit(raw)
        return bytes((answer[0] ^ 1,)) + answer[1:] if count == 15 else answer

    with pytest.raises(CardChannelBroken):
        write(change, PLAN, keys(), block=1000, challenge_source=chance())
    assert encode(card).written < PLAN.octets
    assert holds(card, PLAN)


def test_a_card_with_no_room_left_is_spoiled() -> None:
    card = blank_card()
    card.profile = replace(card.profile, memory_bytes=20_000)
    card.power_off()
    with pytest.raises(CardSpoiled) as raised:
        encode(card)
    assert raised.value.facts == {"step": "CREATE FILE EF.DG2", "status": "6A84"}


def test_a_card_under_a_newer_version_of_keys_is_not_taken_back() -> None:
    card = blank_card()
    encode(card, SMALL)
    newer = replace(SMALL, key_version=2)
    with pytest.raises(CardBelongsElsewhere, match="under other keys"):
        encode(card, newer)


def test_plans_that_no_card_can_be_brought_to_are_refused() -> None:
    with pytest.raises(InvalidCardProfile):
        CardPlan(PROFILE, {**PLAN.files, "EF.DG4": b"x"}, PLAN.secrets)
    with pytest.raises(InvalidCardProfile):
        CardPlan(PROFILE, {"EF.SOD": b"x"}, PLAN.secrets)
    for octets in (b"", bytes(65_536)):
        with pytest.raises(MalformedRecord):
            CardPlan(PROFILE, {**PLAN.files, "EF.DG2": octets}, PLAN.secrets)
    for version in (0, 128, 255):
        with pytest.raises(MalformedRecord):
            replace(PLAN, key_version=version)


def test_a_version_that_there_are_no_keys_of_is_the_stations_fault() -> None:
    card = blank_card()
    with pytest.raises(InvalidInput, match="no keys of the version"):
        encode(card, replace(SMALL, key_version=9))
    assert card.memory.to_json() == blank_card().memory.to_json() | {"sequence": 1}


@pytest.mark.parametrize(
    ("field", "value"),
    [("document_number", "12345678a"), ("date_of_birth", "1990"), ("date_of_expiry", ""), ("can", "12a456")],
)
def test_secrets_that_open_no_card_are_refused_before_there_is_one(field: str, value: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        replace(PLAN.secrets, **{field: value})  # type: ignore[arg-type]
    assert value not in str(raised.value) or not value


def test_nothing_of_a_plan_shows() -> None:
    shown = f"{PLAN!r} {PLAN.secrets!r} {make_chip_keys(PROFILE)!r}"
    assert PLAN.secrets.document_number not in shown
    assert PLAN.secrets.can not in shown
    assert repr(PLAN.files["EF.COM"]) not in shown
    assert "Key object" not in shown


@pytest.mark.parametrize("curve", ["brainpoolP256r1", ""])
def test_a_border_reader_verifies_what_was_written(curve: str) -> None:
    """By every check, active and chip authentication among them; with a key of RSA where the profile has no curve."""
    profile: CardProfile = profile_with(active_authentication={"curve": curve})
    made = make_chip_keys(profile)
    contents = person()
    chip_key = si.chip_authentication_key(key_info(made.chip.public_key()))
    dg14 = (*contents.dg14[:2], chip_key, contents.dg14[3])
    contents = replace(contents, public_key=made.active.public_key(), dg14=dg14)
    secrets = CardSecrets(
        contents.zone.document_number, contents.zone.birth, contents.zone.expiry, "000017", made.chip, made.active
    )
    card = blank_card()
    encode(card, CardPlan(profile, files_of(contents), secrets), block=2000)
    report = IssuedCard(card).verify(profile=profile)
    assert report.is_verified, [check for check in report.checks if check.outcome is Outcome.FAILED]
    passed = {check.name for check in report.checks if check.outcome is Outcome.PASSED}
    assert {"active-authentication", "chip-authentication", "group-digests"} <= passed
