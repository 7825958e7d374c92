"""The card model behind the real pcscd, spoken to by pyscard: what a reader on the desk would show."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from enrollment.core.chip.access.pace import PaceVariant, open_by_pace
from enrollment.core.chip.access.password import AccessKey
from enrollment.core.chip.apdu import Command, Response
from enrollment.core.chip.security_infos import BRAINPOOL_P256R1, PACE_ECDH_GM_AES_128
from firmware_stubs.card.memory import DEVELOPMENT_KEY, MAX_TRIES
from firmware_stubs.card.pcscd import FIRST_PORT, Pcscd
from tests.card_wire import CardWire
from tests.pcsc.card_process import (
    NO_SERVICE,
    NOT_TRANSACTED,
    REMOVED,
    WAIT_S,
    Connection,
    PcscError,
    connected,
)
from tests.pcsc.conftest import CardShelf, away

AID = bytes.fromhex("A0000002471001")


def code_of(call: Callable[[], object]) -> int:
    with pytest.raises(PcscError) as raised:
        call()
    return raised.value.code


def personaliser(connection: Connection) -> Any:
    """A channel of yubikit's over that connection."""
    from yubikit.core import TRANSPORT
    from yubikit.core.smartcard import SmartCardConnection, SmartCardProtocol
    from yubikit.core.smartcard.scp import KeyRef, Scp03KeyParams, ScpKid, StaticKeys

    class Wire(SmartCardConnection):  # type: ignore[misc,unused-ignore]
        transport = TRANSPORT.USB

        def close(self) -> None: ...

        def send_and_receive(self, apdu: bytes) -> tuple[bytes, int]:
            return connection.send(apdu.hex())

    host = SmartCardProtocol(Wire())
    host.select(AID)
    host.init_scp(Scp03KeyParams(KeyRef(ScpKid.SCP03, 0), StaticKeys(*(DEVELOPMENT_KEY,) * 3)))
    return host


def create(host: Any, fid: str, content: bytes) -> None:
    host.send_apdu(0, 0xE0, 0, 0, bytes.fromhex(f"6304{len(content):04X}{fid}"))
    for offset in range(0, len(content), 200):
        host.send_apdu(0, 0xD6, offset >> 8, offset & 0xFF, content[offset : offset + 200])


def test_every_slot_of_every_reader_has_a_card(cards: CardShelf) -> None:
    connections = [connected(slot) for slot in range(4)]
    assert {connection.atr() for connection in connections} == {bytes.fromhex("3B85800180738421C092")}
    assert [connection.reader for connection in connections] == [
        "Card Model 0 00 00",
        "Card Model 0 00 01",
        "Card Model 1 00 00",
        "Card Model 1 00 01",
    ]


def test_nothing_of_it_listens_on_the_machines_network(cards: CardShelf) -> None:
    connected()
    for port in range(FIRST_PORT, FIRST_PORT + 4):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()


def test_what_is_personalised_survives_power_pulls_and_the_end_of_the_process(cards: CardShelf) -> None:
    pytest.importorskip("yubikit")
    slot = 0
    content = bytes(range(256)) * 5
    host = personaliser(connected(slot))
    create(host, "011C", content)
    host.send_apdu(0x80, 0xDA, 0xDE, 0xAD)
    assert cards.stub.state(slot)["life_cycle"] == "operational"

    cards.stub.exchange(slot)
    assert read_card_access(slot, len(content)) == content
    cards.restart()
    assert read_card_access(slot, len(content)) == content
    assert cards.stub.state(slot)["life_cycle"] == "operational"


def read_card_access(slot: int, length: int) -> bytes:
    connection = connected(slot)
    assert connection.send("00A4020C02011C") == (b"", 0x9000)
    data, status = connection.send(f"00B0000000{length:04X}")
    assert status == 0x9000
    return data


def test_the_holders_reader_opens_a_personalised_card_by_its_can(cards: CardShelf) -> None:
    pytest.importorskip("yubikit")
    slot = 2
    content = bytes(range(250)) * 40
    host = personaliser(connected(slot))
    create(host, "010D", content)
    host.send_apdu(0, 0xDA, 0, 0x65, bytes.fromhex("65080406") + b"123456")
    host.send_apdu(0x80, 0xDA, 0xDE, 0xAD)

    connection = connected(slot)
    assert connection.send("00A4040C07A0000002471001") == (b"", 0x9000)
    assert connection.send("00B08D0000") == (b"", 0x6982)
    wire = CardWire(connection.transmit)
    variant = PaceVariant(PACE_ECDH_GM_AES_128, BRAINPOOL_P256R1, 16)
    session = open_by_pace(wire.transmit, variant, AccessKey.of_access_number("123456"), secrets.token_bytes)
    assert session.send(Command(0, 0xA4, 0x02, 0x0C, bytes.fromhex("010D"))) == Response(b"", 0x9000)
    assert session.send(Command(0, 0xB0, 0, 0, le=0xDF)) == Response(content[:0xDF], 0x9000)
    assert session.send(Command(0, 0xB0, 0x27, 0, le=16)) == Response(content[0x2700:][:16], 0x9000)


