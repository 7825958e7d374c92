"""A pyusb backend for one device of a USB/IP server: what libusb is to a local port, this is to a TCP connection.

Usable by any pyusb code (`usb.core.find(backend=UsbipBackend(host, port, busid))`), and by the transport through
`submit`. Importing is what opening and claiming are elsewhere: the server gives a device to one client at a time.
"""

from __future__ import annotations

import array
import errno
import threading
from collections.abc import Callable, Iterator

import usb.backend
from usb.core import USBTimeoutError

from drivers.errors import ProtocolViolation
from drivers.usb import descriptors
from drivers.usb.request import Completion, Request, Submission, TransferKind, usb_error
from drivers.usb.usbip_connection import UsbipConnection

_STANDARD_DEVICE = 0x00
_STANDARD_INTERFACE = 0x01
_STANDARD_ENDPOINT = 0x02
_CLEAR_FEATURE = 0x01
_SET_CONFIGURATION = 0x09
_SET_INTERFACE = 0x0B
_ENDPOINT_HALT = 0

_DESCRIPTOR_TIMEOUT_MS = 3000
_UNLINK_TIMEOUT_S = 1.0


class RemoteDevice:
    """An imported device with its descriptors; pyusb's `dev` and `dev_handle` in one."""

    def __init__(self, connection: UsbipConnection) -> None:
        self.connection = connection
        self.device: descriptors.DeviceDescriptor
        self.configuration: descriptors.ConfigurationDescriptor


