"""What tests of the second bus need of the machine; `./run setup dev` installs it where it may."""

from __future__ import annotations

import pytest
import usb.backend.libusb1

from firmware_stubs.umockdev.process import missing

needs_bus = pytest.mark.skipif(bool(missing()), reason=missing())
needs_hotplug = pytest.mark.skipif(
    usb.backend.libusb1.get_backend() is None,  # type: ignore[no-untyped-call]
    reason="the system has no libusb, and the wheel's listens to the kernel's own events, which umockdev has not",
)
