"""Secure Channel Protocol 03, card side (GlobalPlatform Card Specification 2.3, Amendment D 1.1.2, S8 mode).

A session begins with INITIALIZE UPDATE and holds from EXTERNAL AUTHENTICATE on. The try counter is spent before a host
cryptogram is looked at and given back when it was right, so that no cut of the power saves a guess.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from firmware_stubs.card.apdu import Command, Refused, Status, lc_bytes
from firmware_stubs.card.channel import pad, unpad
from firmware_stubs.card.memory import MAX_TRIES, Memory
from firmware_stubs.card.profile import Access, Profile

BLOCK: Final = 16
MAC_LENGTH: Final = 8
AES_KEY_TYPE: Final = 0x88
KEY_LENGTHS: Final = (16, 24, 32)

C_MAC, C_DECRYPTION, R_MAC, R_ENCRYPTION = 0x01, 0x02, 0x10, 0x20
LEVELS: Final = (
    C_MAC,
    C_MAC | C_DECRYPTION,
    C_MAC | R_MAC,
    C_MAC | C_DECRYPTION | R_MAC,
    C_MAC | C_DECRYPTION | R_MAC | R_ENCRYPTION,
)
PSEUDO_RANDOM: Final = 0x10

# Data derivation constants (Amendment D, table 4-1).
CARD_CRYPTOGRAM, HOST_CRYPTOGRAM, CARD_CHALLENGE, S_ENC, S_MAC, S_RMAC = 0x00, 0x01, 0x02, 0x04, 0x06, 0x07


def cmac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC, 16 bytes."""
    mac = CMAC(algorithms.AES(key))
    mac.update(message)
    return mac.finalize()


