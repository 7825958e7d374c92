"""What is asked of a fingerprint capture, and what the dossier's plan makes of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from enrollment.core.dossier.completeness import fingers_asked_for
from enrollment.core.dossier.lifecycle import require_open
from enrollment.core.dossier.model import Dossier
from enrollment.core.dossier.plan import FINGER_GROUPS, PlannedFingerprint
from enrollment.core.errors import PositionAlreadyCaptured, PositionNotInPlan
from enrollment.core.fingerprint import SlapKind
from enrollment.service.capture.errors import FingersAbsent
from enrollment.service.capture.studio import LeaseReference


@dataclass(frozen=True, slots=True)
class FingerprintOrder:
    """What to capture, for whom. impression, finger_timeout_s: None for the plan's."""

    dossier_id: str
    lease: LeaseReference
    position: int
    impression: str | None
    replace: bool
    finger_timeout_s: float | None
    request_id: str
    operator_id: str


@dataclass(frozen=True, slots=True)
class PrintTask:
    """What is to be captured. fingers: asked for. absent: positions that the person does not have."""

    planned: PlannedFingerprint
    fingers: tuple[int, ...]
    absent: Collection[int]

    @property
    def slap(self) -> SlapKind | None:
        return SlapKind(self.planned.position) if self.planned.position in FINGER_GROUPS else None


def task_of(dossier: Dossier, order: FingerprintOrder) -> PrintTask:
    """What the plan asks for here; refuses at once what the store would refuse after the person's trouble."""
    require_open(dossier)
    planned = dossier.plan.fingerprint(order.position)
    facts: dict[str, str | int | float] = {"dossier_id": dossier.dossier_id, "position": order.position}
    if planned is None or order.impression not in (None, planned.impression):
        raise PositionNotInPlan(
            "the plan does not ask for this finger in this way", impression=order.impression or "", **facts
        )
    if dossier.capture_of(order.position) is not None and not order.replace:
        raise PositionAlreadyCaptured("the dossier holds this position; replacing it must be asked for", **facts)
    if order.position not in FINGER_GROUPS:
        return PrintTask(planned, (order.position,), ())
    fingers = fingers_asked_for(dossier, order.position)
    if not fingers:
        raise FingersAbsent("all fingers of this group are recorded as absent", **facts)
    return PrintTask(planned, fingers, [finger.position for finger in dossier.absent_fingers])
