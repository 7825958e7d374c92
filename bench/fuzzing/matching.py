"""Targets: what is kept to be compared later. A gallery's file, the ridges in a record, and templates of any record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from typing import Final

import numpy as np

from bench.fuzzing.records import with_honest_length
from bench.fuzzing.target import Target, require
from enrollment.core.fingerprint import FingerprintTemplate, Gallery, WaveMap, compare
from enrollment.core.records import iso19794_2_2005
from enrollment.core.records.extended_data import ExtendedArea
from enrollment.core.records.reading import read_template
from enrollment.core.records.wave_area import WAVE_AREA_TYPE, wave_areas, waves_among

DIGEST_OCTETS: Final = 32
MINUTIAE: Final = 12
GALLERY_OCTETS: Final = 20_480  # two templates have 18,400, most of it descriptors and room for more minutiae


@cache
def finger(number: int) -> FingerprintTemplate:
    """A finger of no person, with ridges that run straight."""
    rng = np.random.default_rng(number)
    return FingerprintTemplate(
        positions=rng.integers(20, 230, (MINUTIAE, 2)).astype(np.float32),
        directions=rng.uniform(0.0, 6.28, MINUTIAE).astype(np.float32),
        kinds=np.full(MINUTIAE, 1 + number % 2, np.uint8),
        reliabilities=np.linspace(0.9, 0.2, MINUTIAE, dtype=np.float32),
        size=(250, 250),
        waves=WaveMap(np.full((6 + number, 5, 4), (0, 64, 108, 255), np.uint8), (20.0, 20.0), (40.0, 35.0)),
    )


def with_honest_digest(data: bytes) -> bytes:
    """The file with the digest that it should have: it keeps damage out, not whoever writes the file."""
    return data[:-DIGEST_OCTETS] + hashlib.sha256(data[:-DIGEST_OCTETS]).digest()


def gallery_file(data: bytes) -> None:
    octets = with_honest_digest(data)
    gallery = Gallery.from_bytes(octets)
    require(gallery.to_bytes() == octets, "the gallery does not come back")
    require_sound(gallery)
    gallery.add(finger(2), None)
    require_sound(gallery)
    gallery.remove(0)
    require_sound(gallery)


def require_sound(gallery: Gallery) -> None:
    """Whatever it holds, all of it is compared and gives scores that are numbers."""
    for probe in (finger(0), finger(3)):
        scores, promises = gallery.scores(probe), gallery.promises(probe)
        found = gallery.search(probe, kept_share=1.0)
        for values in (scores, promises, found.scores):
            require(values.shape == (len(gallery),), "a template was not compared")
            require(np.isfinite(values).all() and (values >= 0.0).all(), "a score is no number of 0 or more")
    require(len(gallery.ids) == len(gallery), "a template has lost its place for an id")


def gallery_seeds() -> Iterator[bytes]:
    yield Gallery([finger(0)], ["p-1"]).to_bytes()
    yield Gallery([finger(0), finger(1)], ["p-1", None]).to_bytes()
    yield Gallery().to_bytes()


def require_compared(template: FingerprintTemplate) -> None:
    for other in (finger(0), template):
        score = compare(template, other)
        require(np.isfinite(score) and score >= 0.0, "a score is no number of 0 or more")


def wave_area(data: bytes) -> None:
    """An area's content; the ridges that it holds are compared too, under minutiae that fit."""
    area = ExtendedArea(WAVE_AREA_TYPE, data)
    waves = waves_among([area])
    if waves is None:
        return
    require(wave_areas(waves) == (area,), "the ridges do not come back")
    of = finger(0)
    require_compared(FingerprintTemplate(of.positions, of.directions, of.kinds, of.reliabilities, of.size, waves=waves))


def wave_seeds() -> Iterator[bytes]:
    for number in range(2):
        yield wave_areas(finger(number).waves)[0].content


def compared_record(data: bytes) -> None:
    require_compared(read_template(with_honest_length(data)))


def compared_seeds() -> Iterator[bytes]:
    for with_waves in (False, True):
        yield iso19794_2_2005.record_from_template(
            finger(0), position=2, impression=0, quality=80, with_waves=with_waves
        ).encode()


MATCHING_TARGETS: Final = (
    Target("gallery", gallery_file, gallery_seeds, GALLERY_OCTETS),
    Target("wave-area", wave_area, wave_seeds),
    Target("compared-record", compared_record, compared_seeds),
)
