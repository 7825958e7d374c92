"""Extraction: from an impression to its template, and to its quality, in one pass.

Minutiae are phase residues of a quadrature Gabor response that is steered tile by tile:

    work scale -> normalise -> orientation from gradients -> first response (one period)
               -> period and orientation from its phase gradient -> final response (steered by both)
               -> segment -> residues -> rate -> select

Everything here is pure and deterministic; nothing is learned.
"""

from __future__ import annotations

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
from enrollment.core.fingerprint.reliability import Ratings, depth, facing_distance, rate, reliability, select
from enrollment.core.fingerprint.residues import Residues, find_residues
from enrollment.core.fingerprint.response import assemble, filter_bank, respond
from enrollment.core.fingerprint.segment import segment
from enrollment.core.fingerprint.template import FingerprintTemplate, MinutiaKind
from enrollment.core.fingerprint.tiles import tile_means

Observe = Callable[[str, NDArray[Any]], None]


@dataclass(frozen=True, slots=True, eq=False)
class Examination:
    """What one pass over an impression found."""

    template: FingerprintTemplate
    quality: FingerprintQuality


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


def _find(image: FingerprintImage, parameters: ExtractionParameters, observe: Observe | None) -> _Findings:
    show = _shown(observe)
    p, scale, tile = parameters, parameters.work, parameters.work.tile_work_px

    work = to_work_scale(image, scale)
    show("grey", work.grey)
    normalised = normalise(work.grey, scale, p.normalise)
    show("ridges", normalised.ridges)
    show("active", normalised.active)
    active = normalised.active

    tensor = structure_tensor(normalised.ridges, tile)
    first_orientation = orient(tensor, p.orientation)
    show("first orientation", first_orientation)
    first_period = p.response.first_period_px * float(np.exp(p.frequency.log_bias))
    bank = filter_bank(p.response.first, (first_period,), p.response.first_side_work_px, p.response, scale)
    first = respond(
        normalised.ridges, active, nearest_orientation(first_orientation, p.response.orientations)[active], bank
    )

    flow = measure_flow(first, active, scale, p.frequency, p.response.first_period_px)
    show("period", flow.period_px)
    show("orientation", flow.orientation)
    show("coherence", flow.coherence)
    steering = nearest_orientation(flow.orientation, p.response.orientations)
    kernels = steering * np.int16(len(p.response.periods_px)) + nearest_period(flow.period_px, p.response, p.frequency)
    bank = filter_bank(p.response.final, p.response.periods_px, tile, p.response, scale)
    final = respond(normalised.ridges, active, kernels[active], bank)
    response = assemble(final, active)
    show("response", response)

    power = tile_means(np.square(response.real) + np.square(response.imag), tile)
    ridge_power = tile_means(np.square(normalised.ridges), tile)
    mask = segment(power, ridge_power, flow.coherence, normalised.deviation, normalised.dead, p.segment)
    show("mask", mask)

    residues = find_residues(response, steering, p.response.orientations, flow.orientation, mask)
    show("residues", work.to_canon(residues.x, residues.y))
    deep = depth(mask, residues, scale, beyond=False) > p.reliability.mask_distance_px
    limit = p.reliability.dipole_distance_px * scale.scale
    facing_px = facing_distance(residues, limit, p.reliability.dipole_cosine)[deep] / np.float32(scale.scale)
    rated = residues.where(deep)
    sensed_px = depth(~normalised.dead, rated, scale, beyond=True)
    period_work_px = flow.period_px * np.float32(scale.scale)
    ratings = rate(rated, response, steering, p.response.orientations, period_work_px, p.reliability)
    show("strengths", ratings.strength)
    kept = select(ratings, sensed_px, facing_px, p.reliability)
    return _Findings(work, normalised, tensor, flow, mask, rated, ratings, kept)


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
    )


def extract(image: FingerprintImage, *, observe: Observe | None = None) -> FingerprintTemplate:
    return _template(_find(image, EXTRACTION, observe), EXTRACTION)


def examine(image: FingerprintImage, *, observe: Observe | None = None) -> Examination:
    """Find the minutiae of an impression and judge it, in one pass. Raises ImageTooSmall, ImageTooLarge."""
    found = _find(image, EXTRACTION, observe)
    template = _template(found, EXTRACTION)
    strengths = found.ratings.strength
    quality = judge(
        found.normalised.ridges,
        found.mask,
        found.flow.coherence,
        template.mask_cell_px,
        strengths[found.kept],
        strengths,
    )
    return Examination(template, quality)


def assess(image: FingerprintImage) -> FingerprintQuality:
    """Judge an impression. Raises ImageTooSmall, ImageTooLarge."""
    return examine(image).quality


def _shown(observe: Observe | None) -> Observe:
    if observe is None:
        return lambda name, array: None

    def show(name: str, array: NDArray[Any]) -> None:
        view = array.view()
        view.flags.writeable = False
        observe(name, view)

    return show
