"""One picture by libfprint, through its own drivers and its GObject binding.

    /usr/bin/python3 -m bench.libfprint_capture FILE

It takes the first scanner, waits for a finger on it and for the finger's leaving, writes the pixels to FILE, row by
row, and prints {"driver", "name", "width", "height"}. The binding is for Debian's own Python, so this is a process of
its own, and imports nothing else.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import gi

gi.require_version("FPrint", "2.0")
from gi.repository import FPrint  # noqa: E402 - after its version is named

if __name__ == "__main__":
    context = FPrint.Context()
    context.enumerate()
    scanner, *_others = context.get_devices()
    scanner.open_sync()
    picture = scanner.capture_sync(True, None)
    scanner.close_sync()
    Path(sys.argv[1]).write_bytes(bytes(picture.get_data()))
    size = {"width": picture.get_width(), "height": picture.get_height()}
    print(json.dumps({"driver": scanner.get_driver(), "name": scanner.get_name()} | size))
