"""python -m drivers.camera.dslr.process: one body for the driver that started it, on the socket at standard input.

It is a process of its own because libgphoto2 hangs, may crash, keeps Python's lock in some calls for as long as a
camera says nothing, and closes descriptor 0 with a camera on the network, whatever that is by then (libgphoto2 2.5.34;
its pull request 1287): here that harms nobody else. It ends when its socket does, however the driver's process ended.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import socket
import threading
import time
from dataclasses import asdict
from typing import Any

from drivers import pipe
from drivers.camera.dslr.address import DslrAddress
from drivers.camera.dslr.library import Body
from drivers.errors import DriverError
from drivers.pipe import Message
from drivers.side_process import told
from drivers.spi import CameraSetting

_ORPHAN_GRACE_S = 3.0  # for a call that is under way when the driver's process has died


def main() -> None:
    """Open the body that the first request names, and answer until the socket ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver's process, which then closes the body
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    channel = socket.socket(fileno=os.dup(0))  # under another number, which the library leaves alone
    requests: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(channel, requests), name="requests", daemon=True).start()
    body: Body | None = None
    try:
        while (request := requests.get()) is not None:
            try:
                if body is None:
                    body = Body(DslrAddress(**request.said["address"]))
                    answer = Message({"value": asdict(body.identity)})
                else:
                    answer = _answer(body, request.said)
            except DriverError as error:
                answer = told(error)
            pipe.send(channel, answer)
    except OSError:
        return  # nobody is there to be told
    finally:
        if body is not None:
            body.close()


def _answer(body: Body, said: dict[str, Any]) -> Message:
    match said["call"]:
        case "preview":
            jpeg = body.preview()
            return Message({"value": jpeg is not None}, jpeg or b"")
        case "release_shutter":
            body.release_shutter()
        case "next_file":
            return Message({"value": body.next_file(said["wait_s"])})
        case "download":
            return Message(content=body.download(said["folder"], said["name"]))
        case "delete":
            return Message({"value": body.delete(said["folder"], said["name"])})
        case "settings":
            return Message({"value": {setting.value: asdict(state) for setting, state in body.settings().items()}})
        case "change":
            body.change(CameraSetting(said["setting"]), said["value"])
        case call:
            raise ValueError(call)
    return Message()


def _listen(channel: socket.socket, requests: queue.SimpleQueue[Message | None]) -> None:
    """Pass requests on; when they end, end the process, whatever a call of the library is waiting for."""
    try:
        while True:
            requests.put(pipe.receive(channel))
    except (EOFError, OSError):
        requests.put(None)
    time.sleep(_ORPHAN_GRACE_S)
    os._exit(1)


if __name__ == "__main__":
    main()
