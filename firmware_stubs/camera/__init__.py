"""A 1080p camera that serves motion JPEG over HTTP, and a second port from which its scene and its faults are set.

    GET  :port/stream              multipart/x-mixed-replace, one JPEG a part
    GET  :port/still               one JPEG
    PUT  :control/scene            body: a PNG or JPEG file; or ?portrait=SEED without a body
    DELETE :control/scene          nothing before the lens but the wall
    PUT  :control/fault            {"kind": "stall", "seconds": 2.5}; the other kinds are in faults.py
    DELETE :control/fault
    GET  :control/state            clients, frames_sent, fault, scene, fps, size

A fault lasts until it is deleted, or for `seconds` where they are given. Whatever is refused answers 4xx with
{"error": REASON, "detail": "..."}.
"""

from firmware_stubs.camera.faults import Fault, FaultKind
from firmware_stubs.camera.serving import serve

__all__ = ["Fault", "FaultKind", "serve"]
