"""Many templates kept ready for one probe to be compared with all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.errors import InvalidInput
from enrollment.core.fingerprint.compare import compare_described
from enrollment.core.fingerprint.described import DescribedTemplates, describe, no_templates
from enrollment.core.fingerprint.filter import outlines, promises
from enrollment.core.fingerprint.gallery_file import Content, pack, unpack
from enrollment.core.fingerprint.matching_parameters import FILTER, MATCHING
from enrollment.core.fingerprint.template import FingerprintTemplate

MOST_ID_BYTES: Final = 255  # of an id in UTF-8
_BUILT_AT_ONCE: Final = 64
_FIRST_CAPACITY: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """The templates that a search compared, best first.

    indices: (K,) intp, into the gallery as it was. scores: (K,) float32, falling.
    """

    indices: NDArray[np.intp]
    scores: NDArray[np.float32]


class Gallery:
    """Described templates in padded arrays; the arrays double when they are full.

    A template has an index, 0 and up in the order of adding, and may have an id of the caller's. Adding and removing
    cost the same however many there are. Removing one gives its index to the last one: keep ids, not indices.

    Each template takes 11 kB, and 0.25 ms to describe (4,000 a second on one thread): a million are 11 GB, and three
    times as much while the arrays double. `Gallery(templates)` of a list knows their number and never grows. One that
    was read from a memory map (40,000 templates a second) keeps 2 kB of each in memory, the rest in the file.

    Several threads may score and search at once; none may while another adds or removes.
    """

    def __init__(self, templates: Iterable[FingerprintTemplate] = (), ids: Iterable[str | None] | None = None) -> None:
        self._size = 0
        self._cells = 0  # cells of waves that are taken, those of removed templates included
        self._ids: list[str | None] = []
        self._indices: dict[str, int] = {}
        self._rows = _allocate(len(templates) if isinstance(templates, (list, tuple)) else 0)
        self._outlines = _allocate_outlines(len(self._rows))
        self.extend(templates, ids)

    def __len__(self) -> int:
        return self._size

    @property
    def ids(self) -> tuple[str | None, ...]:
        """The id of each template, in the order of the indices; None where it has none."""
        return tuple(self._ids)

    def index_of(self, template_id: str) -> int:
        """Find a template by its id. Raises InvalidInput where there is none."""
        try:
            return self._indices[template_id]
        except KeyError:
            raise InvalidInput("no template of that id", templates=self._size) from None

    def add(self, template: FingerprintTemplate, template_id: str | None = None) -> int:
        """Append a template and return its index.

        template_id: up to MOST_ID_BYTES in UTF-8; not that of another template here.
        Raises InvalidInput for an id that is empty, too long or taken; the gallery is then as before.
        """
        self.extend([template], [template_id])
        return self._size - 1

    def extend(self, templates: Iterable[FingerprintTemplate], ids: Iterable[str | None] | None = None) -> None:
        """Append templates, quicker than one by one; ids as for `add`, as many as templates.

        Raises InvalidInput likewise; those before the offending one may then have been added.
        """
        for batch, batch_ids in _batches(templates, ids):
            self._check_new(batch_ids)
            self._append(describe(*batch), batch_ids)

    def remove(self, index: int) -> None:
        """Forget a template; the last one takes its index.

        Raises InvalidInput where there is none of that index.
        """
        if not 0 <= index < self._size:
            raise InvalidInput(f"no template {index} among {self._size}", index=index, templates=self._size)
        if not self._rows.points.flags.writeable:
            self._grow(self._size)
        last = self._size - 1
        gone, moved = self._ids[index], self._ids.pop()
        if gone is not None:
            del self._indices[gone]
        if index != last:
            self._rows.write(index, self._rows.part(last, last + 1))
            self._outlines[index] = self._outlines[last]
            self._ids[index] = moved
            if moved is not None:
                self._indices[moved] = index
        self._size = last

    def scores(self, probe: FingerprintTemplate) -> NDArray[np.float32]:
        """Score the probe against every template, each as `compare(probe, template)` would.

        Returns (G,) float32, >= 0.
        """
        return compare_described(describe(probe), self._rows, np.arange(self._size))

    def promises(self, probe: FingerprintTemplate) -> NDArray[np.float32]:
        """Take the first look alone: (G,) float32, what `search` chooses the templates by that it compares."""
        return self._promises(describe(probe))

    def search(self, probe: FingerprintTemplate, kept_share: float = FILTER.kept_share) -> Ranking:
        """Compare the probe with the share of the templates that promises most, FILTER.least_kept at least.

        kept_share: 0..1. At 0.01, of the mates that would have been accepted at an FMR of 0.1 %, a search among 10,000
        lost 0.7 % (of 2,224 of four public sets): `python -m bench.matching_speed`.
        Raises InvalidInput for a share outside 0..1.
        """
        if not 0.0 <= kept_share <= 1.0:
            raise InvalidInput("the share to keep must be from 0 to 1")
        kept = min(max(FILTER.least_kept, int(np.ceil(kept_share * self._size))), self._size)
        described = describe(probe)
        promised = self._promises(described)
        best = np.argpartition(-promised, kept - 1)[:kept] if kept < self._size else np.arange(self._size)
        scores = compare_described(described, self._rows, best)
        order = np.lexsort((best, -scores))
        return Ranking(best[order], scores[order])

    def to_bytes(self) -> bytes:
        """Write all as one piece; see `gallery_file` for the format."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[memoryview | bytes]:
        """Yield the same bytes piece by piece, most of them views of the gallery: for a file, without a second copy."""
        return pack(Content(self._rows.part(0, self._size), tuple(self._ids)))

    @classmethod
    def from_bytes(cls, content: bytes | memoryview) -> Gallery:
        """Read what `to_bytes` wrote. It works on a memory map too: the templates then stay in the file.

        The arrays are views of the content; the first change to the gallery copies them.
        Raises MalformedRecord for anything else.
        """
        read = unpack(content)
        gallery = cls()
        if len(read.rows):
            gallery._rows, gallery._size = read.rows, len(read.rows)
            gallery._cells = len(read.rows.waves.cells)
            gallery._outlines = _allocate_outlines(gallery._size)
            for start in range(0, gallery._size, _BUILT_AT_ONCE):
                part = gallery._rows.part(start, start + _BUILT_AT_ONCE)
                gallery._outlines[start : start + len(part)] = outlines(part)
        gallery._ids = list(read.ids)
        gallery._indices = {one: index for index, one in enumerate(read.ids) if one is not None}
        return gallery

    def _check_new(self, ids: list[str | None]) -> None:
        named = [one for one in ids if one is not None]
        if not all(0 < _bytes_of(one) <= MOST_ID_BYTES for one in named):
            raise InvalidInput(f"an id has 1 to {MOST_ID_BYTES} bytes in UTF-8", templates=self._size)
        if len(set(named)) < len(named) or not self._indices.keys().isdisjoint(named):
            raise InvalidInput("an id is that of another template", templates=self._size)

    def _append(self, described: DescribedTemplates, ids: list[str | None]) -> None:
        start, stop = self._size, self._size + len(described)
        if stop > len(self._rows):
            self._grow(max(stop, 2 * len(self._rows)))
        self._rows.write(start, described, self._place_cells(described.waves.cells))
        self._outlines[start:stop] = outlines(described)
        self._indices.update((one, start + row) for row, one in enumerate(ids) if one is not None)
        self._ids.extend(ids)
        self._size = stop

    def _place_cells(self, cells: NDArray[np.uint8]) -> int:
        """Copy the cells of waves to behind those that are here, and return where that is."""
        first, kept = self._cells, self._rows.waves
        if first + len(cells) > len(kept.cells):
            kept = kept.select(slice(0, self._size))
            first = kept.taken
            waves = kept.gathered(capacity=2 * first + len(cells))
            self._rows.waves.starts[: self._size] = waves.starts
            self._rows = replace(self._rows, waves=replace(self._rows.waves, cells=waves.cells))
        if len(cells):
            self._rows.waves.cells[first : first + len(cells)] = cells
        self._cells = first + len(cells)
        return first

    def _grow(self, capacity: int) -> None:
        """Move to arrays of at least that many rows."""
        rows, kept = _allocate(capacity), self._rows.part(0, self._size)
        rows = replace(rows, waves=replace(rows.waves, cells=kept.waves.cells))
        rows.write(0, kept)
        larger = _allocate_outlines(len(rows))
        larger[: self._size] = self._outlines[: self._size]
        self._rows, self._outlines = rows, larger

    def _promises(self, probe: DescribedTemplates) -> NDArray[np.float32]:
        """Take the first look at every template: (G,) float32, see `filter.promises`."""
        return promises(probe, self._rows, self._outlines, self._size)


def _batches(
    templates: Iterable[FingerprintTemplate], ids: Iterable[str | None] | None
) -> Iterator[tuple[list[FingerprintTemplate], list[str | None]]]:
    """Cut templates and their ids into batches. Raises InvalidInput where there are not as many of both."""
    coming, names = iter(templates), None if ids is None else iter(ids)
    while batch := list(islice(coming, _BUILT_AT_ONCE)):
        batch_ids: list[str | None] = [None] * len(batch) if names is None else list(islice(names, len(batch)))
        if len(batch_ids) < len(batch):
            raise InvalidInput("there are fewer ids than templates")
        yield batch, batch_ids
    if names is not None and any(True for _ in names):
        raise InvalidInput("there are more ids than templates")


def _bytes_of(template_id: str) -> int:
    """Bytes of an id in UTF-8; 0 where it has none."""
    try:
        return len(template_id.encode())
    except UnicodeEncodeError:
        return 0


def _allocate(capacity: int) -> DescribedTemplates:
    return no_templates(max(capacity, _FIRST_CAPACITY), MATCHING.most_minutiae)


def _allocate_outlines(capacity: int) -> NDArray[np.int8]:
    return np.zeros((capacity, FILTER.gallery_minutiae, FILTER.dimensions), np.int8)
