"""Every encoder of the catalogue keeps what CardEncoder and HeldCard promise, on the real pcscd."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from drivers import catalogue
from drivers.card.pcsc_encoder import PcscEncoder
from drivers.card.probing import STEPS, LengthMemory
from drivers.discovery import build, discover
from drivers.errors import (
    CaptureCancelled,
    CaptureTimedOut,
    CardGone,
    CardMute,
    DeviceBusy,
    DeviceError,
    DeviceNotFound,
    DeviceNotReady,
    DeviceStalled,
    TransmitLost,
    UnsupportedDevice,
)
from drivers.spi import CancelToken, CardEncoder, DeviceKind, HeldCard
from tests.faults.encoder_bench import children, handles
from tests.pcsc.card_process import CardStub, await_empty
from tests.pcsc.conftest import CardShelf
from tests.pcsc.other_program import OtherProgram

ENTRIES = [entry for entry in catalogue.entries().values() if entry.kind is DeviceKind.CARD_ENCODER]
READER, SLOT = "Card Model 0 00 00", 0
SELECT = bytes.fromhex("00A4020C0201FF")  # a file that no card has, whatever other tests have made of it
NOT_FOUND = bytes.fromhex("6A82")
WAIT_S = 10.0


@pytest.fixture(params=ENTRIES, ids=lambda entry: entry.name)
def encoder(request: pytest.FixtureRequest, cards: CardShelf) -> Iterator[CardEncoder]:
    built = request.param.build(f"pcsc:{READER}")
    assert isinstance(built, CardEncoder)
    built.open()
    yield built
    built.close()


def hold(encoder: CardEncoder, timeout_s: float = WAIT_S, cancel: CancelToken | None = None) -> Any:
    return encoder.hold(timeout_s=timeout_s, cancel=cancel or CancelToken())


Limited = Callable[..., PcscEncoder]


@pytest.fixture
def limited(cards: CardShelf) -> Iterator[Limited]:
    """Makes open encoders of the same reader with limits of their own."""
    made = []

    def make(**options: Any) -> PcscEncoder:
        made.append(PcscEncoder(f"pcsc:{READER}", **options))
        made[-1].open()
        return made[-1]

    yield make
    for encoder in made:
        encoder.close()


def test_a_card_is_held_and_answers(encoder: CardEncoder) -> None:
    with hold(encoder) as card:
        assert isinstance(card, HeldCard)
        assert card.answer_to_reset == bytes.fromhex("3B85800180738421C092")
        assert card.block == STEPS[0]
        assert card.transmit(SELECT) == NOT_FOUND
    assert encoder.identity.model == "Card Model 0"


def test_open_and_close_may_be_called_again_and_leave_nothing(encoder: CardEncoder, cards: CardShelf) -> None:
    encoder.close()
    files, threads = handles(), set(threading.enumerate())
    for _ in range(2):
        encoder.open()
        encoder.open()
        with hold(encoder) as card:
            assert card.transmit(SELECT) == NOT_FOUND
        encoder.close()
        encoder.close()
    assert not children()
    assert handles() <= files
    assert set(threading.enumerate()) <= threads


def test_a_held_card_is_nobody_elses_and_loses_its_power_afterwards(
    encoder: CardEncoder, cards: CardShelf, limited: Limited
) -> None:
    with hold(encoder) as card:
        assert card.transmit(SELECT) == NOT_FOUND
        assert cards.stub.state(SLOT)["powered"]
        second = limited(busy_patience_s=0.0)
        with pytest.raises(DeviceBusy), hold(second):
            pass
        assert card.transmit(SELECT) == NOT_FOUND
    within(WAIT_S, lambda: not cards.stub.state(SLOT)["powered"])  # nothing answers a reader that takes the power
    with pytest.raises(CardGone):
        card.transmit(SELECT)


def test_what_a_card_granted_is_forgotten_from_one_hold_to_the_next(encoder: CardEncoder) -> None:
    select_application, challenge = bytes.fromhex("00A4040C07A0000002471001"), bytes.fromhex("0084000008")
    authenticate = bytes.fromhex("0082000028") + bytes(40) + b"\x28"
    with hold(encoder) as card:
        assert card.transmit(select_application)[-2:] == b"\x90\x00"
        assert len(card.transmit(challenge)) == 10
    with hold(encoder) as card:
        card.transmit(select_application)
        assert card.transmit(authenticate) == bytes.fromhex("6985")  # the challenge is gone


def test_a_card_that_comes_later_is_waited_for(encoder: CardEncoder, cards: CardShelf) -> None:
    cards.stub.pull(SLOT)
    await_empty(SLOT)
    with pytest.raises(CaptureTimedOut), hold(encoder, timeout_s=0.3):
        pass
    coming = threading.Timer(0.2, cards.stub.insert, (SLOT,))
    coming.start()
    with hold(encoder) as card:
        assert card.transmit(SELECT) == NOT_FOUND
    coming.join()


def test_a_cancelled_wait_ends_at_once(encoder: CardEncoder, cards: CardShelf) -> None:
    cards.stub.pull(SLOT)
    await_empty(SLOT)
    cancel = CancelToken()
    calling = threading.Timer(0.3, cancel.cancel)
    calling.start()
    with pytest.raises(CaptureCancelled), hold(encoder, cancel=cancel):
        pass
    calling.join()
    cards.stub.insert(SLOT)
    with hold(encoder) as card:
        assert card.transmit(SELECT) == NOT_FOUND


def test_a_wait_for_another_programs_transaction_can_be_cancelled(cards: CardShelf, limited: Limited) -> None:
    encoder = limited(busy_patience_s=30.0)
    cancel = CancelToken()
    calling = threading.Timer(0.3, cancel.cancel)
    with OtherProgram("transaction", READER):
        calling.start()
        with pytest.raises(CaptureCancelled), hold(encoder, cancel=cancel):
            pass
    calling.join()
    with hold(encoder) as card:
        assert card.transmit(SELECT) == NOT_FOUND


@pytest.mark.parametrize("how", ["hold", "transaction"])
def test_who_holds_the_card_is_named(how: str, cards: CardShelf, limited: Limited) -> None:
    encoder = limited(busy_patience_s=0.2)
    with OtherProgram(how, READER) as other:
        with pytest.raises(DeviceBusy) as raised, hold(encoder):
            pass
        assert f"({other.pid})" in str(raised.value.facts["holders"])
    assert raised.value.facts["reader"] == READER
    with hold(encoder) as card:
        assert card.transmit(SELECT) == NOT_FOUND


def test_a_program_that_is_gone_within_the_patience_is_waited_for(cards: CardShelf, limited: Limited) -> None:
    encoder = limited(busy_patience_s=WAIT_S)
    with OtherProgram("hold", READER) as other:
        ending = threading.Timer(0.4, other.end)
        ending.start()
        with hold(encoder) as card:
            assert card.transmit(SELECT) == NOT_FOUND
        ending.join()


def test_beside_a_program_that_shares_the_card_it_is_held_in_a_transaction(
    encoder: CardEncoder, cards: CardShelf
) -> None:
    with OtherProgram("share", READER) as other:
        with hold(encoder) as card:
            other.begin("select")
            assert card.transmit(SELECT) == NOT_FOUND
            before = cards.stub.state(SLOT)["apdus"]
            time.sleep(0.2)  # for the other's command to come through, if it could
            assert cards.stub.state(SLOT)["apdus"] == before
            assert card.transmit(SELECT) == NOT_FOUND
        assert other.end() == "done\n"


@pytest.mark.parametrize("length", [0, 1, 255, 256, 4000, STEPS[0]])
def test_commands_of_any_length_reach_the_card_whole(encoder: CardEncoder, length: int) -> None:
    apdu = bytes.fromhex("00A4040C") + (b"\0" + length.to_bytes(2) + bytes(length) if length else b"")
    with hold(encoder) as card:
        assert card.transmit(apdu)[-2:] in (NOT_FOUND, b"\x67\x00")


def test_what_is_no_command_is_refused_and_the_card_stays_held(encoder: CardEncoder) -> None:
    with hold(encoder) as card:
        with pytest.raises(UnsupportedDevice):
            card.transmit(b"\0")
        assert card.transmit(SELECT) == NOT_FOUND


def test_after_a_failure_nothing_is_carried_any_more(encoder: CardEncoder, cards: CardShelf) -> None:
    with hold(encoder) as card:
        cards.stub.arm("power_loss", SLOT)
        with pytest.raises(TransmitLost) as raised:
            card.transmit(SELECT)
        assert raised.value.facts["under"] == "command 00A4"
        cards.stub.await_connected(SLOT)  # the card is back
        apdus = cards.stub.state(SLOT)["apdus"]
        with pytest.raises(CardGone):
            card.transmit(SELECT)
    assert cards.stub.state(SLOT)["apdus"] == apdus


APPLICATION = bytes.fromhex("00A4040C07A0000002471001")
CHALLENGE = bytes.fromhex("0084000008")
OK = b"\x90\x00"


def test_commands_in_a_row_are_answered_in_order_up_to_the_first_that_is_refused(
    encoder: CardEncoder, cards: CardShelf
) -> None:
    taken: list[bytes] = []

    def noted(apdus: Sequence[bytes]) -> Iterator[bytes]:
        for apdu in apdus:
            taken.append(apdu)
            yield apdu

    with hold(encoder) as card:
        before = cards.stub.state(SLOT)["apdus"]
        commands = (APPLICATION, CHALLENGE, CHALLENGE, SELECT, APPLICATION, APPLICATION)
        answers = list(card.transmit_each(noted(commands)))
        assert [len(answer) for answer in answers] == [2, 10, 10, 2]
        assert answers[1] != answers[2]
        assert [answer[-2:] for answer in answers] == [OK, OK, OK, NOT_FOUND]
        assert len(taken) == 5  # the next was ready
        assert card.transmit(SELECT) == NOT_FOUND
        assert cards.stub.state(SLOT)["apdus"] == before + 5  # and did not go to the card
        assert list(card.transmit_each([])) == []
        assert [answer[-2:] for answer in card.transmit_each([APPLICATION, CHALLENGE])] == [OK, OK]


def test_a_command_that_takes_several_exchanges_has_its_place_in_a_row(encoder: CardEncoder, cards: CardShelf) -> None:
    wrong_le = CHALLENGE[:4] + b"\x05"
    chained = bytes.fromhex("00A4040C009C40") + bytes(40_000)
    with hold(encoder) as card:
        cards.stub.arm("answer", SLOT, ins=0x84, bytes="6C08")  # Le is corrected, and what waited is sent after that
        answers = list(card.transmit_each([APPLICATION, wrong_le, APPLICATION, CHALLENGE, chained, APPLICATION]))
    assert [len(answer) for answer in answers] == [2, 10, 2, 10, 2]
    assert [answer[-2:] for answer in answers[:4]] == [OK] * 4
    assert answers[4] in (NOT_FOUND, b"\x67\x00")


def test_a_row_that_is_not_listened_to_any_more_leaves_the_next_answer_in_its_place(encoder: CardEncoder) -> None:
    with hold(encoder) as card:
        row = card.transmit_each([APPLICATION, CHALLENGE, CHALLENGE])
        assert next(row) == OK
        assert card.transmit(SELECT) == NOT_FOUND
        another = card.transmit_each([APPLICATION, SELECT])
        assert next(another) == OK
    with hold(encoder) as card:
        assert card.transmit(SELECT) == NOT_FOUND


@pytest.mark.parametrize(
    ("fault", "error"), [({"kind": "power_loss"}, TransmitLost), ({"kind": "silent"}, DeviceStalled)]
)
def test_after_a_failure_in_a_row_nothing_is_carried_any_more(
    fault: dict[str, Any], error: type[DeviceError], cards: CardShelf, limited: Limited
) -> None:
    encoder = limited()
    with hold(encoder) as card:
        cards.stub.arm(slot=SLOT, after=1, **fault)
        row = card.transmit_each([APPLICATION, CHALLENGE, CHALLENGE, CHALLENGE])
        assert next(row) == OK
        card._limit_s = 0.5  # from here on, where the fault comes
        apdus = cards.stub.state(SLOT)["apdus"]
        with pytest.raises(error) as raised:
            next(row)
        assert raised.value.facts["under"] == "command 0084"
        assert raised.value.facts["outcome"] == "unknown"
        with pytest.raises(CardGone):
            card.transmit(SELECT)
        with pytest.raises(CardGone):
            next(card.transmit_each([SELECT]))
    assert cards.stub.state(SLOT)["apdus"] <= apdus + 1
    cards.stub.exchange(SLOT)
    with hold(encoder) as card:
        assert card.transmit(SELECT) == NOT_FOUND


def test_a_card_that_never_answers_is_given_up_and_the_reader_says_what_it_needs(
    cards: CardShelf, limited: Limited
) -> None:
    with hold(limited()) as card:  # which learns the lengths, with time enough
        assert card.transmit(SELECT) == NOT_FOUND
    encoder = limited(transmit_limit_s=0.3, busy_patience_s=0.2)
    with hold(encoder) as card:
        cards.stub.arm("silent", SLOT)
        with pytest.raises(DeviceStalled) as raised:
            card.transmit(SELECT)
    assert raised.value.facts == {
        "reader": READER,
        "under": "command 00A4",
        "outcome": "unknown",
        "limit_s": 0.3,
    }
    with pytest.raises(DeviceStalled, match="take the card out"), hold(encoder):
        pass
    encoder.close()
    another = limited(busy_patience_s=0.2)  # as a daemon does, which builds its driver anew after a failure
    with pytest.raises(DeviceStalled, match="take the card out"), hold(another):
        pass
    cards.stub.exchange(SLOT)
    with hold(another) as card:
        assert card.transmit(SELECT) == NOT_FOUND


def test_a_readers_hidden_limit_is_found_and_remembered(cards: CardShelf, limited: Limited) -> None:
    memory = LengthMemory()
    encoder = limited(memory=memory)
    cards.stub.arm("power_loss", SLOT, longer_than=4200, times=1000)
    with hold(encoder) as card:
        assert card.block == 4096
        assert card.transmit(bytes.fromhex("00A4040C") + b"\0\x10\0" + bytes(4096)) == NOT_FOUND
        longer = bytes.fromhex("00A4040C") + b"\0\x20\0" + bytes(8192)
        assert card.transmit(longer)[-2:] in (NOT_FOUND, b"\x67\x00")  # in two pieces
    apdus = cards.stub.state(SLOT)["apdus"]
    with hold(encoder) as card:
        assert card.block == 4096
    assert cards.stub.state(SLOT)["apdus"] == apdus  # nothing had to be asked again


@contextmanager
def other_cards(cards: CardShelf, **kind: str) -> Iterator[None]:
    """Cards of another kind in the slots of the first reader."""
    cards.stub.stop()
    stub = CardStub(cards.gate, slots=2, **kind)  # type: ignore[arg-type]
    try:
        stub.await_connected(SLOT)
        yield
    finally:
        stub.stop()
        cards.restart()


@pytest.mark.parametrize(
    ("kind", "block"),
    [
        ({"extended": "announced"}, STEPS[0]),
        ({"extended": "unannounced"}, 255),
        ({"extended": "refused"}, 255),
        ({"extended": "announced", "atr": "3B80800101"}, STEPS[0]),  # says nothing, and is asked
        ({"extended": "refused", "atr": "3B80800101"}, 255),
        ({"extended": "refused", "atr": "3B020000"}, 255),  # T=0
    ],
)
def test_a_cards_own_lengths_are_kept_to(cards: CardShelf, limited: Limited, kind: dict[str, str], block: int) -> None:
    encoder = limited(memory=LengthMemory())
    with other_cards(cards, **kind), hold(encoder) as card:
        assert card.block == block
        select = bytes.fromhex("00A4040C0002BC") + bytes(700)
        assert card.transmit(select)[-2:] in (NOT_FOUND, b"\x67\x00")
        assert card.transmit(SELECT) == NOT_FOUND
        assert card.transmit(bytes.fromhex("00A4040007A000000247100100"))[-2:] == b"\x90\x00"


def test_a_card_that_makes_no_sense_is_mute(cards: CardShelf, limited: Limited) -> None:
    encoder = limited()
    with other_cards(cards, atr="FFFF"), pytest.raises(CardMute) as raised, hold(encoder):
        pass
    assert raised.value.facts["reader"] == READER
    with hold(encoder) as card:
        assert card.transmit(SELECT) == NOT_FOUND


def test_readers_that_are_not_there_are_told_apart(cards: CardShelf) -> None:
    for address in ("pcsc:", "http://reader", "usb:1"):
        with pytest.raises(UnsupportedDevice):
            PcscEncoder(address)
    absent = PcscEncoder("pcsc:No Such Reader 00 00")
    with pytest.raises(DeviceNotFound):
        absent.open()
    with pytest.raises(DeviceNotReady), hold(absent):
        pass
    assert not children()


def test_discovery_lists_every_slot_with_a_lasting_name(cards: CardShelf) -> None:
    found = discover(["pcsc:"])
    assert not found.failures
    assert [device.device_id for device in found.devices] == [
        "pcsc-card-model-0",
        "pcsc-card-model-0-1",
        "pcsc-card-model-1",
        "pcsc-card-model-1-1",
    ]
    assert {device.kind for device in found.devices} == {DeviceKind.CARD_ENCODER}
    (by_model,) = discover(["pcsc:Card Model 1"]).devices
    assert by_model == found.devices[2]
    (failure,) = discover(["pcsc:Card Model 7"]).failures
    assert isinstance(failure.error, DeviceNotFound)
    encoder = build(by_model)
    assert isinstance(encoder, CardEncoder)
    encoder.open()
    with hold(encoder) as card:
        assert card.transmit(SELECT) == NOT_FOUND
    encoder.close()


def test_readers_are_listed_without_the_daemon_and_take_no_pictures(cards: CardShelf) -> None:
    def run(*arguments: str) -> Any:
        command = [sys.executable, "-m", "drivers", *arguments, "--json"]
        return json.loads(subprocess.run(command, capture_output=True, timeout=60, check=False).stdout)

    listed = run("list", "--address", "pcsc:")["devices"]
    assert [(device["kind"], device["driver"]) for device in listed] == [("card_encoder", "pcsc")] * 4
    assert run("capture", "--address", f"pcsc:{READER}")["error"]["reason"] == "DEVICE_UNSUPPORTED"


def test_no_pyscard_says_what_to_install(cards: CardShelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A package of that name that cannot be imported stands for its absence: the tests have it."""
    (tmp_path / "smartcard.py").write_text("raise ImportError\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    encoder = PcscEncoder(f"pcsc:{READER}")
    with pytest.raises(UnsupportedDevice, match="install the extra card"):
        encoder.open()
    encoder.close()
    (failure,) = discover(["pcsc:"]).failures
    assert isinstance(failure.error, UnsupportedDevice)
    assert not children()


def within(seconds: float, attempt: Callable[[], object]) -> None:
    deadline = time.monotonic() + seconds
    while not attempt():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_process_that_died_in_between_is_replaced(encoder: CardEncoder) -> None:
    (pid,) = children()
    os.kill(pid, signal.SIGKILL)
    within(WAIT_S, lambda: _is_dead(pid))
    with hold(encoder) as card:
        assert card.transmit(SELECT) == NOT_FOUND
    assert children() != {pid}


def test_its_process_ends_with_the_daemon_that_died(cards: CardShelf, limited: Limited) -> None:
    encoder = limited()
    (pid,) = children()
    reader: Any = encoder._reader
    cards.stub.arm("silent", SLOT)
    waiting = threading.Thread(target=lambda: _transmit_whatever_comes(encoder))
    waiting.start()
    within(WAIT_S, lambda: cards.stub.state(SLOT)["faults"] == [])
    reader._process.channel.shutdown(2)  # what the end of a process does to its sockets
    within(WAIT_S, lambda: _is_dead(pid))
    waiting.join()
    cards.stub.pull(SLOT)


def _is_dead(pid: int) -> bool:
    """Whether all of its threads are: the first of them is a zombie while others may still hold its sockets."""
    try:
        status = Path("/proc", str(pid), "status").read_text()
        return "State:\tZ" in status and len(os.listdir(f"/proc/{pid}/task")) == 1
    except OSError:
        return True


def _transmit_whatever_comes(encoder: CardEncoder) -> None:
    with suppress(DeviceError), hold(encoder) as card:
        card.transmit(SELECT)
