"""The transport over USB/IP: what is on the wire when, and what each failure is called."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest

from drivers.errors import CaptureCancelled, DeviceGone, DeviceStalled, ProtocolViolation
from drivers.spi import CancelToken
from drivers.usb import bus
from drivers.usb.request import Completion
from drivers.usb.transport import UsbTransport
from tests.contract.scripted_usbip import IDS, Server, Session, echo_registers


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


@contextlib.contextmanager
def transport_to(server: Server) -> Iterator[UsbTransport]:
    transport, _ = bus.open_interface(f"{server.url}/1-1", {IDS}, (255, 255, 255))
    try:
        yield transport
    finally:
        transport.close()


def test_interrupt_read_is_queued_again_before_its_packet_is_seen(server: Server) -> None:
    def interrupt_twice(session: Session) -> None:
        first = session.next_vendor_submit()
        assert first[2] == 1
        session.complete(first[0], b"\x56\xaa".ljust(64, b"\0"))
        second = session.next_vendor_submit()
        session.complete(second[0], b"\x01\x01".ljust(64, b"\0"))
        echo_registers(session)

    server.urbs = interrupt_twice
    with transport_to(server) as transport:
        transport.listen(0x81, 64, 8)
        packets = [transport.next_interrupt(5), transport.next_interrupt(5)]
        assert [packet[:2] for packet in packets if packet is not None] == [b"\x56\xaa", b"\x01\x01"]
        assert transport.next_interrupt(0) is None
        assert transport.control_in(4, 7, 0, 1) == b"\x07"


def test_queued_read_is_on_the_wire_before_the_write_that_follows(server: Server) -> None:
    order: list[int] = []

    def note_order(session: Session) -> None:
        read = session.next_vendor_submit()
        write = session.next_vendor_submit()
        order.extend((read[2], write[2]))
        session.complete(write[0], length=1)
        session.complete(read[0], b"image")
        echo_registers(session)

    server.urbs = note_order
    with transport_to(server) as transport:
        pending = transport.queue_read(0x82, 512)
        transport.control_out(4, 0x4E, 0, b"\x20")
        assert bytes(pending.result(5).data) == b"image"
    assert order == [2, 0]


def test_read_past_its_limit_is_stalled_and_the_next_request_works(server: Server) -> None:
    server.urbs = echo_registers
    with transport_to(server) as transport:
        with pytest.raises(DeviceStalled):
            transport.queue_read(0x82, 512).result(0.05)
        assert transport.control_in(4, 7, 0, 1) == b"\x07"


def test_halted_endpoint_is_stalled_and_cleared(server: Server) -> None:
    cleared: list[bytes] = []

    def halt_once(session: Session) -> None:
        session.complete(session.next_vendor_submit()[0], status=-32)
        clear = session.next_vendor_submit()
        cleared.append(clear[4])
        session.complete(clear[0])
        echo_registers(session)

    server.urbs = halt_once
    with transport_to(server) as transport, pytest.raises(DeviceStalled):
        transport.queue_read(0x82, 512).result(5)
    assert cleared == [bytes.fromhex("0201000082000000")]


def test_short_write_is_a_violation(server: Server) -> None:
    def take_one_byte(session: Session) -> None:
        while True:
            session.complete(session.next_vendor_submit()[0], length=1)

    server.urbs = take_one_byte
    with transport_to(server) as transport, pytest.raises(ProtocolViolation):
        transport.control_out(4, 0x33, 0, b"\0\1\2\3\4")


def test_lost_connection_ends_a_waiting_interrupt_as_gone(server: Server) -> None:
    def hang_up(session: Session) -> None:
        session.next_vendor_submit()

    server.urbs = hang_up
    with transport_to(server) as transport:
        transport.listen(0x81, 64, 8)
        with pytest.raises(DeviceGone):
            transport.next_interrupt(60)
        with pytest.raises(DeviceGone):
            transport.control_in(4, 7, 0, 1)


def test_cancelled_token_ends_a_waiting_request(server: Server) -> None:
    cancel = CancelToken()

    def cancel_when_asked(session: Session) -> None:
        session.next_vendor_submit()
        cancel.cancel()
        echo_registers(session)

    server.urbs = cancel_when_asked
    with transport_to(server) as transport, pytest.raises(CaptureCancelled):
        transport.control_in(4, 7, 0, 1, timeout_s=60, cancel=cancel)


def test_server_that_never_gives_back_does_not_hold_up_closing(server: Server) -> None:
    def ignore_everything(session: Session) -> None:
        session.next_vendor_submit()
        while True:
            session.receive(48)

    server.urbs = ignore_everything
    with transport_to(server) as transport:
        transport.listen(0x81, 64, 8)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("usbip-")] == []


def test_read_into_a_buffer_of_the_callers_fills_it_and_may_queue_the_next(server: Server) -> None:
    def send_two(session: Session) -> None:
        for data in (b"first", b"second"):
            session.complete(session.next_vendor_submit()[0], data)
        echo_registers(session)

    server.urbs = send_two
    buffers = [memoryview(bytearray(512)) for _ in range(2)]
    arrived: list[memoryview] = []
    both = threading.Event()
    with transport_to(server) as transport:

        def take(completion: Completion) -> None:
            arrived.append(completion.data)
            if len(arrived) == 1:
                transport.queue_read_into(0x82, buffers[1], take)
            else:
                both.set()

        transport.queue_read_into(0x82, buffers[0], take)
        assert both.wait(5)
    assert [bytes(data) for data in arrived] == [b"first", b"second"]
    assert [bytes(buffer[:6]) for buffer in buffers] == [b"first\0", b"second"]


def test_bulk_write_reaches_its_endpoint(server: Server) -> None:
    written: list[tuple[int, int, bytes]] = []

    def take_it(session: Session) -> None:
        seqnum, direction, endpoint, length, _, payload = session.next_vendor_submit()
        written.append((direction, endpoint, payload))
        session.complete(seqnum, length=length)
        echo_registers(session)

    server.urbs = take_it
    with transport_to(server) as transport:
        assert transport.queue_write(0x01, b"command").result(5).transferred == 7
    assert written == [(0, 1, b"command")]
