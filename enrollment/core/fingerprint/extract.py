"""Extraction: from an impression to its template, and to its quality, in one pass.

Minutiae are phase residues of a quadrature Gabor response that is steered tile by tile:

    work scale -> normalise -> orientation from gradients -> first response (one period)
               -> period and orientation from its phase gradient -> final response (steered by both)
               -> segment -> residues -> rate -> select

Everything here is pure and deterministic; nothing is learned.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.frequency import RidgeFlow, measure_flow, nearest_orientation, nearest_period
from enrollment.core.fingerprint.image import FingerprintImage
from enrollment.core.fingerprint.normalise import NormalisedImage, WorkImage, normalise, to_work_scale
from enrollment.core.fingerprint.orientation import StructureTensor, orient, structure_tensor
from enrollment.core.fingerprint.parameters import EXTRACTION, ExtractionParameters
from enrollment.core.fingerprint.quality import FingerprintQuality, judge
from enrollment.core.fingerprint.quality_measures import Evidence
from enrollment.core.fingerprint.quality_parameters import QUALITY
from enrollment.core.fingerprint.reliability import Ratings, depth, facing_distance, rate, reliability, select
from enrollment.core.fingerprint.residues import Residues, find_residues
from enrollment.core.fingerprint.response import assemble, filter_bank, respond
from enrollment.core.fingerprint.segment import segment
from enrollment.core.fingerprint.template import FingerprintTemplate, MinutiaKind
from enrollment.core.fingerprint.tiles import FloatArray, tile_means
from enrollment.core.fingerprint.wave_map import WaveMap
from enrollment.core.fingerprint.waves import map_waves

Observe = Callable[[str, NDArray[Any]], None]


@dataclass(frozen=True, slots=True, eq=False)
class Examination:
    """What one pass over an impression found."""

    template: FingerprintTemplate
    quality: FingerprintQuality


def extract(image: FingerprintImage, *, observe: Observe | None = None) -> FingerprintTemplate:
    """Find the minutiae of an impression.

    observe: called with name and array of each stage as it is done; the arrays are read-only and not copied.
    An impression without ridges gives an empty template whose mask is False everywhere: `examine` says NOTHING_THERE.
    Raises ImageTooSmall by the size at 500 ppi.
    """
    return _template(_find(image, EXTRACTION, observe), EXTRACTION)


def assess(image: FingerprintImage) -> FingerprintQuality:
    """Judge an impression. Raises as `extract` does."""
    return examine(image).quality


def examine(image: FingerprintImage, *, observe: Observe | None = None) -> Examination:
    """Find the minutiae of an impression and judge it, in one pass. `observe` and errors as for `extract`."""
    found = _find(image, EXTRACTION, observe)
    template = _template(found, EXTRACTION)
    return Examination(template, _quality(found, template, observe))


@dataclass(frozen=True, slots=True, eq=False)
class _Findings:
    """The stages' results that template and quality are made of; `rated` holds the residues well inside the mask."""

    work: WorkImage
    normalised: NormalisedImage
    tensor: StructureTensor
    flow: RidgeFlow
    mask: NDArray[np.bool_]
    rated: Residues
    ratings: Ratings
    kept: NDArray[np.intp]
    waves: WaveMap | None


def _find(image: FingerprintImage, p: ExtractionParameters, observe: Observe | None) -> _Findings:
    show = _shown(observe)
    work = to_work_scale(image, p.work)
    show("grey", work.grey)
    normalised = normalise(work.grey, p.work, p.normalise)
    show("ridges", normalised.ridges)
    show("active", normalised.active)

    tensor = structure_tensor(normalised.ridges, p.work.tile_work_px)
    gradient_orientation = orient(tensor, p.orientation)
    show("gradient orientation", gradient_orientation)
    first = _first_response(normalised, gradient_orientation, p)
    flow = measure_flow(first, normalised.active, p.work, p.frequency, p.response.first_period_px)
    show("period", flow.period_px)
    show("orientation", flow.orientation)
    show("coherence", flow.coherence)
    steering = nearest_orientation(flow.orientation, p.response.orientations)
    response = _final_response(normalised, steering, flow.period_px, p)
    show("response", response)

    mask = _finger(normalised, flow, response, p)
    show("mask", mask)
    residues = find_residues(response, steering, p.response.orientations, flow.orientation, mask)
    show("residues", work.to_canon(residues.x, residues.y))
    deep = depth(mask, residues, p.work, beyond=False) > p.reliability.mask_distance_px
    rated = residues.where(deep)
    period_work_px = flow.period_px * np.float32(p.work.scale)
    ratings = rate(rated, response, steering, p.response.orientations, period_work_px, p.reliability)
    show("strengths", ratings.strength)
    sensed_px = depth(~normalised.dead, rated, p.work, beyond=True)
    facing_px = facing_distance(residues, p.work, p.reliability)[deep]
    kept = select(ratings, sensed_px, facing_px, p.reliability)
    waves = map_waves(response, steering, p.response.orientations, flow, mask, work.canon_scale, p.wave_map)
    return _Findings(work, normalised, tensor, flow, mask, rated, ratings, kept, waves)


