"""The person of the demo: lays finger images on the software scanner's platen, stands before the software camera."""

from __future__ import annotations

import http.client
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlencode, urlsplit

FINGERS: Final = 10
ROLL_MS: Final = 700
CONTROL_TIMEOUT_S: Final = 15.0
IMAGE_SUFFIXES: Final = frozenset({".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg"})
_FINGER_IMPRESSION: Final = re.compile(r"(?P<finger>.+)_(?P<impression>\d+)")


class ControlFailed(Exception):
    """A device model refused what was laid before it."""


@dataclass(frozen=True, slots=True)
class Control:
    """The control port of one device model: plain HTTP on loopback."""

    url: str

    def send(self, method: str, path: str, body: bytes = b"") -> None:
        """Raises ControlFailed with the model's own words."""
        where = urlsplit(self.url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=CONTROL_TIMEOUT_S)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise ControlFailed(f"{method} {path}: {error}") from error
        finally:
            connection.close()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise ControlFailed(f"{method} {path}: {answer.status} {text}")


class Impressions(Protocol):
    """Where the finger images come from."""

    def lay(self, platen: Control, finger: int, attempt: int) -> None:
        """Lay the attempt-th impression (from 1) of the finger-th finger (from 0)."""


@dataclass(frozen=True, slots=True)
class SyntheticImpressions:
    """Drawn by the scanner's model itself, by seed."""

    person: int

    def lay(self, platen: Control, finger: int, attempt: int) -> None:
        query = urlencode({"finger": self.person * 100 + finger, "impression": attempt - 1})
        platen.send("PUT", f"/platen?{query}")


@dataclass(frozen=True, slots=True)
class ImpressionFiles:
    """files: for each finger its impressions, in the order in which they are laid; then from the start again."""

    files: Sequence[Sequence[Path]]

    def lay(self, platen: Control, finger: int, attempt: int) -> None:
        impressions = self.files[finger % len(self.files)]
        platen.send("PUT", "/platen", impressions[(attempt - 1) % len(impressions)].read_bytes())


def _natural(text: str) -> tuple[tuple[int, str], ...]:
    """Sort key: 2 before 10."""
    return tuple((int(run), "") if run.isdigit() else (0, run) for run in re.findall(r"\d+|\D+", text))


def find_impressions(folder: Path) -> ImpressionFiles:
    """FINGER_IMPRESSION.*: the first ten fingers with all their impressions; other names: the first ten files.

    Raises FileNotFoundError when the folder holds no images.
    """
    images = sorted((path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES), key=_by_name)
    matches = [_FINGER_IMPRESSION.fullmatch(path.stem) for path in images]
    if not images:
        raise FileNotFoundError(f"no images in {folder}")
    if not all(matches):
        return ImpressionFiles([[path] for path in images[:FINGERS]])
    by_finger: Mapping[str, list[Path]] = defaultdict(list)
    for path, match in zip(images, matches, strict=True):
        if match:
            by_finger[match["finger"]].append(path)
    return ImpressionFiles(list(by_finger.values())[:FINGERS])


def _by_name(path: Path) -> tuple[tuple[int, str], ...]:
    return _natural(path.stem)


@dataclass(slots=True)
class StandIn:
    """An enrollment_flow.Subject that moves the device models.

    order: the plan's positions, so that each gets a finger of its own.
    portrait: an image file's bytes; None for a drawn one.
    """

    platen: Control
    camera: Control
    impressions: Impressions
    portrait: bytes | None
    person: int
    order: list[int]

    def present_finger(self, position: int, attempt: int) -> None:
        if position not in self.order:
            self.order.append(position)
        self.impressions.lay(self.platen, self.order.index(position), attempt)

    def lift_finger(self) -> None:
        self.platen.send("DELETE", "/platen")

    def present_face(self) -> None:
        if self.portrait is None:
            self.camera.send("PUT", f"/scene?{urlencode({'portrait': self.person})}")
        else:
            self.camera.send("PUT", "/scene", self.portrait)


@dataclass(slots=True)
class TenPrintStandIn(StandIn):
    """The same at a ten-print scanner: whole hands, and rolled fingers; drawn by the scanner's model itself."""

    def present_finger(self, position: int, attempt: int) -> None:
        laid = {"person": self.person, "position": position, "impression": attempt - 1}
        if position <= FINGERS:
            laid["roll_ms"] = ROLL_MS
        self.platen.send("PUT", f"/platen?{urlencode(laid)}")
