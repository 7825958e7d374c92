from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from enrollment.core.errors import InvalidInput
from enrollment.core.fingerprint.compare import compare
from enrollment.core.fingerprint.gallery import CHUNK, Gallery
from enrollment.core.fingerprint.template import FingerprintTemplate

Impressions = list[list[FingerprintTemplate]]
Laid = Callable[..., FingerprintTemplate]


@pytest.fixture(scope="module")
def mixed(impressions: Impressions, laid: Laid) -> list[FingerprintTemplate]:
    """More templates than a chunk and than the first capacity, of all lengths, empty ones among them."""
    rng = np.random.default_rng(3)
    short = [laid(rng.uniform(0, 300, (count, 2)), rng.uniform(0, 6, count)) for count in range(0, 60, 3)]
    full = [impression for finger in impressions for impression in finger]
    templates = short + full + [laid(rng.uniform(0, 400, (255, 2)))]
    assert len(templates) > CHUNK
    return [templates[number] for number in rng.permutation(len(templates))]


def test_every_score_is_that_of_compare_in_the_order_given(
    mixed: list[FingerprintTemplate], impressions: Impressions
) -> None:
    gallery = Gallery(mixed)
    for probe in (impressions[0][0], impressions[3][2], mixed[0]):
        scores = gallery.scores(probe)
        assert scores.dtype == np.float32
        assert scores == pytest.approx([compare(probe, one) for one in mixed], rel=1e-3, abs=1e-3)


def test_the_mate_ranks_first(impressions: Impressions) -> None:
    gallery = Gallery(finger[0] for finger in impressions)
    ranks = [int(gallery.scores(finger[1]).argmax()) for finger in impressions]
    assert ranks == list(range(len(impressions)))


def test_templates_added_one_by_one_score_as_if_given(mixed: list[FingerprintTemplate]) -> None:
    gallery = Gallery()
    assert [gallery.add(one) for one in mixed] == list(range(len(mixed)))
    assert len(gallery) == len(mixed)
    assert np.array_equal(gallery.scores(mixed[5]), Gallery(mixed).scores(mixed[5]))


def test_a_removed_template_is_gone_and_the_others_move_up(mixed: list[FingerprintTemplate]) -> None:
    gallery = Gallery(mixed)
    gallery.remove(4)
    rest = mixed[:4] + mixed[5:]
    assert len(gallery) == len(rest)
    assert gallery.scores(mixed[7]) == pytest.approx(Gallery(rest).scores(mixed[7]), rel=1e-3, abs=1e-3)
    gallery.add(mixed[4])
    assert gallery.scores(mixed[7])[-1] == pytest.approx(compare(mixed[7], mixed[4]), rel=1e-3, abs=1e-3)


def test_all_can_be_removed_and_others_added(mixed: list[FingerprintTemplate]) -> None:
    gallery = Gallery(mixed[:20])
    for _ in range(20):
        gallery.remove(0)
    assert len(gallery) == 0
    for one in mixed:
        gallery.add(one)
    assert gallery.scores(mixed[2]) == pytest.approx(Gallery(mixed).scores(mixed[2]), rel=1e-3, abs=1e-3)


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
