"""The line of growth on costs whose law is known."""

from __future__ import annotations

import numpy as np
import pytest

from bench.growth import fit_growth


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0, 2.0])
def test_a_power_law_is_found_exactly(slope: float) -> None:
    sizes = [1e3, 1e4, 1e5]
    growth = fit_growth(sizes, [3e-4 * size**slope for size in sizes])
    assert growth.slope == pytest.approx(slope, abs=1e-9)
    assert growth.factor == pytest.approx(3e-4)
    assert growth.spread == pytest.approx(0.0, abs=1e-9)
    assert growth.at(1e6) == pytest.approx(3e-4 * 1e6**slope)


def test_noise_of_ten_percent_shows_as_a_spread_of_ten_percent() -> None:
    sizes = np.geomspace(1e3, 1e6, 200)
    noise = np.exp(0.1 * np.random.default_rng(3).standard_normal(200))
    growth = fit_growth(list(sizes), list(sizes * noise))
    assert growth.spread == pytest.approx(0.1, rel=0.15)
    assert growth.slope == pytest.approx(1.0, abs=0.02)