def derive(key: bytes, constant: int, context: bytes, length: int) -> bytes:
    """Derive `length` bytes: KDF in counter mode of NIST SP 800-108 over CMAC (Amendment D, 4.1.5)."""
    label = bytes(11) + bytes((constant, 0)) + (8 * length).to_bytes(2)
    blocks = (cmac(key, label + bytes((counter,)) + context) for counter in range(1, -(-length // BLOCK) + 1))
    return b"".join(blocks)[:length]


@dataclass(frozen=True, slots=True)
class Opening:
    """What INITIALIZE UPDATE agreed on; lasts until the next command that is not EXTERNAL AUTHENTICATE."""

    encryption_key: bytes
    mac_key: bytes
    response_key: bytes
    context: bytes

    def cryptogram(self, constant: int) -> bytes:
        """Of the card or of the host, 8 bytes."""
        return derive(self.mac_key, constant, self.context, 8)


def initialize_update(command: Command, memory: Memory, profile: Profile) -> tuple[bytes, Opening]:
    """Answer INITIALIZE UPDATE. Raises Refused."""
    if memory.tries == 0:
        raise Refused(Status.BLOCKED)
    if len(command.data) != 8:
        raise Refused(Status.WRONG_LENGTH)
    if command.p1 not in (0, memory.key_version):
        raise Refused(Status.REFERENCED_DATA_NOT_FOUND)
    encryption, mac, _ = memory.keys
    memory.sequence += 1
    sequence = (memory.sequence & 0xFFFFFF).to_bytes(3)
    if profile.scp_i & PSEUDO_RANDOM:
        challenge, tail = derive(encryption, CARD_CHALLENGE, sequence + profile.aid, 8), sequence
    else:
        challenge, tail = secrets.token_bytes(8), b""
    context = command.data + challenge
    opening = Opening(
        derive(encryption, S_ENC, context, len(encryption)),
        derive(mac, S_MAC, context, len(mac)),
        derive(mac, S_RMAC, context, len(mac)),
        context,
    )
    about = memory.serial + bytes((memory.key_version, 0x03, profile.scp_i))
    return about + challenge + opening.cryptogram(CARD_CRYPTOGRAM) + tail, opening


class Scp03Session:
    """An authenticated channel at the level that EXTERNAL AUTHENTICATE asked for."""

    proved = Access.PERSONALISER

    def __init__(self, opening: Opening, level: int, chaining: bytes) -> None:
        self._level = level
        self._chaining = chaining
        self._counter = 0
        self._algorithm = algorithms.AES(opening.encryption_key)
        # One block at a time, which the standard makes the ICV; the key schedules are made once, as in silicon.
        self._block = Cipher(self._algorithm, modes.ECB()).encryptor()  # noqa: S305
        self._command_mac = CMAC(algorithms.AES(opening.mac_key))
        self._answer_mac = CMAC(algorithms.AES(opening.response_key))

    def is_wrapped(self, command: Command) -> bool:
        return bool(command.cla & 0x04)

    def unwrap(self, command: Command) -> Command:
        self._chaining = check_mac(command, self._command_mac, self._chaining)
        self._counter += 1
        data = command.data[:-MAC_LENGTH]
        if self._level & C_DECRYPTION and data:
            if len(data) % BLOCK:
                raise Refused(Status.SECURITY_NOT_SATISFIED)
            cipher = self._cipher(0x00).decryptor()
            plain = unpad(cipher.update(data) + cipher.finalize())
            if plain is None:
                raise Refused(Status.SECURITY_NOT_SATISFIED)
            data = plain
        return Command(command.cla & ~0x04, command.ins, command.p1, command.p2, data, command.le, command.extended)

    def wrap(self, data: bytes, status: int) -> bytes:
        if not self._level & R_MAC or status >> 8 not in (0x90, 0x62, 0x63):
            return data
        if self._level & R_ENCRYPTION and data:
            cipher = self._cipher(0x80).encryptor()
            data = cipher.update(pad(data, BLOCK)) + cipher.finalize()
        mac = self._answer_mac.copy()
        mac.update(self._chaining + data + status.to_bytes(2))
        return data + mac.finalize()[:MAC_LENGTH]

    def _cipher(self, direction: int) -> Cipher[modes.CBC]:
        """direction: first byte of the counter block, 00 for commands, 80 for answers (Amendment D, 6.2.6, 6.2.7)."""
        counter = bytes((direction,)) + self._counter.to_bytes(BLOCK - 1)
        return Cipher(self._algorithm, modes.CBC(self._block.update(counter)))


def check_mac(command: Command, keyed: CMAC, chaining: bytes) -> bytes:
    """Check a command's C-MAC; the next MAC chaining value. keyed: empty, and stays so. Raises Refused with 6982."""
    if len(command.data) < MAC_LENGTH:
        raise Refused(Status.SECURITY_NOT_SATISFIED)
    data, told = command.data[:-MAC_LENGTH], command.data[-MAC_LENGTH:]
    running = keyed.copy()
    running.update(chaining + command.header + lc_bytes(len(command.data)) + data)
    mac = running.finalize()
    if not hmac.compare_digest(mac[:MAC_LENGTH], told):
        raise Refused(Status.SECURITY_NOT_SATISFIED)
    return mac


def external_authenticate(command: Command, opening: Opening | None, memory: Memory, scp_i: int) -> Scp03Session:
    """Answer EXTERNAL AUTHENTICATE: a session. Raises Refused; 6300 and 6982 cost a try, which `memory` has lost then.

    The caller makes the spent try durable before it answers.
    """
    if memory.tries == 0:
        raise Refused(Status.BLOCKED)
    if opening is None:
        raise Refused(Status.CONDITIONS_NOT_SATISFIED)
    if len(command.data) != 8 + MAC_LENGTH:
        raise Refused(Status.WRONG_LENGTH)
    offered = scp_i >> 1 & (R_MAC | R_ENCRYPTION)  # 20 R-MAC, 60 with R-ENC
    if command.p1 not in LEVELS or command.p1 & (R_MAC | R_ENCRYPTION) & ~offered or command.p2:
        raise Refused(Status.WRONG_P1_P2)
    memory.tries -= 1
    if not hmac.compare_digest(opening.cryptogram(HOST_CRYPTOGRAM), command.data[:8]):
        raise Refused(Status.AUTHENTICATION_FAILED)
    chaining = check_mac(command, CMAC(algorithms.AES(opening.mac_key)), bytes(BLOCK))
    memory.tries = MAX_TRIES
    return Scp03Session(opening, command.p1, chaining)


def put_key(command: Command, memory: Memory) -> bytes:
    """Answer PUT KEY of a whole AES key set (Amendment D, 7.2): its version and check values. Raises Refused.

    P1: the version that is replaced. The keys come encrypted under the old DEK and are taken all three or none.
    """
    if command.p1 not in (0, memory.key_version):
        raise Refused(Status.REFERENCED_DATA_NOT_FOUND)
    if command.p2 != 0x81 or not command.data or not 1 <= command.data[0] <= 0x7F:
        raise Refused(Status.WRONG_P1_P2 if command.p2 != 0x81 else Status.WRONG_DATA)
    version, rest = command.data[0], command.data[1:]
    keys, answer = [], bytes((version,))
    for _ in range(3):
        key, check, rest = _one_key(rest, memory.keys[2])
        keys.append(key)
        answer += check
    if rest or len({len(key) for key in keys}) != 1:
        raise Refused(Status.WRONG_DATA)
    memory.keys = (keys[0], keys[1], keys[2])
    memory.key_version = version
    return answer


def _one_key(content: bytes, dek: bytes) -> tuple[bytes, bytes, bytes]:
    """88 L, length of the key (may be left out), key under DEK, 03, check value: key, check value, what follows."""
    if len(content) < 3 or content[0] != AES_KEY_TYPE:
        raise Refused(Status.WRONG_DATA)
    end = 2 + content[1]
    component, tail = content[2:end], content[end:]
    sealed = component[1:] if len(component) % BLOCK else component
    length = component[0] if len(component) % BLOCK else len(component)
    if length not in KEY_LENGTHS or len(sealed) != -(-length // BLOCK) * BLOCK or len(tail) < 4 or tail[0] != 3:
        raise Refused(Status.WRONG_DATA)
    decryptor = Cipher(algorithms.AES(dek), modes.CBC(bytes(BLOCK))).decryptor()
    key = decryptor.update(sealed)[:length]
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - the check value is defined so
    check = encryptor.update(b"\x01" * BLOCK)[:3]
    if not hmac.compare_digest(check, tail[1:4]):
        raise Refused(Status.WRONG_DATA)
    return key, check, tail[4:]
