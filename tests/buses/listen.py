"""What libusb's hotplug callback hears: a program that is started on a umockdev bus. It ends when its input does.

For each event of the vendor in the argument it prints {"event": "arrived" or "left", "number": of the device}.
"""

from __future__ import annotations

import ctypes
import json
import sys
import threading

from drivers.usb.libusb_backend import libusb_backend

ARRIVED, LEFT = 1, 2
NO_FLAGS, ANY = 0, -1


class TimeValue(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_usec", ctypes.c_long))


Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def main() -> None:
    backend = libusb_backend()
    assert backend is not None
    library = backend.lib
    number_of = library["libusb_get_device_address"]
    number_of.argtypes, number_of.restype = [ctypes.c_void_p], ctypes.c_uint8

    def hear(_context: int, device: int, event: int, _data: int) -> int:
        name = {ARRIVED: "arrived", LEFT: "left"}[event]
        print(json.dumps({"event": name, "number": number_of(device)}), flush=True)
        return 0

    callback = Callback(hear)
    register = library["libusb_hotplug_register_callback"]
    register.argtypes = [ctypes.c_void_p, *[ctypes.c_int] * 5, Callback, ctypes.c_void_p, ctypes.c_void_p]
    vendor = int(sys.argv[1], 16)
    status = register(backend.ctx, ARRIVED | LEFT, NO_FLAGS, vendor, ANY, ANY, callback, None, None)
    assert status == 0, status
    print(json.dumps({"event": "listening"}), flush=True)
    over = threading.Event()

    def await_end() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=await_end, daemon=True).start()
    handle = library["libusb_handle_events_timeout_completed"]
    handle.argtypes = [ctypes.c_void_p, ctypes.POINTER(TimeValue), ctypes.c_void_p]
    while not over.is_set():
        handle(backend.ctx, ctypes.byref(TimeValue(0, 50_000)), None)


if __name__ == "__main__":
    main()
