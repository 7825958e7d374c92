"""The USB/IP backend and the transport on it, against a small server whose every answer a test decides."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import usb.core
import usb.util
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.errors import (
    DeviceBusy,
    DeviceError,
    DeviceNotFound,
    DeviceStalled,
    ProtocolViolation,
    UnsupportedDevice,
)
from drivers.usb import bus
from drivers.usb.request import Completion, Request, TransferKind
from drivers.usb.transport import UsbTransport
from drivers.usb.usbip_backend import UsbipBackend
from drivers.usb.usbip_connection import UsbipConnection, list_exported
from tests.contract.scripted_usbip import (
    IDS,
    STRINGS,
    Server,
    Session,
    device_list,
    device_record,
    echo_registers,
    import_answer,
)

find: Any = usb.core.find
dispose_resources: Any = usb.util.dispose_resources


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


@contextlib.contextmanager
def connection_to(server: Server) -> Iterator[UsbipConnection]:
    connection = UsbipConnection("127.0.0.1", server.port, "1-1")
    try:
        yield connection
    finally:
        connection.close()


class TestList:
    def test_listed_device_has_its_ids_and_place(self, server: Server) -> None:
        server.list_answer = device_list(device_record(), device_record(b"3-2.1", devnum=7))
        first, second = list_exported("127.0.0.1", server.port)
        assert (first.busid, first.busnum, first.devnum) == ("1-1", 1, 2)
        assert (first.vendor_id, first.product_id) == IDS
        assert (second.busid, second.devid) == ("3-2.1", 1 << 16 | 7)

    def test_scan_reads_the_strings_of_known_devices(self, server: Server) -> None:
        server.list_answer = device_list(device_record(), device_record(b"1-2", vendor=0x9999))
        server.urbs = echo_registers
        (found,) = bus.scan(server.url, {IDS})
        assert found.address == f"{server.url}/1-1"
        assert found.strings == bus.UsbStrings("Acme", "Scanner", "SN-1")

    def test_scan_of_a_device_that_another_holds_finds_it_nameless(self, server: Server) -> None:
        server.import_answer = import_answer(status=2)
        (found,) = bus.scan(server.url, {IDS})
        assert found.strings == bus.UsbStrings()

    def test_a_device_that_does_not_answer_holds_up_no_scan_elsewhere(self, server: Server) -> None:
        mute, asked, go_on = Server(), threading.Event(), threading.Event()

        def say_nothing(_session: Session) -> None:
            asked.set()
            go_on.wait(60)

        mute.urbs = say_nothing
        server.urbs = echo_registers
        scanning = threading.Thread(target=bus.scan, args=(mute.url, {IDS}))
        scanning.start()
        try:
            assert asked.wait(20)
            (found,) = bus.scan(server.url, {IDS})
            assert scanning.is_alive()  # the mute one is still waited for
            assert found.strings.serial == "SN-1"
        finally:
            go_on.set()
            scanning.join()
            mute.stop()

    def test_device_that_this_process_holds_is_found_where_the_server_hides_it(self, server: Server) -> None:
        server.urbs = echo_registers
        with transport_to(server):
            server.list_answer = device_list()
            (found,) = bus.scan(f"{server.url}/1-1", {IDS})
            assert found.strings.serial == "SN-1"
        with pytest.raises(DeviceNotFound):
            bus.scan(f"{server.url}/1-1", {IDS})

    def test_other_device_in_the_same_socket_is_asked_anew(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.urbs = echo_registers
        (before,) = bus.scan(server.url, {IDS})
        monkeypatch.setitem(STRINGS, 3, "SN-2")
        assert bus.scan(server.url, {IDS}) == [before]
        server.list_answer = device_list(device_record(devnum=3))
        (after,) = bus.scan(server.url, {IDS})
        assert after.strings.serial == "SN-2"

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            device_list(device_record())[:-100],
            struct.pack(">HHII", 0x0111, 5, 0, 0xFFFFFFFF),
            struct.pack(">HHI", 0x0111, 3, 0),
            device_list(device_record(b"../../etc")),
            b"",
        ],
        ids=["http", "truncated", "four billion", "other answer", "busid", "nothing"],
    )
    def test_list_that_makes_no_sense_is_a_violation(self, server: Server, answer: bytes) -> None:
        server.list_answer = answer
        with pytest.raises(ProtocolViolation):
            bus.scan(server.url, {IDS})

    def test_refused_list_is_an_error(self, server: Server) -> None:
        server.list_answer = struct.pack(">HHI", 0x0111, 5, 1)
        with pytest.raises(DeviceStalled):
            bus.scan(server.url, {IDS})

    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(answer=st.binary(max_size=700))
    def test_arbitrary_list_is_devices_or_a_typed_error(self, server: Server, answer: bytes) -> None:
        server.list_answer = struct.pack(">HHI", 0x0111, 5, 0) + answer
        with contextlib.suppress(DeviceError):
            assert isinstance(bus.scan(server.url, {IDS}), list)

    def test_server_that_is_not_there_is_not_found(self) -> None:
        with socket.socket() as nobody_listens:
            nobody_listens.bind(("127.0.0.1", 0))  # and nobody else can have the port
            port = nobody_listens.getsockname()[1]
            with pytest.raises(DeviceNotFound):
                bus.scan(f"usbip://127.0.0.1:{port}", {IDS})

    @pytest.mark.parametrize("address", ["usbip://", "usbip://host:99999/1-1", "usbip://h/1-1/2", "usb:x", "ftp://h"])
    def test_address_that_cannot_be_one_is_unsupported(self, address: str) -> None:
        with pytest.raises(UnsupportedDevice):
            bus.scan(address, {IDS})


class TestImport:
    @pytest.mark.parametrize(
        ("status", "error"),
        [(1, DeviceBusy), (2, DeviceBusy), (3, DeviceStalled), (4, DeviceNotFound), (99, DeviceStalled)],
    )
    def test_refused_import_says_why(self, server: Server, status: int, error: type[DeviceError]) -> None:
        server.import_answer = import_answer(status)
        with pytest.raises(error):
            bus.open_interface(f"{server.url}/1-1", {IDS}, (255, 255, 255))

    @pytest.mark.parametrize("answer", [b"", import_answer()[:100], b"\0" * 320], ids=["none", "truncated", "zeros"])
    def test_import_answer_that_makes_no_sense_is_a_violation(self, server: Server, answer: bytes) -> None:
        server.import_answer = answer
        with pytest.raises(ProtocolViolation):
            bus.open_interface(f"{server.url}/1-1", {IDS}, (255, 255, 255))

    def test_device_of_another_kind_is_not_found(self, server: Server) -> None:
        server.urbs = echo_registers
        with pytest.raises(DeviceNotFound):
            bus.open_interface(f"{server.url}/1-1", {(1, 1)}, (255, 255, 255))

    def test_device_without_the_interface_is_unsupported(self, server: Server) -> None:
        server.urbs = echo_registers
        with pytest.raises(UnsupportedDevice):
            bus.open_interface(f"{server.url}/1-1", {IDS}, (3, 1, 1))

    @pytest.mark.parametrize("broken", [b"", b"\x12", b"\x09\x02\xff\xff\x01\x01\x00\x80\x32\x00"])
    def test_broken_descriptors_are_a_violation(self, server: Server, broken: bytes) -> None:
        def answer_nonsense(session: Session) -> None:
            while True:
                seqnum, _, _, length, _, _ = session.next_submit()
                session.complete(seqnum, broken[:length])

        server.urbs = answer_nonsense
        with pytest.raises(ProtocolViolation):
            bus.open_interface(f"{server.url}/1-1", {IDS}, (255, 255, 255))


class TestPyusb:
    """What any pyusb program sees."""

    def test_find_and_control_transfers_work(self, server: Server) -> None:
        server.urbs = echo_registers
        backend = UsbipBackend("127.0.0.1", server.port, "1-1")
        device = find(backend=backend, idVendor=IDS[0])
        assert device.serial_number == "SN-1"
        assert device.get_active_configuration().bConfigurationValue == 1
        assert device.ctrl_transfer(0xC0, 4, 0xF0, 0, 16).tobytes() == b"\xf0" * 16
        assert device.ctrl_transfer(0x40, 4, 0x4E, 0, b"\x10") == 1
        dispose_resources(device)

    def test_read_that_times_out_is_unlinked(self, server: Server) -> None:
        sessions: list[Session] = []

        def never_answer_reads(session: Session) -> None:
            sessions.append(session)
            echo_registers(session)

        server.urbs = never_answer_reads
        backend = UsbipBackend("127.0.0.1", server.port, "1-1")
        device = find(backend=backend)
        with pytest.raises(usb.core.USBTimeoutError):
            device.read(0x81, 64, timeout=50)
        assert device.ctrl_transfer(0xC0, 4, 7, 0, 1).tobytes() == b"\x07"
        assert len(sessions[0].unlinked) == 1
        dispose_resources(device)

    def test_stalled_request_raises_a_pipe_error(self, server: Server) -> None:
        def stall(session: Session) -> None:
            while True:
                session.complete(session.next_vendor_submit()[0], status=-32)

        server.urbs = stall
        device = find(backend=UsbipBackend("127.0.0.1", server.port, "1-1"))
        with pytest.raises(usb.core.USBError) as raised:
            device.ctrl_transfer(0xC0, 4, 7, 0, 1)
        assert raised.value.errno == errno.EPIPE
        dispose_resources(device)


class TestConnection:
    def test_many_requests_in_flight_complete_in_any_order(self, server: Server) -> None:
        def answer_backwards(session: Session) -> None:
            submits = [session.next_submit() for _ in range(50)]
            for seqnum, _, _, length, setup, _ in reversed(submits):
                session.complete(seqnum, setup[2:3] * length)

        server.urbs = answer_backwards
        done = threading.Semaphore(0)
        answers: dict[int, bytes] = {}
        with connection_to(server) as connection:

            def ask(register: int) -> None:
                def on_done(completion: Completion) -> None:
                    answers[register] = bytes(completion.data)
                    done.release()

                connection.submit(Request.control_in(0xC0, 4, register, 0, 3), on_done)

            with ThreadPoolExecutor(5) as threads:
                list(threads.map(ask, range(50)))
            assert all(done.acquire(timeout=20) for _ in range(50))
        assert answers == {register: bytes([register]) * 3 for register in range(50)}

    @pytest.mark.parametrize(
        ("reply", "error"),
        [
            (b"", errno.ENODEV),
            (struct.pack(">5Iii20x", 3, 1, 0, 0, 0, 0, 8)[:30], errno.ENODEV),
            (struct.pack(">5Iii20x", 3, 1, 0, 0, 0, 0, 8) + b"half", errno.ENODEV),
            (struct.pack(">5Iii20x", 3, 77, 0, 0, 0, 0, 0), errno.EBADMSG),
            (struct.pack(">5Iii20x", 3, 1, 0, 0, 0, 0, 9), errno.EBADMSG),
            (struct.pack(">5Iii20x", 3, 1, 0, 0, 0, 0, -1), errno.EBADMSG),
            (struct.pack(">5Iii20x", 4, 1, 0, 0, 0, 0, 0), errno.EBADMSG),
            (struct.pack(">5Iii20x", 9, 1, 0, 0, 0, 0, 0), errno.EBADMSG),
        ],
        ids=["closed", "half a header", "half the data", "unknown", "too long", "negative", "unlink", "command"],
    )
    def test_lost_or_hostile_connection_ends_every_request(self, server: Server, reply: bytes, error: int) -> None:
        def answer_second(session: Session) -> None:
            session.next_submit()
            session.next_submit()
            session.sock.sendall(reply)
            if error == errno.EBADMSG:
                session.next_submit()  # the client must hang up, not the server

        server.urbs = answer_second
        completions: list[Completion] = []
        done = threading.Semaphore(0)

        def on_done(completion: Completion) -> None:
            completions.append(completion)
            done.release()

        with connection_to(server) as connection:
            for _ in range(2):
                connection.submit(Request(TransferKind.BULK, 0x82, 8), on_done)
            assert all(done.acquire(timeout=20) for _ in range(2))
            assert [completion.error for completion in completions] == [error, error]
            with pytest.raises(usb.core.USBError) as raised:
                connection.submit(Request(TransferKind.BULK, 0x82, 8), on_done)
            assert raised.value.errno == errno.ENODEV

    def test_closing_ends_pending_requests(self, server: Server) -> None:
        server.urbs = echo_registers
        completions: list[Completion] = []
        with connection_to(server) as connection:
            connection.submit(Request(TransferKind.INTERRUPT, 0x81, 64, interval=8), completions.append)
        assert [completion.error for completion in completions] == [errno.ENODEV]
