"""One to many: summaries of searches that are made up, the filter's seam, and a small run of the whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from bench.gallery_search import Found, filter_time, search
from bench.identify import main, sizes_up_to
from bench.identify_results import SizeResult, line_of, steadied, summarise
from bench.synthetic_subjects import enrolled, probe
from enrollment.core.fingerprint import FingerprintTemplate, Gallery


class AllGallery:
    """A gallery that has no filter."""

    def __init__(self, gallery: Gallery) -> None:
        self.gallery = gallery

    def __len__(self) -> int:
        return len(self.gallery)

    def scores(self, probe: FingerprintTemplate) -> NDArray[np.float32]:
        return self.gallery.scores(probe)


class RankedGallery(AllGallery):
    """A gallery whose first filter is the full comparison itself: what it keeps is known without it."""

    def promises(self, probe: FingerprintTemplate) -> NDArray[np.float32]:
        return self.scores(probe)

    def search(self, probe: FingerprintTemplate, kept_share: float) -> Kept:
        scores = self.promises(probe)
        best = np.argsort(-scores)[: max(1, round(kept_share * len(scores)))]
        return Kept(best, scores[best])


@dataclass(frozen=True)
class Kept:
    indices: NDArray[np.intp]
    scores: NDArray[np.float32]


def test_every_subject_is_a_finger_of_its_own_and_drawn_again_the_same() -> None:
    assert np.array_equal(enrolled(7).positions, enrolled(7).positions)
    assert not np.array_equal(enrolled(7).positions[:3], enrolled(8).positions[:3])
    assert not np.array_equal(enrolled(7).positions[:3], probe(7).positions[:3])
    shares = [len(probe(subject)) / len(enrolled(subject)) for subject in range(40)]
    assert 0.5 < np.mean(shares) < 0.8  # of partial prints


def test_probes_find_their_mates_among_strangers() -> None:
    gallery = Gallery(enrolled(subject) for subject in range(40))
    result = summarise(40, [search(gallery, probe(subject), 0.5) for subject in range(5)], None, 1.0)
    assert result.rank1_rate >= 0.8
    assert result.kept_rate >= result.hit_rate


def test_a_gallery_with_a_filter_compares_only_what_it_keeps() -> None:
    gallery = Gallery(enrolled(subject) for subject in range(40))
    found = search(RankedGallery(gallery), probe(3), 0.1)
    everything = gallery.scores(probe(3))
    assert found.rows.tolist() == np.argsort(-everything)[:4].tolist()
    assert found.scores.tolist() == everything[found.rows].tolist()
    assert filter_time(RankedGallery(gallery), probe(3)) is not None


def test_a_gallery_without_a_filter_compares_all() -> None:
    gallery = AllGallery(Gallery(enrolled(subject) for subject in range(10)))
    assert search(gallery, probe(3), 0.1).rows.tolist() == list(range(10))
    assert filter_time(gallery, probe(3)) is None


def test_searches_are_counted_by_what_became_of_the_mate() -> None:
    def found(rows: list[int], scores: list[float]) -> Found:
        return Found(np.array(rows, np.intp), np.array(scores, np.float32), 2.0)

    searches = [
        found([0, 5], [9.0, 1.0]),  # first, and a hit
        found([1, 5], [2.0, 1.0]),  # first, below the threshold
        found([2, 5], [4.0, 6.0]),  # a hit, behind a stranger who is one as well
        found([4, 5], [0.5, 1.0]),  # not kept
    ]
    result = summarise(100, searches, 0.5, 0.1)
    assert (result.rank1_rate, result.kept_rate, result.hit_rate, result.false_hit_rate) == (0.5, 0.75, 0.5, 0.25)
    assert (result.search_s, result.filter_per_s, result.kept) == (2.0, 200.0, 2)
    assert result.highest_stranger == 6.0


def test_sizes_rise_to_the_largest() -> None:
    assert sizes_up_to(20_000) == [1_000, 3_000, 10_000, 20_000]
    assert sizes_up_to(3_000) == [1_000, 3_000]
    assert sizes_up_to(1_000_000)[-2:] == [300_000, 1_000_000]


def result(subjects: int, seconds: float, reference_s: float = 0.1) -> SizeResult:
    return SizeResult(subjects, seconds, None, subjects, 1.0, 1.0, 1.0, 0.0, 0.0, reference_s)


def test_a_machine_that_was_slower_at_one_size_does_not_bend_the_line() -> None:
    measured = [result(10_000, 1.0), result(100_000, 20.0, reference_s=0.2)]
    assert steadied(measured) == pytest.approx([1.0, 10.0])
    assert line_of(measured)[1].slope == pytest.approx(1.0)


def test_the_line_leaves_out_the_small_galleries_where_there_are_large_ones() -> None:
    measured = [result(1_000, 0.1), result(10_000, 0.2), result(100_000, 2.0)]
    line_from, growth = line_of(measured)
    assert line_from == 10_000
    assert growth.slope == pytest.approx(1.0)
    assert line_of(measured[:2])[0] == 1_000


def test_the_bench_grows_a_gallery_and_fits_its_line(tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["--gallery", "1500", "--probes", "2", "--out", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    report = json.loads((tmp_path / "identify.json").read_text())
    assert [one["subjects"] for one in report["sizes"]] == [1000, 1500]
    assert report["builds"][-1]["distinct"] == 1500
    assert report["growth"]["factor"] > 0.0
    assert report["sizes"][-1]["rank1_rate"] >= 0.5
    assert (tmp_path / "identify.png").read_bytes().startswith(b"\x89PNG")
