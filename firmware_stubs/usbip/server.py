"""Exports one or more devices over TCP: the list, imports, transfers in flight, unplug.

One connection holds one device from OP_REQ_IMPORT until either side closes it; then the device returns to its
power-on state. Any number of transfers may be in flight, and they are answered in whatever order the device
completes them. A frame that the protocol does not allow closes that connection and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from typing import Final

from firmware_stubs.usbip import protocol
from firmware_stubs.usbip.descriptors import CONFIGURATION_VALUE
from firmware_stubs.usbip.device import Transfer, UsbDevice
from firmware_stubs.usbip.protocol import MalformedFrame, Operation, OperationStatus, UrbStatus

OPERATION_LIMIT_S: Final = 10.0  # a connection that says nothing for so long is closed
MAX_IN_FLIGHT: Final = 1024

_log = logging.getLogger(__name__)


class Export:
    """A device at a bus id, plugged in or not, and the connection that has imported it."""

    def __init__(self, bus_id: str, device: UsbDevice, *, bus_number: int = 1) -> None:
        self.bus_id = bus_id
        self.device = device
        self.plugged = True
        self._bus_number = bus_number
        self._device_number = 2  # 1 is the root hub
        self._importer: asyncio.StreamWriter | None = None

    @property
    def imported(self) -> bool:
        return self._importer is not None

    @property
    def device_id(self) -> int:
        """The devid of each URB header."""
        return self._bus_number << 16 | self._device_number

    def record(self) -> protocol.DeviceRecord:
        found = self.device.descriptors
        return protocol.DeviceRecord(
            path=f"/sys/devices/platform/firmware_stubs/usb{self._bus_number}/{self.bus_id}",
            bus_id=self.bus_id,
            bus_number=self._bus_number,
            device_number=self._device_number,
            speed=found.speed,
            vendor_id=found.vendor_id,
            product_id=found.product_id,
            release=found.release,
            device_class=found.device_class,
            configuration=CONFIGURATION_VALUE,
            interfaces=tuple(interface.interface_class for interface in found.interfaces),
        )

    def claim(self, importer: asyncio.StreamWriter) -> OperationStatus:
        """Give the device to a connection, unless it is away or taken."""
        if not self.plugged:
            return OperationStatus.NO_DEVICE
        if self._importer is not None:
            return OperationStatus.BUSY
        self._importer = importer
        self.device.importer_changed(imported=True)
        return OperationStatus.OK

    def release(self, importer: asyncio.StreamWriter) -> None:
        """This importer is gone: back to power-on state. Nothing to do where an unplug came first."""
        if self._importer is importer:
            self._importer = None
            self.device.reset()
            self.device.importer_changed(imported=False)

    def unplug(self) -> None:
        """Vanish from the list and cut the importer's connection."""
        self.plugged = False
        if self._importer is not None:
            self._importer.close()
            self.release(self._importer)
        self.device.power_lost()

    def plug(self) -> None:
        """Come back at a new device number."""
        if not self.plugged:
            self.plugged = True
            self._device_number = 2 + (self._device_number - 1) % 126


class UsbIpServer:
    """Listens on one address for clients of `exports`."""

    def __init__(self, exports: Iterable[Export]) -> None:
        self._exports = {export.bus_id: export for export in exports}
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen; the port that was bound (`port` 0: any free one)."""
        self._server = await asyncio.start_server(self._on_connection, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            await self._serve(reader, writer)
        except MalformedFrame as error:
            _log.warning("connection closed: %s", error)
        except (asyncio.IncompleteReadError, TimeoutError, OSError):
            _log.debug("the client went away")
        except asyncio.CancelledError:
            _log.debug("the server is closing")  # the task ends here anyway, and asyncio would log it as an error
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(OPERATION_LIMIT_S):
            code = protocol.decode_operation(await reader.readexactly(protocol.OPERATION_BYTES))
            if code == Operation.REQ_DEVLIST:
                present = [export.record() for export in self._exports.values() if export.plugged]
                writer.write(protocol.encode_device_list(present))
                await writer.drain()
                return
            if code != Operation.REQ_IMPORT:
                raise MalformedFrame(f"operation {code:#06x}")
            bus_id = protocol.decode_bus_id(await reader.readexactly(protocol.BUS_ID_BYTES))
        export = self._exports.get(bus_id)
        status = export.claim(writer) if export is not None else OperationStatus.NO_DEVICE
        if export is None or status is not OperationStatus.OK:
            writer.write(protocol.encode_import(status))
            await writer.drain()
            return
        session = _Session(export, writer)
        try:
            writer.write(protocol.encode_import(status, export.record()))
            await session.run(reader)
        finally:
            session.close()
            export.release(writer)


class _Session:
    """The transfers in flight of one importer."""

    def __init__(self, export: Export, writer: asyncio.StreamWriter) -> None:
        self._export = export
        self._device_id = export.device_id
        self._writer = writer
        self._in_flight: dict[int, Transfer] = {}

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Until the client leaves or sends what it may not."""
        while True:
            frame = protocol.decode_urb(await reader.readexactly(protocol.URB_HEADER_BYTES))
            if frame.device_id != self._device_id:
                raise MalformedFrame(f"devid {frame.device_id:#x}, imported {self._device_id:#x}")
            if isinstance(frame, protocol.Unlink):
                self._unlink(frame)
            else:
                outgoing = b"" if frame.incoming else await reader.readexactly(frame.length)
                self._submit(frame, outgoing)
            await self._writer.drain()  # a client that does not read is not read from either

    def close(self) -> None:
        """Take every transfer back from the device."""
        transfers, self._in_flight = self._in_flight, {}
        for transfer in transfers.values():
            transfer.done = True
            self._export.device.cancel_transfer(transfer)

    def _submit(self, frame: protocol.Submit, outgoing: bytes) -> None:
        if frame.sequence in self._in_flight or len(self._in_flight) >= MAX_IN_FLIGHT:
            raise MalformedFrame(f"seqnum {frame.sequence} is in flight, or {MAX_IN_FLIGHT} transfers are")
        transfer = Transfer(
            endpoint=frame.endpoint | (0x80 if frame.incoming else 0),
            length=frame.length,
            on_done=lambda done, status, incoming, taken: self._answer(frame.sequence, done, status, incoming, taken),
            setup=frame.setup,
            outgoing=outgoing,
            short_not_ok=bool(frame.flags & protocol.FLAG_SHORT_NOT_OK),
        )
        self._in_flight[frame.sequence] = transfer
        self._export.device.submit(transfer)

    def _answer(self, sequence: int, transfer: Transfer, status: int, incoming: bytes, taken: int) -> None:
        del self._in_flight[sequence]
        if not self._writer.is_closing():
            self._writer.write(protocol.encode_submit_reply(sequence, status, taken, incoming))

    def _unlink(self, frame: protocol.Unlink) -> None:
        transfer = self._in_flight.pop(frame.target, None)
        status = UrbStatus.OK  # too late: RET_SUBMIT is already on its way
        if transfer is not None:
            transfer.done = True
            self._export.device.cancel_transfer(transfer)
            status = UrbStatus.UNLINKED
        self._writer.write(protocol.encode_unlink_reply(frame.sequence, status))
