"""The body as a process runs it: its own port and the port of its faults, until it is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from firmware_stubs.camera.http_server import Handler
from firmware_stubs.camera.http_server import Server as ControlServer
from firmware_stubs.camera.serving import running
from firmware_stubs.dslr.body import Body
from firmware_stubs.dslr.faults import MAX_FAULT_BYTES, FaultKind, parse_fault
from firmware_stubs.dslr.ptpip import Server


class ControlHandler(Handler):
    """Answers every change with the state that it led to."""

    server: ControlServer[Server]

    def put_fault(self) -> None:
        """Begin a fault."""
        fault = parse_fault(self.body(MAX_FAULT_BYTES))
        self.server.camera.body.fail(fault)
        if fault.kind is FaultKind.DISCONNECT and not fault.after:
            self.server.camera.cut_all()
        self.get_state()

    def delete_fault(self) -> None:
        """End the fault."""
        self.server.camera.body.fail(None)
        self.get_state()

    def get_state(self) -> None:
        """Answer with the body's state."""
        self.answer_json(self.server.camera.body.state())

    routes: ClassVar[Mapping[str, Mapping[str, Callable[[Any], None]]]] = {
        "/fault": {"PUT": put_fault, "DELETE": delete_fault},
        "/state": {"GET": get_state},
    }


def serve(
    host: str,
    port: int,
    control_port: int,
    *,
    seed: int = 1,
    serial: str = "STUB-0001",
    live_view: bool = True,
    ready: Callable[[str, str], None],
    stop: threading.Event,
) -> None:
    """Serve one body until `stop` is set; blocks.

    port, control_port: 0 for any that is free. seed: of the portrait before its lens.
    ready: called once with the body's address and the URL of the control port.
    Raises OSError where a port cannot be bound.
    """
    with Server((host, port), Body(seed, serial, live_view, stop)) as camera:
        thread = threading.Thread(target=camera.serve_forever, kwargs={"poll_interval": 0.05}, name="ptpip")
        thread.start()
        try:
            with running(ControlServer((host, control_port), ControlHandler, camera)) as control:
                ready(f"ptpip://{host}:{camera.server_address[1]}", control.url)
                stop.wait()
        finally:
            stop.set()  # whatever ended us, stalled channels are waiting for this
            camera.shutdown()
            camera.cut_all()
            thread.join()
