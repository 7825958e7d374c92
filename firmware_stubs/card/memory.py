"""What outlives the power: files, keys, counters, life cycle. Kept in one JSON file, replaced atomically.

The file holds the card's secrets in the clear, as the silicon would: it belongs to the model, never to a station.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

DEVELOPMENT_KEY: Final = bytes(range(0x40, 0x50))  # the GlobalPlatform default, 40..4F
MAX_TRIES: Final = 10


class LifeCycle(IntEnum):
    """Life cycle status (ISO/IEC 7816-4, 7.4.10)."""

    CREATION = 0x01
    INITIALISED = 0x03
    OPERATIONAL = 0x05
    LOCKED = 0x0C  # terminated


@dataclass(slots=True)
class Memory:
    """One card's. files: content by file identifier, as long as the file. objects: PUT DATA by tag.

    keys: the SCP03 key set (ENC, MAC, DEK) and its version. tries: left for the personaliser. sequence: of SCP03.
    serial: key diversification data, 10 bytes, by which the personaliser knows the card.
    unsaved: files changed since the last save.
    """

    life_cycle: LifeCycle = LifeCycle.CREATION
    files: dict[int, bytearray] = field(default_factory=dict)
    objects: dict[int, bytes] = field(default_factory=dict)
    keys: tuple[bytes, bytes, bytes] = (DEVELOPMENT_KEY,) * 3
    key_version: int = 0xFF
    tries: int = MAX_TRIES
    sequence: int = 0
    serial: bytes = bytes(10)
    unsaved: bool = False

    @classmethod
    def blank(cls, number: int) -> Memory:
        """A card from the factory, its serial made of its number."""
        return cls(serial=b"CARD" + number.to_bytes(6))

    def to_json(self) -> dict[str, Any]:
        """Everything, bytes in hexadecimal."""
        return {
            "life_cycle": self.life_cycle.name,
            "files": {f"{fid:04X}": content.hex() for fid, content in self.files.items()},
            "objects": {f"{tag:02X}": value.hex() for tag, value in self.objects.items()},
            "keys": [key.hex() for key in self.keys],
            "key_version": self.key_version,
            "tries": self.tries,
            "sequence": self.sequence,
            "serial": self.serial.hex(),
        }

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> Memory:
        """The memory that `to_json` told. Raises ValueError or KeyError for anything else."""
        encryption, mac, data = (bytes.fromhex(key) for key in said["keys"])
        return cls(
            life_cycle=LifeCycle[said["life_cycle"]],
            files={int(fid, 16): bytearray.fromhex(content) for fid, content in said["files"].items()},
            objects={int(tag, 16): bytes.fromhex(value) for tag, value in said["objects"].items()},
            keys=(encryption, mac, data),
            key_version=int(said["key_version"]),
            tries=int(said["tries"]),
            sequence=int(said["sequence"]),
            serial=bytes.fromhex(said["serial"]),
        )


class StateFile:
    """The memories of all slots in one file; without a path they live as long as the process."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def load(self, slots: int) -> list[Memory]:
        """One memory a slot; blank where the file tells none. Raises OSError where it is not one of ours."""
        if self._path is None or not self._path.exists():
            return [Memory.blank(slot) for slot in range(slots)]
        try:
            kept = [Memory.from_json(card) for card in json.loads(self._path.read_bytes())["cards"]]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise OSError(f"{self._path} does not hold the state of cards ({type(error).__name__})") from error
        return kept + [Memory.blank(slot) for slot in range(len(kept), slots)]

    def save(self, memories: list[Memory]) -> None:
        """Replace the file: whoever reads it finds the old state or the new one."""
        if self._path is None:
            return
        draft = self._path.with_name(self._path.name + ".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"cards": [memory.to_json() for memory in memories]}, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        for memory in memories:
            memory.unsaved = False