def test_power_lost_in_a_write_leaves_the_old_bytes_or_the_new(cards: CardShelf) -> None:
    pytest.importorskip("yubikit")
    slot = 1
    create(personaliser(connected(slot)), "011E", bytes(16))
    for executed, expected in ((False, bytes(4)), (True, b"\xab" * 4)):
        write = partial(personaliser(connected(slot)).send_apdu, 0, 0xD6, 0x9E, 0, b"\xab" * 4)
        cards.stub.arm("power_loss", slot, ins=0xD6, executed=executed)
        assert code_of(write) == NOT_TRANSACTED
        cards.stub.await_connected(slot)
        assert bytes(personaliser(connected(slot)).send_apdu(0, 0xB0, 0x9E, 0, le=4)) == expected
    assert cards.stub.state(slot)["tries"] == MAX_TRIES


@pytest.mark.parametrize(("cut", "fid"), [(0, "0101"), (1, "0102"), (4, "010D")])
def test_power_lost_at_an_apdu_keeps_what_was_answered_before(cards: CardShelf, cut: int, fid: str) -> None:
    pytest.importorskip("yubikit")
    slot, writes = 3, 5
    host = personaliser(connected(slot))
    cards.stub.arm("power_loss", slot, after=cut)
    commands = [partial(host.send_apdu, 0, 0xE0, 0, 0, bytes.fromhex(f"63040014{fid}"))]
    commands += [partial(host.send_apdu, 0, 0xD6, 0, 4 * step, bytes((0x11 + step,)) * 4) for step in range(writes)]
    for command in commands[:cut]:
        command()
    assert code_of(commands[cut]) == NOT_TRANSACTED
    cards.stub.await_connected(slot)
    written = b"".join(bytes((0x11 + step,)) * 4 for step in range(cut - 1))
    if cut:
        assert _first_bytes(slot, fid) == written.ljust(20, b"\0")
    else:
        assert fid not in cards.stub.state(slot)["files"]
    assert cards.stub.state(slot)["tries"] == MAX_TRIES


def _first_bytes(slot: int, fid: str) -> bytes:
    host = personaliser(connected(slot))
    host.send_apdu(0, 0xA4, 2, 0x0C, bytes.fromhex(fid))
    return bytes(host.send_apdu(0, 0xB0, 0, 0, le=20))


def test_a_pulled_card_is_gone_until_it_is_inserted(cards: CardShelf) -> None:
    slot = 2
    connection = connected(slot)
    cards.stub.arm("pull", slot)
    assert code_of(lambda: connection.send("00A4020C02011C")) == NOT_TRANSACTED
    assert code_of(lambda: connection.send("00A4020C02011C")) in (NOT_TRANSACTED, REMOVED)
    assert cards.stub.state(slot)["inserted"] is False
    cards.stub.insert(slot)
    cards.stub.await_connected(slot)
    assert connected(slot).send("00A4020C02011C") == (b"", 0x6A82)


def test_answers_come_as_the_fault_says(cards: CardShelf) -> None:
    slot = 3
    connection = connected(slot)
    cards.stub.arm("answer", slot, bytes="6581", after=1)
    assert connection.send("00A4020C02011C") == (b"", 0x6A82)
    assert connection.send("00A4020C02011C") == (b"", 0x6581)
    cards.stub.arm("answer", slot, bytes="FF" * 300 + "9000")
    assert connection.send("00B00000000000") == (b"\xff" * 300, 0x9000)
    cards.stub.arm("slow", slot, seconds=0.3)
    begun = time.monotonic()
    assert connection.send("00A4020C02011C") == (b"", 0x6A82)
    assert time.monotonic() - begun >= 0.3


def test_a_silent_card_blocks_its_reader_until_it_is_pulled(cards: CardShelf) -> None:
    slot = 3
    connection = connected(slot)
    cards.stub.arm("silent", slot)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(code_of, lambda: connection.send("00A4020C02011C"))
        cards.stub.await_struck(slot)
        try:
            with pytest.raises(TimeoutError):
                waiting.result(0.5)
        finally:
            cards.stub.pull(slot)
        assert waiting.result(WAIT_S) == NOT_TRANSACTED


def test_pcscd_killed_and_started_again_reads_the_same_cards(cards: CardShelf, daemon: Pcscd) -> None:
    connection = connected()
    with away(daemon):
        assert code_of(lambda: connection.send("00A4020C02011C")) in (NO_SERVICE, 0x80100013)
    assert connected().send("00A4040C07A0000002471001") == (b"", 0x9000)


def test_pcscd_as_a_program_tells_what_cards_and_clients_need(daemon: Pcscd, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "firmware_stubs", "pcscd", "--folder", str(tmp_path / "own"), "--readers", "2"]
    clients = "import smartcard.System as system; print(*system.readers(), sep='\\n')"
    with subprocess.Popen(
        [*command, "--until-stdin-closes"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        told = json.loads(program.stdout.readline())
        assert told["gate"] == str(tmp_path / "own" / "gate")
        listed = subprocess.run(
            [sys.executable, "-c", clients], env=os.environ | told["environment"], capture_output=True, check=True
        )
    assert len(listed.stdout.splitlines()) == 4
    assert program.returncode == 0
