"""The keys by which a card knows who may write it: one set a card, made of a master key by the card's serial number.

Each key is that of the key derivation function in counter mode of NIST SP 800-108 (5.1) with AES-CMAC, an 8-bit counter
in front, and no length behind:

    K = CMAC(master, 01 | label | 00 | serial) | CMAC(master, 02 | ...) ...        label: 00000001 ENC, 2 MAC, 3 DEK

which other tools know as KDF3 (GlobalPlatformPro), so that another tool opens our cards, given the master key. The
master key need not be at hand: whoever holds it, a token among others, computes the CMAC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from enrollment.core.errors import CardBelongsElsewhere

KEY_LENGTHS: Final = (16, 24, 32)  # octets: AES-128, -192, -256
SERIAL_OCTETS: Final = 10  # key diversification data, as the card tells them
CHECK_VALUE_OCTETS: Final = 3
BLOCK_OCTETS: Final = 16

FACTORY_VERSION: Final = 0xFF  # of the keys that cards leave the factory with
OWN_VERSIONS: Final = range(1, 0x80)

_LABELS: Final = (1, 2, 3)

Prf: TypeAlias = Callable[[bytes], bytes]
"""A message's AES-CMAC, 16 octets, under a key that need not be known."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """A card's static keys: of its session keys for encryption and for MACs, and of the keys that it is given.

    Raises ValueError unless they are AES keys of one length.
    """

    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)
    dek: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.enc) not in KEY_LENGTHS or not len(self.enc) == len(self.mac) == len(self.dek):
            raise ValueError("keys of a card are AES keys of one length")


class CardKeyProvider(Protocol):
    """Where the keys of cards come from."""

    def key_set(self, version: int, diversification: bytes) -> KeySet:
        """The keys of one version of one card.

        version: of OWN_VERSIONS, or FACTORY_VERSION.
        diversification: the card's serial number, SERIAL_OCTETS.
        Raises CardBelongsElsewhere for a version that there are no keys of.
        """


@dataclass(frozen=True, slots=True)
class MasterKey:
    """What the keys of cards are made of. octets: of it, and of each of theirs."""

    prf: Prf = field(repr=False)
    octets: int


@dataclass(frozen=True, slots=True)
class CardKeys:
    """A CardKeyProvider. sources: by version; a key set where all cards have the same, as from the factory."""

    sources: Mapping[int, KeySet | MasterKey]

    @property
    def newest(self) -> int:
        """The highest of our own versions: what cards are to have; 0 where there is none."""
        return max((version for version in self.sources if version in OWN_VERSIONS), default=0)

    def key_set(self, version: int, diversification: bytes) -> KeySet:
        """As CardKeyProvider."""
        source = self.sources.get(version)
        if source is None:
            raise CardBelongsElsewhere("a card with keys of a version that is not known here", key_version=version)
        if isinstance(source, KeySet):
            return source
        return diversified(source.prf, diversification, source.octets)


def aes_cmac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC (NIST SP 800-38B), 16 octets."""
    mac = CMAC(algorithms.AES(key))
    mac.update(message)
    return mac.finalize()


def derive_in_counter_mode(prf: Prf, before: bytes, after: bytes, octets: int) -> bytes:
    """NIST SP 800-108, 5.1, with an 8-bit counter between `before` and `after`."""
    blocks = range(1, -(-octets // BLOCK_OCTETS) + 1)
    return b"".join(prf(before + bytes((counter,)) + after) for counter in blocks)[:octets]


def diversified(prf: Prf, serial: bytes, octets: int) -> KeySet:
    """A card's keys.

    prf: under the master key. octets: of each key, as many as the master key has.
    """
    enc, mac, dek = (derive_in_counter_mode(prf, b"", label.to_bytes(4) + b"\0" + serial, octets) for label in _LABELS)
    return KeySet(enc, mac, dek)


def key_check_value(key: bytes) -> bytes:
    """Of an AES key: the first octets of a block of 01 under it (GlobalPlatform Amendment D, 4.1.4)."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - one block, which is defined so
    return encryptor.update(b"\x01" * BLOCK_OCTETS)[:CHECK_VALUE_OCTETS]
