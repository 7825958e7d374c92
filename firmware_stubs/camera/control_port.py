"""The second port: what a test or a demo does to the camera from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from firmware_stubs.camera.faults import MAX_FAULT_BYTES, parse_fault
from firmware_stubs.camera.firmware import CameraFirmware
from firmware_stubs.camera.http_server import Handler, Server
from firmware_stubs.camera.refusal import Refusal
from firmware_stubs.camera.scene import MAX_IMAGE_BYTES, decode, wall
from firmware_stubs.portrait import schematic_portrait

MAX_SEED_DIGITS: Final = 18


class ControlHandler(Handler):
    """Answers every change with the state that it led to, once the next frame will show it."""

    server: Server[CameraFirmware]

    def put_scene(self) -> None:
        """Put an image, or a drawn portrait, before the lens."""
        query = self.path.partition("?")[2]
        if query:
            seed = _portrait_seed(query)
            self.server.camera.show(schematic_portrait(seed), f"portrait {seed}")
        else:
            self.server.camera.show(decode(self.body(MAX_IMAGE_BYTES)), "image")
        self.get_state()

    def delete_scene(self) -> None:
        """Leave the wall alone before the lens."""
        self.server.camera.show(wall(), "empty")
        self.get_state()

    def put_fault(self) -> None:
        """Begin a fault."""
        self.server.camera.fail(parse_fault(self.body(MAX_FAULT_BYTES)))
        self.get_state()

    def delete_fault(self) -> None:
        """End the fault."""
        self.server.camera.fail(None)
        self.get_state()

    def get_state(self) -> None:
        """Answer with the camera's state."""
        self.answer_json(self.server.camera.state())

    routes: ClassVar[Mapping[str, Mapping[str, Callable[[Any], None]]]] = {
        "/scene": {"PUT": put_scene, "DELETE": delete_scene},
        "/fault": {"PUT": put_fault, "DELETE": delete_fault},
        "/state": {"GET": get_state},
    }


def _portrait_seed(query: str) -> int:
    name, _, said = query.partition("=")
    if name != "portrait":
        raise Refusal(400, "PARAMETER_UNKNOWN", "the only parameter is portrait")
    if not (said.isascii() and said.isdecimal() and len(said) <= MAX_SEED_DIGITS):
        raise Refusal(400, "SEED_INVALID", f"portrait is one whole number of {MAX_SEED_DIGITS} digits at most")
    return int(said)
