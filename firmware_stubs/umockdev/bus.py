"""Sockets of one USB bus: each is looked at for what a USB/IP server exports there; hot-add and unplug are uevents."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import gi

from firmware_stubs.umockdev import sysfs
from firmware_stubs.umockdev.importer import Importer, NotExported, Refused
from firmware_stubs.umockdev.node import UsbNode

gi.require_version("UMockdev", "1.0")
from gi.repository import UMockdev  # noqa: E402 - after its version is named

POLL_S: Final = 0.02  # USB/IP tells nobody of a device that comes back
_LAST_NUMBER: Final = 127

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Export:
    """A device of a USB/IP server, as usbip://host:port/bus-id."""

    host: str
    port: int
    bus_id: str

    @staticmethod
    def parse(url: str) -> Export:
        """Raises ValueError."""
        parts = urlsplit(url)
        if parts.scheme != "usbip" or not parts.hostname or not parts.port or not parts.path.strip("/"):
            raise ValueError(f"{url}: usbip://host:port/bus-id is taken")
        return Export(parts.hostname, parts.port, parts.path.strip("/"))


@dataclass(slots=True, eq=False)
class _Plugged:
    """A device while it is in its socket."""

    importer: Importer
    number: int
    node: UsbNode


class Bus:
    """One test bed with one USB bus, while entered. exports: what may be in the sockets, from port 1 on."""

    def __init__(self, exports: list[Export]) -> None:
        self._exports = dict(enumerate(exports, start=1))
        self._plugged: dict[int, _Plugged] = {}
        self._pulled: list[UsbNode] = []
        self._changed = threading.Event()
        self._number = 1  # the root hub's
        self._testbed: Any = UMockdev.Testbed.new()
        self._testbed.add_from_string(sysfs.describe_hub())

    def __enter__(self) -> Bus:
        return self

    def __exit__(self, *_: object) -> None:
        for plugged in self._plugged.values():
            plugged.importer.close()
        del self._testbed  # its end removes its folder

    @property
    def root(self) -> str:
        """The test bed's folder, which UMOCKDEV_DIR names."""
        return str(self._testbed.get_root_dir())

    def look(self) -> None:
        """See once what came and went: devices, and programs that had them open."""
        self._pulled = [node for node in self._pulled if not node.sweep()]
        for port, plugged in list(self._plugged.items()):
            plugged.node.sweep()
            if plugged.importer.gone:
                self._unplug(port, plugged)
        for port in sorted(self._exports.keys() - self._plugged.keys()):
            try:
                self._plug(port, self._exports[port])
            except (NotExported, Refused, OSError) as error:
                _log.debug("port %d: %s", port, error)

    def watch(self, stop: threading.Event) -> None:
        """Look until told to stop; a cable that is pulled is noticed at once."""
        while not stop.is_set():
            self.look()
            self._changed.wait(POLL_S)
            self._changed.clear()

    def _plug(self, port: int, export: Export) -> None:
        importer = Importer(export.host, export.port, export.bus_id, self._changed.set)
        try:
            found = sysfs.enumerate_device(importer)
        except Refused:
            importer.close()
            raise
        number = self._free_number()
        name = sysfs.node_name(number)
        node = UsbNode(importer, Path(self.root, "dev", name))
        self._testbed.attach_ioctl(f"/dev/{name}", node.handler)
        self._plugged[port] = _Plugged(importer, number, node)
        self._testbed.add_from_string(sysfs.describe(port, number, found))  # which also tells of it

    def _unplug(self, port: int, plugged: _Plugged) -> None:
        path = f"/sys{sysfs.device_path(port)}"
        self._testbed.uevent(path, "remove")
        self._testbed.detach_ioctl(f"/dev/{sysfs.node_name(plugged.number)}")
        self._testbed.remove_device(path)
        self._pulled.append(plugged.node)
        del self._plugged[port]

    def _free_number(self) -> int:
        """A device gets the next number, so that it comes back under another one."""
        taken = {plugged.number for plugged in self._plugged.values()}
        while True:
            self._number = 2 + (self._number - 1) % (_LAST_NUMBER - 1)
            if self._number not in taken:
                return self._number
