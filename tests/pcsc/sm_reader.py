"""The reader's end of AES secure messaging; its cipher and MAC are the model's, which worked examples have proved."""

from __future__ import annotations

from collections.abc import Callable

from firmware_stubs.card import tlv
from firmware_stubs.card.channel import pad
from firmware_stubs.card.secure_messaging import AesSuite


class AesReader:
    """One session. fetched: answers that came by GET RESPONSE."""

    def __init__(self, transmit: Callable[[bytes], bytes], encryption: bytes, mac: bytes) -> None:
        self._transmit = transmit
        self._suite = AesSuite(encryption, mac)
        self._counter = 0
        self.fetched = 0

    def send(self, header: str, data: bytes = b"", le: bytes = b"") -> tuple[bytes, int]:
        self._counter += 1
        counter = self._counter.to_bytes(16)
        objects = b""
        if data:
            objects = tlv.encode(0x87, b"\x01" + self._suite.cipher(counter).encryptor().update(pad(data, 16)))
        if le:
            objects += tlv.encode(0x97, le)
        head = bytes.fromhex(header)
        body = objects + tlv.encode(0x8E, self._suite.mac(pad(counter + pad(head, 16) + objects, 16)))
        reply = self._transmit(head + bytes((len(body),)) + body + b"\0")
        while reply[-2] == 0x61:
            self.fetched += 1
            reply = reply[:-2] + self._transmit(b"\x00\xc0\x00\x00" + reply[-1:])
        self._counter += 1
        counter = self._counter.to_bytes(16)
        told = dict(tlv.decode(reply[:-2]))
        protected = b"".join(tlv.encode(tag, value) for tag, value in told.items() if tag != 0x8E)
        assert told[0x8E] == self._suite.mac(pad(counter + protected, 16))
        plain = b""
        if 0x87 in told:
            plain = self._suite.cipher(counter).decryptor().update(told[0x87][1:]).rstrip(b"\0")[:-1]
        assert told[0x99] == reply[-2:]
        return plain, int.from_bytes(told[0x99])
