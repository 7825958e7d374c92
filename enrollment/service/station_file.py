"""station.toml as enrolld's own commands write it: one of them at a time, and never half a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from enrollment.service.config import ConfigInvalid, StationConfig, load_config
from enrollment.service.keys.private_files import alone_in, replace_file


@contextmanager
def alone_with(path: Path) -> Iterator[None]:
    """Keep other commands that make something away from the file's folder. Raises ConfigInvalid."""
    with ExitStack() as stack:
        try:
            stack.enter_context(alone_in(path.parent))
        except OSError as error:
            raise _unwritable(path, error) from error
        yield


@contextmanager
def changing(path: Path) -> Iterator[tuple[StationConfig, Callable[[str], None]]]:
    """The configuration, and what adds a section to its file. Raises ConfigInvalid."""
    load_config(path)
    path = path.resolve()

    def add(section: str) -> None:
        write(path, path.read_text("utf-8") + section, path.stat().st_mode & 0o777)

    with alone_with(path):
        yield load_config(path), add


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace the file, or make it. Raises ConfigInvalid."""
    try:
        replace_file(path, text.encode(), mode)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> ConfigInvalid:
    return ConfigInvalid(f"{path} cannot be written: {error.strerror}", file=str(path), problem="unwritable")
