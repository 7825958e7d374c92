"""A USB/IP server that exports software models of USB devices over TCP.

protocol     messages <-> bytes, no I/O
descriptors  what a device says it is
device       standard requests, and the hooks that a model fills in
server       connections, imports, transfers in flight, unplug

Source: Linux kernel documentation, "USB/IP protocol" (version 0x0111); USB 2.0 specification, chapter 9.
"""
