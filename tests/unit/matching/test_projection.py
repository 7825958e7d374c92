from __future__ import annotations

import hashlib
from importlib import resources

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.learn_projection import cylinders_of, learn, toy_cylinders
from bench.toy_templates import draw_finger, draw_impression
from enrollment.core.fingerprint.compiled.cylinders import CYLINDER_SIZE, project, shorten
from enrollment.core.fingerprint.described import describe
from enrollment.core.fingerprint.matching_parameters import MATCHING
from enrollment.core.fingerprint.projection import DIMENSIONS, RESOURCE, RESOURCE_SHA256, stored_projection


def test_the_stored_projection_is_the_documented_file() -> None:
    content = resources.files("enrollment.core.fingerprint").joinpath(RESOURCE).read_bytes()
    assert hashlib.sha256(content).hexdigest() == RESOURCE_SHA256
    mean, weights = stored_projection()
    assert mean.shape == (CYLINDER_SIZE,)
    assert weights.shape == (DIMENSIONS, CYLINDER_SIZE)
    assert np.isfinite(weights).all()
    assert 0.0 < mean.min() < mean.max() < 0.5


def test_the_generator_makes_the_stored_projection() -> None:
    mean, weights = stored_projection()
    learned = learn().astype(np.float32)
    # not to the last bit: another linear algebra library may round otherwise
    assert np.allclose(learned[0], mean, atol=1e-3)
    assert np.allclose(learned[1:], weights, atol=1e-2)


def projected(values: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Project cylinders: (N, CYLINDER_SIZE) each to (N, DIMENSIONS)."""
    mean, weights = stored_projection()
    short, vector = np.empty((len(values), DIMENSIONS), np.int8), np.empty(DIMENSIONS, np.float32)
    for row, one in enumerate((values - mean) * known):
        project(one, weights, vector)
        shorten(vector, short[row])
    return short


def test_projected_mates_are_more_alike_than_strangers() -> None:
    values, known, names = toy_cylinders(fingers=12, seed=99)
    vectors = projected(values, known).astype(np.float32) / MATCHING.descriptor_scale
    alike = vectors @ vectors.T
    real = names >= 0
    mates = (names[:, None] == names) & real[:, None] & ~np.eye(len(names), dtype=bool)
    strangers = names[:, None] // 1000 != names // 1000
    assert np.median(alike[mates]) > np.quantile(alike[strangers & real[:, None] & real], 0.97)


def test_what_is_projected_is_the_product_with_the_stored_weights() -> None:
    _, weights = stored_projection()
    values = np.random.default_rng(2).normal(0, 0.3, CYLINDER_SIZE).astype(np.float32)
    vector = np.empty(DIMENSIONS, np.float32)
    project(values, weights, vector)
    assert vector == pytest.approx(weights @ values, rel=1e-4, abs=1e-4)


def test_descriptors_are_the_projected_cylinders() -> None:
    template = draw_impression(draw_finger(np.random.default_rng(7)), np.random.default_rng(8)).template
    described = describe(template)
    count = described.counts[0]
    directions = np.arctan2(described.headings[1, 0], described.headings[0, 0])[:count]
    values, known = cylinders_of(described.points[:, 0, :count].copy(), directions)
    expected = projected(values, np.repeat(known, CYLINDER_SIZE // known.shape[1], axis=1))
    apart = np.abs(described.descriptors[0, :count].astype(int) - expected)
    assert apart.max() <= 2  # the directions went through their cosines


def test_vectors_have_unit_length_within_rounding() -> None:
    values, known, _ = toy_cylinders(fingers=2, seed=4)
    vectors = projected(values, known).astype(np.float64) / MATCHING.descriptor_scale
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=0.02)


def test_a_cylinder_with_nothing_known_is_like_no_other() -> None:
    values = np.random.default_rng(6).random((1, CYLINDER_SIZE), np.float32)
    assert not projected(values, np.zeros((1, CYLINDER_SIZE), bool)).any()
