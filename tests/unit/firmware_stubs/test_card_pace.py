"""The pace of a card's wire."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from firmware_stubs.card.card import Card
from firmware_stubs.card.memory import Memory
from firmware_stubs.card.reader_slot import Pace, ReaderSlot


def test_an_exchange_takes_its_own_time_and_that_of_its_octets() -> None:
    assert Pace().seconds(1_000_000) == 0
    assert Pace(0.002).seconds(1_000_000) == 0.002
    assert Pace(0.002, 10_000).seconds(500) == pytest.approx(0.052)


def test_an_answer_comes_no_sooner_than_the_wire_allows() -> None:
    with socket.create_server(("127.0.0.1", 0)) as vpcd:
        address = vpcd.getsockname()
        card = Card(Memory.blank(0))
        slot = ReaderSlot(0, lambda: socket.create_connection(address), card, threading.RLock(), Pace(0.05))
        try:
            looking, _ = vpcd.accept()
            with looking:
                looking.sendall(b"\x00\x01\x04")
                assert looking.recv(2, socket.MSG_WAITALL) == b"\x00\x02"
                with pytest.raises(ConnectionResetError):  # a card that is put in is seen to have been out
                    looking.recv(2)
            assert slot.state()["connected"] is False
            reader, _ = vpcd.accept()
            with reader:
                began = time.monotonic()
                reader.sendall(b"\x00\x05" + bytes.fromhex("00B0000000"))
                assert reader.recv(4) == b"\x00\x02\x69\x86"
                assert time.monotonic() - began >= 0.05
                assert slot.state()["connected"] is True
        finally:
            slot.close()
