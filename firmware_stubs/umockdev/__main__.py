"""Models behind a umockdev test bed, for the real libusb and udev of whoever is started in it.

    /usr/bin/python3 -m firmware_stubs.umockdev usbip://127.0.0.1:PORT/1-1 [...] [--until-stdin-closes]

It prints one line of JSON when it has looked into every socket: {"ready": true, "kind", "environment"}; a program that
is started with these variables finds the devices. One such program at a time should listen for hotplug: umockdev tells
the sockets of its listeners apart by their file descriptor alone. It ends on SIGTERM or SIGINT, and with
--until-stdin-closes also when its standard input does.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import threading

from firmware_stubs.stopping import when_asked_to_stop
from firmware_stubs.umockdev.process import PACKAGES

PRELOAD = "libumockdev-preload.so.0"


def main() -> int:
    """Run until told to stop; the process's exit status."""
    parser = argparse.ArgumentParser(
        prog="python3 -m firmware_stubs.umockdev", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("exports", nargs="+", metavar="usbip://HOST:PORT/BUS-ID", help="what may be plugged in")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input reaches its end")
    parser.add_argument("--verbose", action="store_true", help="log what happens to standard error")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.DEBUG if arguments.verbose else logging.WARNING, stream=sys.stderr)
    try:
        from firmware_stubs.umockdev.bus import Bus, Export
    except (ImportError, ValueError) as error:  # ValueError: gi is there, UMockdev is not
        print(f"firmware_stubs.umockdev: {error}; apt-get install {PACKAGES}", file=sys.stderr)
        return 1
    try:
        exports = [Export.parse(url) for url in arguments.exports]
    except ValueError as error:
        parser.error(str(error))
    if PRELOAD not in os.environ.get("LD_PRELOAD", ""):  # libudev has to see the test bed here, too
        command = [sys.executable, "-m", "firmware_stubs.umockdev", *sys.argv[1:]]
        os.execve(sys.executable, command, os.environ | {"LD_PRELOAD": PRELOAD})  # noqa: S606 - this very program
    stop = threading.Event()
    when_asked_to_stop(arguments, stop.set)
    with Bus(exports) as bus:
        bus.look()
        environment = {"UMOCKDEV_DIR": bus.root, "LD_PRELOAD": PRELOAD}
        print(json.dumps({"ready": True, "kind": "umockdev", "environment": environment}), flush=True)
        bus.watch(stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