def _first_response(
    normalised: NormalisedImage, orientation: FloatArray, p: ExtractionParameters
) -> NDArray[np.complex64]:
    """Filter the middle of each active tile at one period, along the gradients' orientation."""
    period = p.response.first_period_px * math.exp(p.frequency.log_bias)
    bank = filter_bank(p.response.first, (period,), p.response.first_side_work_px, p.response, p.work)
    kernels = nearest_orientation(orientation, p.response.orientations)
    return respond(normalised.ridges, normalised.active, kernels[normalised.active], bank)


def _final_response(
    normalised: NormalisedImage, steering: NDArray[np.int16], period_px: FloatArray, p: ExtractionParameters
) -> NDArray[np.complex64]:
    """Filter the normalised image again (not the first answer), steered by measured orientation and period."""
    bank = filter_bank(p.response.final, p.response.periods_px, p.work.tile_work_px, p.response, p.work)
    kernels = steering * np.int16(len(p.response.periods_px)) + nearest_period(period_px, p.response, p.frequency)
    answers = respond(normalised.ridges, normalised.active, kernels[normalised.active], bank)
    return assemble(answers, normalised.active)


def _finger(
    normalised: NormalisedImage, flow: RidgeFlow, response: NDArray[np.complex64], p: ExtractionParameters
) -> NDArray[np.bool_]:
    """Find the tiles of the finger."""
    power = tile_means(np.square(response.real) + np.square(response.imag), p.work.tile_work_px)
    ridge_power = tile_means(np.square(normalised.ridges), p.work.tile_work_px)
    dead, relief = normalised.dead, normalised.relief
    return segment(power, ridge_power, flow.coherence, normalised.deviation, dead, relief, p.segment)


def _template(found: _Findings, p: ExtractionParameters) -> FingerprintTemplate:
    kept, rated, ratings = found.kept, found.rated, found.ratings
    turn = np.float32(2.0 * np.pi)
    directions = np.mod(rated.directions[kept], turn)
    kinds = np.where(ratings.bright_ahead[kept], MinutiaKind.BIFURCATION, MinutiaKind.ENDING)
    return FingerprintTemplate(
        positions=found.work.to_canon(rated.x[kept], rated.y[kept]),
        directions=np.where(directions < turn, directions, np.float32(0.0)),  # a tiny negative angle rounds up to 2 pi
        kinds=kinds.astype(np.uint8),
        reliabilities=reliability(ratings.strength[kept], p.reliability),
        size=found.work.size,
        mask=found.mask,
        mask_cell_px=p.work.tile_work_px * sum(found.work.canon_scale) / 2.0,
        waves=found.waves,
    )


def _quality(found: _Findings, template: FingerprintTemplate, observe: Observe | None) -> FingerprintQuality:
    strengths = found.ratings.strength
    evidence = Evidence(
        grey=found.work.grey,
        ridges=found.normalised.ridges,
        tensor=found.tensor,
        deviation=found.normalised.deviation,
        coherence=found.flow.coherence,
        template=template,
        kept_strengths=strengths[found.kept],
        all_strengths=strengths,
    )
    return judge(evidence, QUALITY, _shown(observe))


def _shown(observe: Observe | None) -> Observe:
    """Show stages as views that cannot be written."""
    if observe is None:
        return lambda name, array: None

    def show(name: str, array: NDArray[Any]) -> None:
        view = array.view()
        view.flags.writeable = False
        observe(name, view)

    return show
