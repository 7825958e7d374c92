"""Packages on disk: those still coming in, and those in the ledger.

What a method has done is on disk when it returns. Foreign exceptions (OSError) are the caller's to translate.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from enrollment.registry.data_folder import DataFolder
from enrollment.registry.keys import sync_folder


class PackageFiles:
    """The two folders with package bytes."""

    def __init__(self, folder: DataFolder) -> None:
        self._uploads = folder.uploads
        self._objects = folder.objects

    def object_path(self, package_sha256: bytes) -> Path:
        """Where a package of the ledger lies."""
        name = package_sha256.hex()
        return self._objects / name[:2] / f"{name}.epkg"

    def cut(self, station_id: str, package_sha256: bytes, safe_bytes: int) -> int:
        """Cut what a crash left behind the safe bytes; returns the safe bytes, 0 if they are not all there."""
        path = self._partial(station_id, package_sha256)
        if safe_bytes and path.exists() and path.stat().st_size >= safe_bytes:
            os.truncate(path, safe_bytes)
            return safe_bytes
        path.unlink(missing_ok=True)
        return 0

    def write(self, station_id: str, package_sha256: bytes, offset: int, pieces: Iterable[bytes]) -> None:
        """Write pieces one after the other from the offset on."""
        path = self._partial(station_id, package_sha256)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.seek(offset)
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        if offset == 0:
            sync_folder(self._uploads)

    def open_upload(self, station_id: str, package_sha256: bytes) -> BinaryIO:
        """The bytes of an upload, to be read and closed."""
        return self._partial(station_id, package_sha256).open("rb")

    def keep(self, station_id: str, package_sha256: bytes) -> None:
        """Put a complete upload among the objects too; `drop` it once the ledger names it. Idempotent."""
        target = self.object_path(package_sha256)
        if not target.parent.exists():
            target.parent.mkdir(mode=0o700, exist_ok=True)
            sync_folder(self._objects)
        # A second name, not a move: until the ledger names the object, the upload must still be whole.
        target.unlink(missing_ok=True)
        target.hardlink_to(self._partial(station_id, package_sha256))
        sync_folder(target.parent)

    def drop(self, station_id: str, package_sha256: bytes) -> None:
        """Forget an upload."""
        self._partial(station_id, package_sha256).unlink(missing_ok=True)

    def drop_all_but(self, announced: Callable[[], Iterable[tuple[str, bytes]]]) -> int:
        """Forget the files of uploads that nobody announced, left by a crash; returns how many there were.

        announced: asked after the files were listed, so that one of an upload that another server begins now stays.
        """
        found = list(self._uploads.iterdir())
        wanted = {self._partial(station_id, package_sha256) for station_id, package_sha256 in announced()}
        orphans = [path for path in found if path not in wanted]
        for path in orphans:
            path.unlink(missing_ok=True)  # another server that starts may have been quicker
        return len(orphans)

    def _partial(self, station_id: str, package_sha256: bytes) -> Path:
        return self._uploads / f"{station_id}-{package_sha256.hex()}.part"
