"""One table of station.toml, key by key; what is wrong with it names file and key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from enrollment.core.errors import EnrollmentError


class ConfigInvalid(EnrollmentError):
    """station.toml, or a file that it names, cannot be used."""

    reason = "CONFIG_INVALID"


class TomlTable:
    """One table of the file; remembers where it is for errors, and refuses keys that nobody asked for."""

    def __init__(self, file: Path, name: str, content: object) -> None:
        if not isinstance(content, Mapping):
            raise ConfigInvalid(f"[{name}] must be a table", file=str(file), key=name)
        self._file, self._name, self._left = file, name, dict(content)

    def take(self, key: str, kind: type, default: Any = None, *, required: bool = False) -> Any:
        if key not in self._left:
            if required:
                raise self.wrong(key, "is missing")
            return default
        value = self._left.pop(key)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise self.wrong(key, f"must be of type {kind.__name__}")
        return value

    def number(self, key: str, default: float, least: float, most: float) -> float:
        value = float(self.take(key, float, default))
        if not least <= value <= most:
            raise self.wrong(key, f"must be {least:g}..{most:g}")
        return value

    def path(self, key: str, default: Path | None = None, *, required: bool = False) -> Path | None:
        value = self.take(key, str, None, required=required)
        return default if value is None else (self._file.parent / value).resolve()

    def address(self, key: str) -> str:
        value = str(self.take(key, str, required=True))
        if not is_address(value):
            raise self.wrong(key, "must be host:port")
        return value

    def wrong(self, key: str, what: str) -> ConfigInvalid:
        return ConfigInvalid(
            f"{self._file}: {self._name}.{key} {what}", file=str(self._file), key=f"{self._name}.{key}"
        )

    def done(self) -> None:
        for key in self._left:
            raise self.wrong(str(key)[:64], "is not known")


def is_address(text: str) -> bool:
    """Whether it is host:port."""
    host, _, port = text.rpartition(":")
    return bool(host) and port.isascii() and port.isdecimal() and 0 < int(port) < 65536


def read_file(path: Path, limit: int) -> bytes:
    """A file of at most `limit` bytes. Raises ConfigInvalid, naming it."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise ConfigInvalid(f"{path} cannot be read: {error.strerror}", file=str(path), problem="unreadable") from error
    if len(content) > limit:
        raise ConfigInvalid(f"{path} is larger than {limit} bytes", file=str(path))
    return content
