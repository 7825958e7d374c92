"""A reflex camera that speaks PTP over TCP (PTP/IP, CIPA DC-005; ISO 15740), and a second port for its faults.

    ptpip://HOST:PORT              one host at a time: a command channel and an event channel
    PUT  :control/fault            {"kind": "stall", "after": 3}; the other kinds are in faults.py
    DELETE :control/fault
    GET  :control/state            sessions, transfers, on_card, fault, settings

It takes stills of 1728 x 1152 onto its card, and gives live view of 768 x 512 as Nikon bodies do, unless it is told to
be a body without one. Both show the drawn portrait of a seed, as bright as the exposure compensation makes it. A fault
strikes at the transfer (a live view frame or a stored object) after the next `after`, and lasts until it is deleted.
"""

from firmware_stubs.dslr.serving import serve

__all__ = ["serve"]
