"""Every tuned number of extraction, with its unit, its range and where it comes from.

Lengths are pixels at 500 ppi unless a name says work px (the resolution that extraction works at), tiles or periods.
"Study" marks a number of the measured recipe that this extractor follows; "here" one that was measured again with this
code, on four public sets together with the matcher. A range is what was tried and measured alike, or what was tried and
measured worse: it is not enforced.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class WorkParameters:
    """The scale that extraction works at."""

    resolution_ppi: float = 375.0  # 250..500; here: 250 costs half a point of EER; study: 500 gains nothing
    tile_work_px: int = 5  # 4..6, side of a tile: 6.7 px at 500 ppi
    least_side_px: float = 64.0  # a smaller image holds no fingerprint

    @property
    def scale(self) -> float:
        """Work px in a pixel at 500 ppi."""
        return self.resolution_ppi / 500.0

    @property
    def tile_px(self) -> float:
        """Side of a tile, pixels at 500 ppi."""
        return self.tile_work_px / self.scale


@dataclass(frozen=True, slots=True)
class NormaliseParameters:
    """Local mean and deviation."""

    radius_px: float = 18.0  # 10..18, study: half side of the window, two ridges each way
    deviation_floor: float = 4.0  # grey levels added to the deviation, study: keeps flat ground flat
    clip: float = 3.0  # deviations, study
    dead_variance: float = 4.0  # grey levels squared within a tile, study: below it nothing was sensed
    dead_opening_tiles: int = 3  # study: smaller even specks are part of a ridge
    active_share: float = 0.1  # study: of the deviation at the percentile below
    active_percentile: float = 90.0  # study
    active_cap: float = 40.0  # grey levels, study: a scratch must not set the scale


@dataclass(frozen=True, slots=True)
class OrientationParameters:
    """First orientation, from gradients."""

    sigmas_tiles: tuple[float, ...] = (1.5, 3.0)  # study: a fine and a coarse average, each weighed by its coherence


@dataclass(frozen=True, slots=True)
class FilterParameters:
    """The Gaussian window of one pass of the quadrature filter."""

    across_sigma_px: float  # along the wave vector
    along_sigma_px: float  # along the ridge; from 6 on recall collapses, study


@dataclass(frozen=True, slots=True)
class ResponseParameters:
    """The bank of quadrature filters."""

    orientations: int = 16  # over half a turn; study: 12 cost 0.5 points of EER
    periods_px: tuple[float, ...] = (5.0, 5.6, 6.3, 7.1, 8.0, 9.0, 10.1, 11.4, 12.8)  # study: no gaps
    reach_sigmas: float = 1.9  # study: half side of a kernel, in its larger sigma
    reach_less_work_px: float = 0.3  # study: taken off before rounding up
    first_period_px: float = 8.0  # study: of every tile in the first pass, before the bias
    first_side_work_px: int = 3  # 3..5, here: pixels a side that the first pass looks at in the middle of a tile
    first: FilterParameters = field(default=FilterParameters(across_sigma_px=4.0, along_sigma_px=5.0))  # study
    final: FilterParameters = field(default=FilterParameters(across_sigma_px=3.0, along_sigma_px=3.5))  # study


@dataclass(frozen=True, slots=True)
class FrequencyParameters:
    """Period and orientation from the phase gradient of the first pass."""

    shortest_px: float = 4.4  # study: other periods are no ridges
    longest_px: float = 18.0  # study
    period_sigma_tiles: float = 2.0  # study
    orientation_sigma_tiles: float = 1.5  # study
    log_bias: float = -0.09  # -0.12..-0.06, study, here: a filter tuned a little short parts the ridges better
    log_slope: float = 0.15  # 0..0.3, here: gives back the spread about 8 px that the first filter takes away


@dataclass(frozen=True, slots=True)
class SegmentParameters:
    """Where there are ridges."""

    sigma_tiles: float = 1.5  # study
    energy_floor: float = 0.05  # study: of the normalised image, deviations squared
    least_ridgeness: float = 0.08  # study: share of explained energy times coherence of the phase gradient
    least_contrast: float = 0.2  # 0.1..0.2, here: of the contrast at the percentile below; 0.1 lets a sensor's rim in
    contrast_percentile: float = 85.0  # study
    least_relief: float = 0.15  # 0.15..0.25, here: of the relief at that percentile; from 0.35 on dry prints are lost
    relief_cap: float = 40.0  # grey levels: as active_cap
    least_rough_share: float = 0.4  # 0.4..0.5, here: of the tiles near by, at an edge .27; at a print's outline half
    opening_tiles: int = 5  # study
    closing_tiles: int = 7  # study
    least_area_tiles: int = 40  # study: of a component, and of a hole that stays open
    least_area_share: float = 0.15  # study: of the largest component


@dataclass(frozen=True, slots=True)
class ReliabilityParameters:
    """The vortex matched filter, and which residues are kept as minutiae."""

    rings_periods: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0)  # here: misses a tenth fewer than the study's .5, 1, 1.6
    amplitude_ring: int = 1  # study: index of the ring whose amplitude counts
    samples_a_ring: int = 12  # study
    mask_distance_px: float = 6.0  # 3..9, study: the rim of the finger invents minutiae
    dead_distance_px: float = 5.0  # study
    least_vortex: float = 0.35  # 0.3..0.4, study, here
    dipole_distance_px: float = 4.0  # 2.5..6, study: two that face each other nearer than this are one break
    dipole_cosine: float = -0.3  # study
    least_strength: float = 0.25  # 0.2..0.4, here: recall first, the square of the strength weighs down the weak
    full_strength: float = 1.2  # here: strength of a perfect minutia, whose reliability is 1
    most: int = 60  # study: more only cost time


@dataclass(frozen=True, slots=True)
class WaveMapParameters:
    """The wave of each cell, for laying prints over each other."""

    tiles_a_cell: int = 2  # 1..2, here: a side; 3 costs half of what the map gains
    full_amplitude: float = 1.5  # deviations: a wave of this amplitude or more has the weight 1
    least_weight: float = 0.05  # below it there is no wave


@dataclass(frozen=True, slots=True)
class ExtractionParameters:
    """All stages together."""

    work: WorkParameters = field(default_factory=WorkParameters)
    normalise: NormaliseParameters = field(default_factory=NormaliseParameters)
    orientation: OrientationParameters = field(default_factory=OrientationParameters)
    response: ResponseParameters = field(default_factory=ResponseParameters)
    frequency: FrequencyParameters = field(default_factory=FrequencyParameters)
    segment: SegmentParameters = field(default_factory=SegmentParameters)
    reliability: ReliabilityParameters = field(default_factory=ReliabilityParameters)
    wave_map: WaveMapParameters = field(default_factory=WaveMapParameters)


EXTRACTION = ExtractionParameters()
