from __future__ import annotations

import hashlib
from importlib import resources

import numpy as np
import pytest

from bench.learn_projection import learn, toy_cylinders
from enrollment.core.fingerprint.cylinders import CELL_COUNT, CYLINDER_SIZE
from enrollment.core.fingerprint.matching_parameters import CYLINDER, MATCHING
from enrollment.core.fingerprint.projection import (
    DIMENSIONS,
    RESOURCE,
    RESOURCE_SHA256,
    project,
    stored_projection,
)


def test_the_stored_projection_is_the_documented_file() -> None:
    content = resources.files("enrollment.core.fingerprint").joinpath(RESOURCE).read_bytes()
    assert hashlib.sha256(content).hexdigest() == RESOURCE_SHA256
    mean, weights = stored_projection()
    assert mean.shape == (CYLINDER_SIZE,)
    assert weights.shape == (CYLINDER_SIZE, DIMENSIONS)
    assert np.isfinite(weights).all()
    assert 0.0 < mean.min() < mean.max() < 0.5


def test_the_generator_makes_the_stored_projection() -> None:
    mean, weights = stored_projection()
    learned = learn().astype(np.float32)
    # not to the last bit: another linear algebra library may round otherwise
    assert np.allclose(learned[0], mean, atol=1e-3)
    assert np.allclose(learned[1:].T, weights, atol=1e-2)


def test_projected_mates_are_more_alike_than_strangers() -> None:
    values, known, names = toy_cylinders(fingers=12, seed=99)
    vectors = project(values, known[:, :: CYLINDER.slots]).astype(np.float32) / MATCHING.descriptor_scale
    alike = vectors @ vectors.T
    real = names >= 0
    mates = (names[:, None] == names) & real[:, None] & ~np.eye(len(names), dtype=bool)
    strangers = names[:, None] // 1000 != names // 1000
    assert np.median(alike[mates]) > np.quantile(alike[strangers & real[:, None] & real], 0.97)


def test_unknown_cells_count_as_the_mean_whatever_they_hold() -> None:
    rng = np.random.default_rng(2)
    values = rng.random((4, CYLINDER_SIZE), np.float32)
    known = rng.random((4, CELL_COUNT)) < 0.7
    mean, _ = stored_projection()
    unknown = np.repeat(~known, CYLINDER.slots, axis=1)
    imputed = np.where(unknown, mean, values)
    assert np.array_equal(project(values, known), project(imputed, np.ones_like(known)))
    assert np.array_equal(project(values, known), project(np.where(unknown, np.float32(1), values), known))


def test_vectors_have_unit_length_within_rounding() -> None:
    values, known, _ = toy_cylinders(fingers=2, seed=4)
    vectors = project(values, known[:, :: CYLINDER.slots]).astype(np.float64) / MATCHING.descriptor_scale
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=0.02)


def test_a_cylinder_with_nothing_known_is_like_no_other() -> None:
    values = np.random.default_rng(6).random((1, CYLINDER_SIZE), np.float32)
    assert not project(values, np.zeros((1, CELL_COUNT), bool)).any()
