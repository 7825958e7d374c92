from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from enrollment.core.errors import InvalidInput
from enrollment.core.fingerprint.compare import compare
from enrollment.core.fingerprint.gallery import Gallery
from enrollment.core.fingerprint.matching_parameters import FILTER
from enrollment.core.fingerprint.template import FingerprintTemplate

Impressions = list[list[FingerprintTemplate]]
Laid = Callable[..., FingerprintTemplate]


@pytest.fixture(scope="module")
def mixed(impressions: Impressions, laid: Laid) -> list[FingerprintTemplate]:
    """More templates than the first capacity, of all lengths, empty ones among them."""
    rng = np.random.default_rng(3)
    short = [
        laid(rng.uniform(0, 300, (count, 2)), rng.uniform(0, 6, count)) for count in (*range(0, 60, 3), *range(30, 60))
    ]
    full = [impression for finger in impressions for impression in finger]
    templates = short + full + [laid(rng.uniform(0, 400, (255, 2)))]
    return [templates[number] for number in rng.permutation(len(templates))]


def test_every_score_is_that_of_compare_in_the_order_given(
    mixed: list[FingerprintTemplate], impressions: Impressions
) -> None:
    gallery = Gallery(mixed)
    for probe in (impressions[0][0], impressions[3][2], mixed[0]):
        scores = gallery.scores(probe)
        assert scores.dtype == np.float32
        assert scores.tolist() == [compare(probe, one) for one in mixed]


def test_the_mate_ranks_first(impressions: Impressions) -> None:
    gallery = Gallery(finger[0] for finger in impressions)
    ranks = [int(gallery.scores(finger[1]).argmax()) for finger in impressions]
    assert ranks == list(range(len(impressions)))


def test_templates_added_one_by_one_score_as_if_given(mixed: list[FingerprintTemplate]) -> None:
    gallery = Gallery()
    assert [gallery.add(one) for one in mixed] == list(range(len(mixed)))
    assert len(gallery) == len(mixed)
    assert np.array_equal(gallery.scores(mixed[5]), Gallery(mixed).scores(mixed[5]))


def test_a_removed_template_is_gone_and_the_last_takes_its_index(mixed: list[FingerprintTemplate]) -> None:
    gallery = Gallery(mixed)
    gallery.remove(4)
    rest = [*mixed[:4], mixed[-1], *mixed[5:-1]]
    assert len(gallery) == len(rest)
    assert gallery.scores(mixed[7]) == pytest.approx(Gallery(rest).scores(mixed[7]), rel=1e-3, abs=1e-3)
    gallery.add(mixed[4])
    assert gallery.scores(mixed[4])[-1] == pytest.approx(compare(mixed[4], mixed[4]), rel=1e-3, abs=1e-3)


def test_all_can_be_removed_and_others_added(mixed: list[FingerprintTemplate]) -> None:
    gallery = Gallery(mixed[:20])
    for _ in range(20):
        gallery.remove(0)
    assert len(gallery) == 0
    for one in mixed:
        gallery.add(one)
    assert gallery.scores(mixed[2]) == pytest.approx(Gallery(mixed).scores(mixed[2]), rel=1e-3, abs=1e-3)


def test_ids_stay_with_their_templates(mixed: list[FingerprintTemplate]) -> None:
    gallery = Gallery(mixed[:4], ["a", "b", None, "d"])
    assert gallery.add(mixed[4], "e") == gallery.index_of("e") == 4
    gallery.remove(gallery.index_of("b"))
    assert gallery.ids == ("a", "e", None, "d")
    assert gallery.index_of("e") == 1
    gallery.remove(gallery.index_of("d"))
    gallery.add(mixed[5], "b")
    assert gallery.ids == ("a", "e", None, "b")
    assert int(gallery.scores(mixed[4]).argmax()) == 1
    with pytest.raises(InvalidInput):
        gallery.index_of("d")


@pytest.mark.parametrize("bad", ["", "a", "x" * 256, "\N{LATIN SMALL LETTER E WITH ACUTE}" * 128, "\ud800"])
def test_an_id_that_is_taken_or_cannot_be_stored_is_refused(impressions: Impressions, bad: str) -> None:
    gallery = Gallery(impressions[0][:2], ["a", "b"])
    with pytest.raises(InvalidInput) as refused:
        gallery.add(impressions[1][0], bad)
    assert len(gallery) == 2
    assert gallery.ids == ("a", "b")
    assert not bad or bad not in refused.value.facts.values()


