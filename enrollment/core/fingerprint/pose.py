"""The rigid motion that carries the probe onto a gallery template."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.candidates import Placed
from enrollment.core.fingerprint.described import DescribedTemplates
from enrollment.core.fingerprint.matching_parameters import MATCHING
from enrollment.core.fingerprint.misfit import MOST_MISFIT, Pairing, our_terms, pair_up

_LEAST_WEIGHT: Final = 1e-12  # of a hypothesis that nothing supports
_LEAST_SPREAD: Final = 1e-3  # square pixels: pairs closer together than this fix no rotation


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Rotations about the origin followed by shifts; all four of one shape, float32.

    cos, sin: of the angle. east, south: pixels.
    """

    cos: NDArray[np.float32]
    sin: NDArray[np.float32]
    east: NDArray[np.float32]
    south: NDArray[np.float32]

    def turn(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rotate (2, N) vectors by each motion: (2, ..., N)."""
        x, y = vectors
        cos, sin = self.cos[..., None], self.sin[..., None]
        turned = np.empty((2, *cos.shape[:-1], x.shape[-1]), np.float32)
        np.subtract(cos * x, sin * y, out=turned[0])
        np.add(sin * x, cos * y, out=turned[1])
        return turned

    def move(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rotate and shift (2, N) points by each motion: (2, ..., N)."""
        moved = self.turn(points)
        moved[0] += self.east[..., None]
        moved[1] += self.south[..., None]
        return moved

    def undo(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Carry (2, C, M) points back through C motions: (2, C, M)."""
        cos, sin = self.cos[:, None], self.sin[:, None]
        x, y = points[0] - self.east[:, None], points[1] - self.south[:, None]
        back = np.empty((2, *x.shape), np.float32)
        np.add(cos * x, sin * y, out=back[0])
        np.subtract(cos * y, sin * x, out=back[1])
        return back

    def select(self, rows: NDArray[np.intp] | tuple[NDArray[np.intp], NDArray[np.intp]]) -> Motion:
        """Copy some of the motions, by an index of their arrays."""
        return Motion(self.cos[rows], self.sin[rows], self.east[rows], self.south[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Rigid:
    """A probe of N minutiae moved rigidly onto gallery templates, in C poses.

    points, headings: (2, C, N) float32. pairing: with the gallery's minutiae, at MATCHING.pose_tolerance_px.
    """

    points: NDArray[np.float32]
    headings: NDArray[np.float32]
    pairing: Pairing

    def select(self, rows: NDArray[np.intp]) -> Rigid:
        """Copy those of some gallery templates."""
        return Rigid(self.points[:, rows], self.headings[:, rows], self.pairing.select(rows))


def move_rigidly(
    probe: DescribedTemplates, terms: NDArray[np.float32], motions: Motion, rows: NDArray[np.intp]
) -> Rigid:
    """Move the probe by H motions; terms: (H, 6, M) of `misfit.their_terms`, of the templates in `rows`."""
    points, headings = motions.move(probe.points[:, 0]), motions.turn(probe.headings[:, 0])
    return Rigid(points, headings, pair_up(our_terms(points, headings, MATCHING.pose_tolerance_px), terms, rows))


def fit_motions(
    weights: NDArray[np.float32],
    ours: NDArray[np.float32],
    theirs: NDArray[np.float32],
    fallback: NDArray[np.float32],
) -> Motion:
    """Fit rigid motions to weighted point pairs by least squares.

    weights: (C, R, K) float32, >= 0, one row a motion. ours, theirs: (2, C, K) float32, pixels.
    fallback: (2, C, R) float32, cosine and sine to take where the points do not fix a rotation.
    Returns motions of shape (C, R).
    """
    ax, ay = ours
    bx, by = theirs
    terms = np.concatenate([np.ones_like(ax), ax, ay, bx, by, ax * bx + ay * by, ax * by - ay * bx])
    sums = (weights @ terms.reshape(-1, *ax.shape).transpose(1, 2, 0)).transpose(2, 0, 1)
    mean_ax, mean_ay, mean_bx, mean_by, dot, cross = sums[1:] / np.maximum(sums[0], _LEAST_WEIGHT)
    along = dot - mean_ax * mean_bx - mean_ay * mean_by
    across = cross - mean_ax * mean_by + mean_ay * mean_bx
    spread = np.hypot(along, across)
    fixed = spread > _LEAST_SPREAD
    spread = np.maximum(spread, _LEAST_SPREAD)
    cos = np.where(fixed, along / spread, fallback[0])
    sin = np.where(fixed, across / spread, fallback[1])
    return Motion(cos, sin, mean_bx - cos * mean_ax + sin * mean_ay, mean_by - sin * mean_ax - cos * mean_ay)


def grow_hypotheses(
    agreement: NDArray[np.float32],
    support: NDArray[np.float32],
    placed: Placed,
) -> tuple[Motion, NDArray[np.float32]]:
    """Fit one motion around each of the best supported candidates, from those that agree with it.

    agreement: (C, K, K), support: (C, K), of `compatibility`.
    Returns motions of shape (C, R), R <= MATCHING.hypotheses, and the support of their roots, (C, R) float32.
    """
    tried = min(MATCHING.hypotheses, support.shape[1])
    roots = np.argpartition(-support, tried - 1, axis=1)[:, :tried]
    rows = np.arange(len(roots))[:, None]
    weights = agreement[rows, roots]
    weights *= support[:, None, :]
    motions = fit_motions(weights, placed.ours, placed.theirs, placed.turns[:, rows, roots])
    return motions, support[rows, roots]


def best_motions(
    probe: DescribedTemplates,
    terms: NDArray[np.float32],
    hypotheses: Motion,
    trust: NDArray[np.float32],
) -> tuple[NDArray[np.intp], Motion]:
    """Keep the hypotheses under which most of the probe's best minutiae find a place.

    They are MATCHING.poses or fewer a template, none like another.

    probe: one template of N minutiae. terms: (C, 6, M) of `misfit.their_terms`. hypotheses: shape (C, R).
    trust: (C, R) float32, support of the candidate that each grew from.
    Returns which template each pose is on, (H,) rising, and the motions of shape (H,).
    """
    count, tried = hypotheses.cos.shape
    judges = MATCHING.pose_minutiae
    points = hypotheses.move(probe.points[:, 0, :judges]).reshape(2, count, -1)
    headings = hypotheses.turn(probe.headings[:, 0, :judges]).reshape(2, count, -1)
    misfits = terms.transpose(0, 2, 1) @ our_terms(points, headings, MATCHING.pose_tolerance_px)
    least = np.clip(misfits.min(axis=1), 0.0, MOST_MISFIT).reshape(count, tried, -1)
    fits = (np.exp(-least) @ probe.reliabilities[0, :judges]) * np.sqrt(trust)
    rows, poses = np.arange(count)[:, None], min(MATCHING.poses, tried)
    best = np.argpartition(-fits, poses - 1, axis=1)[:, :poses]
    best = best[rows, np.argsort(-fits[rows, best], axis=1)]
    kept = hypotheses.select((rows, best))
    alike = kept.cos * kept.cos[:, :1] + kept.sin * kept.sin[:, :1] > math.cos(MATCHING.same_turn)
    alike &= np.abs(kept.east - kept.east[:, :1]) < MATCHING.same_shift_px
    alike &= np.abs(kept.south - kept.south[:, :1]) < MATCHING.same_shift_px
    alike[:, 0] = False
    templates, places = np.nonzero(~alike)
    return templates, kept.select((templates, places))