class UsbipBackend(usb.backend.IBackend):
    """IBackend over USB/IP. Every method raises USBError with the errno that libusb would give."""

    def __init__(self, host: str, port: int, busid: str) -> None:
        super().__init__()
        self._server = (host, port, busid)
        self._remote: RemoteDevice | None = None

    def _finalize_object(self) -> None:
        if self._remote is not None:
            self._remote.connection.close()

    def submit(self, dev_handle: RemoteDevice, request: Request, on_done: Callable[[Completion], None]) -> Submission:
        return dev_handle.connection.submit(request, on_done)

    def enumerate_devices(self) -> Iterator[RemoteDevice]:
        """Import the device and yield it."""
        if self._remote is None or not self._remote.connection.alive:
            self._remote = self._import()
        yield self._remote

    def get_parent(self, dev: RemoteDevice) -> None:
        return None

    def get_device_descriptor(self, dev: RemoteDevice) -> descriptors.DeviceDescriptor:
        return dev.device

    def get_configuration_descriptor(self, dev: RemoteDevice, config: int) -> descriptors.ConfigurationDescriptor:
        if config != 0:
            raise IndexError("only the first configuration is offered")
        return dev.configuration

    def get_interface_descriptor(
        self, dev: RemoteDevice, intf: int, alt: int, config: int
    ) -> descriptors.InterfaceDescriptor:
        """intf counts interfaces, alt the settings of one, from 0. Raises IndexError past the last, as pyusb does."""
        settings: dict[int, list[descriptors.InterfaceDescriptor]] = {}
        for interface in self.get_configuration_descriptor(dev, config).interfaces:
            settings.setdefault(interface.bInterfaceNumber, []).append(interface)
        return list(settings.values())[intf][alt]

    def get_endpoint_descriptor(
        self, dev: RemoteDevice, ep: int, intf: int, alt: int, config: int
    ) -> descriptors.EndpointDescriptor:
        return self.get_interface_descriptor(dev, intf, alt, config).endpoints[ep]

    def open_device(self, dev: RemoteDevice) -> RemoteDevice:
        """A device that was closed is imported anew."""
        if not dev.connection.alive:
            fresh = self._import()
            dev.connection, dev.device, dev.configuration = fresh.connection, fresh.device, fresh.configuration
        return dev

    def close_device(self, dev_handle: RemoteDevice) -> None:
        dev_handle.connection.close()

    def get_configuration(self, dev_handle: RemoteDevice) -> int:
        return dev_handle.configuration.bConfigurationValue

    def set_configuration(self, dev_handle: RemoteDevice, config_value: int) -> None:
        self._command(dev_handle, Request.control_out(_STANDARD_DEVICE, _SET_CONFIGURATION, config_value, 0, b""))

    def set_interface_altsetting(self, dev_handle: RemoteDevice, intf: int, altsetting: int) -> None:
        self._command(dev_handle, Request.control_out(_STANDARD_INTERFACE, _SET_INTERFACE, altsetting, intf, b""))

    def claim_interface(self, dev_handle: RemoteDevice, intf: int) -> None:
        """Nothing to do: the import holds the whole device."""

    def release_interface(self, dev_handle: RemoteDevice, intf: int) -> None:
        """Nothing to do."""

    def is_kernel_driver_active(self, dev_handle: RemoteDevice, intf: int) -> bool:
        return False

    def clear_halt(self, dev_handle: RemoteDevice, ep: int) -> None:
        self._command(dev_handle, Request.control_out(_STANDARD_ENDPOINT, _CLEAR_FEATURE, _ENDPOINT_HALT, ep, b""))

    def ctrl_transfer(
        self,
        dev_handle: RemoteDevice,
        bmRequestType: int,
        bRequest: int,
        wValue: int,
        wIndex: int,
        data: array.array[int],
        timeout: int,
    ) -> int:
        if not bmRequestType & 0x80:
            return self._write(
                dev_handle, Request.control_out(bmRequestType, bRequest, wValue, wIndex, data.tobytes()), timeout
            )
        length = len(data) * data.itemsize
        return self._read(
            dev_handle, Request.control_in(bmRequestType, bRequest, wValue, wIndex, length), data, timeout
        )

    def bulk_read(self, dev_handle: RemoteDevice, ep: int, intf: int, buff: array.array[int], timeout: int) -> int:
        return self._read(dev_handle, Request(TransferKind.BULK, ep, len(buff) * buff.itemsize), buff, timeout)

    def bulk_write(self, dev_handle: RemoteDevice, ep: int, intf: int, data: array.array[int], timeout: int) -> int:
        payload = data.tobytes()
        return self._write(dev_handle, Request(TransferKind.BULK, ep, len(payload), payload), timeout)

    def intr_read(self, dev_handle: RemoteDevice, ep: int, intf: int, size: array.array[int], timeout: int) -> int:
        interval = self._interval(dev_handle, ep)
        request = Request(TransferKind.INTERRUPT, ep, len(size) * size.itemsize, interval=interval)
        return self._read(dev_handle, request, size, timeout)

    def intr_write(self, dev_handle: RemoteDevice, ep: int, intf: int, data: array.array[int], timeout: int) -> int:
        payload = data.tobytes()
        interval = self._interval(dev_handle, ep)
        return self._write(
            dev_handle, Request(TransferKind.INTERRUPT, ep, len(payload), payload, interval=interval), timeout
        )

    def _interval(self, remote: RemoteDevice, address: int) -> int:
        for interface in remote.configuration.interfaces:
            for endpoint in interface.endpoints:
                if endpoint.bEndpointAddress == address:
                    return endpoint.bInterval
        return 0

    def _import(self) -> RemoteDevice:
        remote = RemoteDevice(UsbipConnection(*self._server))
        try:
            remote.device = descriptors.decode_device(
                self._get_descriptor(remote, descriptors.TYPE_DEVICE, descriptors.DEVICE_BYTES)
            )
            remote.device.bus = remote.connection.exported.busnum
            remote.device.address = remote.connection.exported.devnum
            header = descriptors.decode_configuration_header(
                self._get_descriptor(remote, descriptors.TYPE_CONFIGURATION, descriptors.CONFIGURATION_HEADER_BYTES)
            )
            remote.configuration = descriptors.decode_configuration(
                self._get_descriptor(remote, descriptors.TYPE_CONFIGURATION, header.wTotalLength)
            )
        except ProtocolViolation as error:
            remote.connection.close()
            raise usb_error(str(error), errno.EBADMSG) from error
        except BaseException:
            remote.connection.close()
            raise
        return remote

    def _get_descriptor(self, remote: RemoteDevice, kind: int, length: int) -> bytes:
        request = Request.control_in(_STANDARD_DEVICE, descriptors.GET_DESCRIPTOR, kind << 8, 0, length)
        return bytes(self._wait(remote, request, _DESCRIPTOR_TIMEOUT_MS).data)

    def _command(self, remote: RemoteDevice, request: Request) -> None:
        self._wait(remote, request, _DESCRIPTOR_TIMEOUT_MS)

    def _read(self, remote: RemoteDevice, request: Request, buffer: array.array[int], timeout_ms: int) -> int:
        arrived = self._wait(remote, request, timeout_ms).data
        memoryview(buffer).cast("B")[: len(arrived)] = arrived
        return len(arrived)

    def _write(self, remote: RemoteDevice, request: Request, timeout_ms: int) -> int:
        return self._wait(remote, request, timeout_ms).transferred

    def _wait(self, remote: RemoteDevice, request: Request, timeout_ms: int) -> Completion:
        """Block for one request, as pyusb's own methods do. timeout_ms: 0 waits for ever."""
        done = threading.Event()
        completions: list[Completion] = []

        def on_done(completion: Completion) -> None:
            completions.append(completion)
            done.set()

        submission = remote.connection.submit(request, on_done)
        if not done.wait(timeout_ms / 1000 if timeout_ms else None):
            submission.cancel()
            done.wait(_UNLINK_TIMEOUT_S)
        if not completions or completions[0].error == errno.ECANCELED:
            raise USBTimeoutError("the request timed out", None, errno.ETIMEDOUT)  # type: ignore[no-untyped-call]
        if completions[0].error:
            raise usb_error("the request failed", completions[0].error)
        return completions[0]
