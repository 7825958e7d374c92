"""A USB host without hardware: exports of a USB/IP server become devices of a umockdev test bed.

importer    the client's half of USB/IP: imports, transfers in flight, unlinking
usbfs       numbers and layouts of the device node's ioctls
node        the device node: ioctls in, transfers out, and what poll(2) sees
sysfs       what the kernel and udev tell of a device
bus         sockets that are looked at: hot-add, unplug, their uevents
process     the whole as a process, for programs of another Python

A program that runs with the environment that `python3 -m firmware_stubs.umockdev` announces finds the models through
its own libusb and libudev, as it finds real devices. The models themselves know nothing of it.

Debian's umockdev has bindings for Debian's own Python alone, so this runs there, as a process of its own, and imports
nothing but the standard library and gi.

Source: Linux kernel documentation, "USB/IP protocol" and "The Linux-USB Host Side API" (usbfs); umockdev's API.
"""
