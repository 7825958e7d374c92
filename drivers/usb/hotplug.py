"""Hears at once of local USB devices that come and go, where libusb tells of them; elsewhere one has to look.

Source: libusb 1.0 API, "Device hotplug event notification".
"""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Callable
from typing import Final

from drivers.usb.libusb_backend import LibusbBackend, libusb_backend

_logger = logging.getLogger(__name__)

_CAP_HAS_HOTPLUG: Final = 0x0001
_ARRIVED_OR_LEFT: Final = 0x01 | 0x02
_MATCH_ANY: Final = -1
_KEEP: Final = 0

# int callback(libusb_context *, libusb_device *, libusb_hotplug_event, void *user_data)
_HotplugCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class HotplugWatch:
    """Calls back for each device that comes or goes, until closed; on a thread of its own, so it must be short."""

    def __init__(self, backend: LibusbBackend, on_change: Callable[[], None]) -> None:
        self._backend = backend
        self._on_change = on_change
        self._callback = _HotplugCallback(self._called)  # libusb keeps its pointer: it must live as long as this
        self._closing = threading.Event()
        register = backend.lib["libusb_hotplug_register_callback"]
        register.argtypes = [
            *(ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int),
            *(_HotplugCallback, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int)),
        ]
        handle = ctypes.c_int()
        status = register(
            *(backend.ctx, _ARRIVED_OR_LEFT, 0, _MATCH_ANY, _MATCH_ANY, _MATCH_ANY),
            *(self._callback, None, ctypes.byref(handle)),
        )
        if status < 0:
            raise OSError(f"libusb refuses hotplug callbacks ({status})")
        self._handle = handle
        self._thread = threading.Thread(
            target=backend.handle_events, args=(self._closing,), name="libusb-hotplug", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop calling back. Not to be called from the callback."""
        deregister = self._backend.lib["libusb_hotplug_deregister_callback"]
        deregister.argtypes = [ctypes.c_void_p, ctypes.c_int]
        deregister.restype = None
        deregister(self._backend.ctx, self._handle)
        self._closing.set()
        self._backend.interrupt_events()
        self._thread.join()

    def _called(self, _context: int, _device: int, _event: int, _user_data: int) -> int:
        try:
            self._on_change()
        except Exception as error:  # noqa: BLE001  nothing may cross into C
            _logger.error("a hotplug callback failed: %s", type(error).__name__)
        return _KEEP


def watch_local_bus(on_change: Callable[[], None]) -> HotplugWatch | None:
    """Watch this machine's USB; None where libusb is missing or does not tell of changes (Windows)."""
    backend = libusb_backend()
    if backend is None or not backend.lib["libusb_has_capability"](_CAP_HAS_HOTPLUG):
        return None
    try:
        return HotplugWatch(backend, on_change)
    except OSError as error:
        _logger.warning("%s: devices are looked for instead", error)
        return None