@pytest.mark.parametrize("ids", [["a"], ["a", "b", "c"], ["a", "a"]])
def test_ids_that_are_not_one_each_are_refused(impressions: Impressions, ids: list[str]) -> None:
    with pytest.raises(InvalidInput):
        Gallery(impressions[0][:2], ids)


def test_a_search_ranks_the_mates_first_with_the_scores_of_compare(impressions: Impressions) -> None:
    gallery = Gallery(impression for finger in impressions for impression in finger[1:])
    for number, finger in enumerate(impressions):
        found = gallery.search(finger[0])
        assert set(found.indices[:2].tolist()) == {2 * number, 2 * number + 1}
        assert found.scores[:2] == pytest.approx(
            sorted((compare(finger[0], one) for one in finger[1:]), reverse=True), rel=1e-3
        )
        assert (np.diff(found.scores) <= 0.0).all()


def test_a_search_keeps_the_share_asked_for_but_never_too_few(impressions: Impressions) -> None:
    gallery = Gallery([impression for finger in impressions for impression in finger] * 12)
    assert len(gallery.search(impressions[0][0], kept_share=0.0).indices) == FILTER.least_kept
    assert len(gallery.search(impressions[0][0], kept_share=0.5).indices) == len(gallery) // 2
    everything = gallery.search(impressions[0][0], kept_share=1.0)
    assert sorted(everything.indices.tolist()) == list(range(len(gallery)))


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(impressions: Impressions, share: float) -> None:
    with pytest.raises(InvalidInput):
        Gallery(impressions[0]).search(impressions[0][0], kept_share=share)


def test_a_search_in_nothing_or_for_nothing_finds_nothing(impressions: Impressions, laid: Laid) -> None:
    assert len(Gallery().search(impressions[0][0]).indices) == 0
    assert not Gallery(impressions[0]).search(laid([])).scores.any()


@pytest.mark.parametrize("index", [-1, 2, 99])
def test_removing_what_is_not_there_is_refused(impressions: Impressions, index: int) -> None:
    gallery = Gallery(impressions[0][:2])
    with pytest.raises(InvalidInput) as refused:
        gallery.remove(index)
    assert refused.value.facts == {"index": index, "templates": 2}


def test_an_empty_gallery_has_no_scores(impressions: Impressions) -> None:
    assert Gallery().scores(impressions[0][0]).shape == (0,)


def test_an_empty_probe_scores_zero_everywhere(mixed: list[FingerprintTemplate], laid: Laid) -> None:
    assert not Gallery(mixed).scores(laid([])).any()


def test_empty_templates_alone_score_zero(impressions: Impressions, laid: Laid) -> None:
    assert Gallery([laid([]), laid([[1, 1]])]).scores(impressions[0][0]).tolist() == [0.0, 0.0]


def test_large_prints_whose_best_minutiae_are_not_shared_are_compared_all_the_same(
    impressions: Impressions, laid: Laid
) -> None:
    """As a slap and a rolled print: what they share is not what the first look takes of either."""
    rng = np.random.default_rng(5)

    def enlarged(shared: FingerprintTemplate) -> FingerprintTemplate:
        own = laid(rng.uniform((500, 0), (900, 500), (35, 2)), rng.uniform(0, 6, 35))
        return FingerprintTemplate(
            positions=np.concatenate([own.positions, shared.positions[:25]]),
            directions=np.concatenate([own.directions, shared.directions[:25]]),
            kinds=np.concatenate([own.kinds, shared.kinds[:25]]),
            reliabilities=np.concatenate([np.full(35, 0.9), np.full(25, 0.5)]).astype(np.float32),
            size=(1000, 600),
        )

    slap, rolled = (enlarged(shared) for shared in impressions[0][:2])
    gallery = Gallery([rolled])
    assert gallery.promises(slap)[0] < 0.2
    assert gallery.scores(slap)[0] == pytest.approx(compare(slap, rolled), rel=1e-3)
    assert gallery.scores(slap)[0] > 0.0
