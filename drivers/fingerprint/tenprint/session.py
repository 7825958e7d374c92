"""Commands and answers: host and device in step, or brought back into it.

HELLO begins a session under a number of the host's choice: the device ends whatever it does and drops what it had to
say, and all that follows bears the number. So nothing has to be drained after a crash: an answer of another session or
sequence is stale and passed over. A damaged answer, or none, leaves the two out of step.
"""

from __future__ import annotations

import logging
import secrets
import time

from drivers.errors import DeviceError, DeviceNotReady, DeviceStalled, ProtocolViolation, UnsupportedDevice
from drivers.fingerprint.tenprint import parameters, wire
from drivers.fingerprint.tenprint.wire import Code, Status
from drivers.spi import CancelToken
from drivers.usb.transport import UsbTransport

_ERRORS: dict[int, tuple[type[DeviceError], str]] = {
    Status.UNKNOWN_COMMAND: (UnsupportedDevice, "the scanner does not know the command"),
    Status.UNSUPPORTED: (UnsupportedDevice, "the scanner cannot do this"),
    Status.NOT_READY: (DeviceNotReady, "the scanner is still warming up"),
    Status.SENSOR_FAILED: (DeviceNotReady, "the scanner says that its sensor failed"),
    Status.LIGHT_FAILED: (DeviceNotReady, "the scanner says that its lamp failed"),
    Status.INTERNAL: (DeviceNotReady, "the scanner says that it failed"),
}

_logger = logging.getLogger(__name__)


def status_error(status: int, doing: str) -> DeviceError:
    """Put a status that is not OK into our words. Numbers without a name are violations."""
    kind, sentence = _ERRORS.get(status, (ProtocolViolation, "the scanner refused what this protocol allows"))
    return kind(f"{doing}: {sentence}", status=int(status))


class Session:
    """The command channel of an open device. number: of the session, in everything that the device sends."""

    def __init__(self, transport: UsbTransport, timeout_s: float) -> None:
        self.number = 0
        self._transport = transport
        self._timeout_s = timeout_s
        self._sequence = 0
        self._in_step = False

    def lose_step(self) -> None:
        """Begin a new session before the next command: this one's state is not known any more."""
        self._in_step = False

    def ask(self, code: Code, payload: bytes = b"", *, cancel: CancelToken) -> bytes:
        """Send a command and return its answer's payload; what comes damaged is asked again after HELLO.

        Raises DeviceNotReady, UnsupportedDevice, DeviceStalled, ProtocolViolation, DeviceGone, CaptureCancelled.
        """
        attempt = 1
        while True:
            try:
                if not self._in_step:
                    self._greet(cancel)
                return self._exchange(code, payload, cancel)
            except ProtocolViolation as error:
                self._in_step = False
                if attempt == parameters.EXCHANGE_TRIES:
                    raise
                attempt += 1
                _logger.warning("%s is asked again: %s", code.name, error)
            except DeviceError:
                self._in_step = False
                raise

    def tell(self, code: Code, *, timeout_s: float = 0.0) -> None:
        """Send a command, and wait so long until it has left; its answer will be stale. Nothing is sent out of step."""
        if not self._in_step:
            return
        self._sequence += 1
        writing = self._transport.queue_write(
            wire.COMMAND_ENDPOINT, wire.encode_command(code, self.number, self._sequence)
        )
        if timeout_s:
            writing.result(timeout_s)

    def _greet(self, cancel: CancelToken) -> None:
        """Begin a session; wait for a device that is warming up."""
        deadline = time.monotonic() + parameters.WARM_UP_S
        while True:
            self.number = 1 + secrets.randbelow(2**32 - 1)
            self._sequence = 0
            try:
                version = wire.decode_greeting(self._exchange(Code.HELLO, wire.encode_hello(), cancel)).version
            except DeviceNotReady as error:
                if error.facts.get("status") != Status.NOT_READY or time.monotonic() > deadline:
                    raise
                self._transport.pause(parameters.WARM_UP_POLL_S, cancel)
                continue
            if version[0] != wire.PROTOCOL_VERSION[0]:
                raise UnsupportedDevice("the scanner speaks another version of its protocol", major=version[0])
            self._in_step = True
            return

    def _exchange(self, code: Code, payload: bytes, cancel: CancelToken) -> bytes:
        deadline = time.monotonic() + self._timeout_s
        self._sequence += 1
        # The read is queued first: an answer may come faster than a write is acknowledged.
        reading = self._transport.queue_read(wire.ANSWER_ENDPOINT, wire.ANSWER_READ_BYTES)
        try:
            command = wire.encode_command(code, self.number, self._sequence, payload)
            written = self._transport.queue_write(wire.COMMAND_ENDPOINT, command).result(self._timeout_s, cancel)
            if written.transferred != len(command):
                raise ProtocolViolation("the scanner took only a part of a command", written=written.transferred)
            damaged: ProtocolViolation | None = None
            for _ in range(parameters.STALE_ANSWERS):
                try:
                    data = reading.result(max(0.0, deadline - time.monotonic()), cancel).data
                except DeviceStalled as error:
                    raise damaged or error from None
                try:
                    answer = self._judge(data, code)
                except ProtocolViolation as error:
                    if code is not Code.HELLO:
                        raise
                    damaged = error  # or what was on its way when an earlier host stopped: the answer may still come
                    answer = None
                if answer is not None:
                    break
                reading = self._transport.queue_read(wire.ANSWER_ENDPOINT, wire.ANSWER_READ_BYTES)
            else:
                raise ProtocolViolation("the scanner answers everything but what it is asked", command=code.name)
        finally:
            reading.cancel()
        if answer.status == Status.OK:
            return answer.payload
        raise status_error(answer.status, code.name)

    def _judge(self, data: memoryview, code: Code) -> wire.Answer | None:
        """The answer that is waited for; None for a stale one."""
        answer = wire.decode_answer(data)
        if answer.session != self.number or answer.sequence != self._sequence:
            return None
        if answer.code != code:
            raise ProtocolViolation("an answer to another command", code=answer.code, expected=int(code))
        return answer
