"""What a dossier still needs before it may be completed."""

from __future__ import annotations

from dataclasses import dataclass

from enrollment.core.dossier.model import Dossier
from enrollment.core.dossier.plan import FINGER_GROUPS
from enrollment.core.errors import DossierIncomplete


@dataclass(frozen=True, slots=True)
class MissingItem:
    """kind: "fingerprint", "portrait" or "field"; name: the number, the name, or "" for the portrait."""

    kind: str
    name: str


def missing(dossier: Dossier) -> tuple[MissingItem, ...]:
    """Everything that the plan requires and that is neither captured nor excused, in the plan's order.

    A group of fingers is there when each of its fingers is captured with it or excused.
    """
    items = [
        MissingItem("fingerprint", str(planned.position))
        for planned in dossier.plan.fingerprints
        if still_asked_for(dossier, planned.position)
    ]
    if dossier.plan.portrait is not None and dossier.capture_of(None) is None:
        items.append(MissingItem("portrait", ""))
    items += [
        MissingItem("field", planned.name)
        for planned in dossier.plan.fields
        if planned.required and not dossier.demographics.get(planned.name)
    ]
    return tuple(items)


def fingers_asked_for(dossier: Dossier, position: int) -> tuple[int, ...]:
    """The single fingers that a capture of this position must show: those that are not excused."""
    absent = {finger.position for finger in dossier.absent_fingers}
    return tuple(finger for finger in FINGER_GROUPS.get(position, (position,)) if finger not in absent)


def still_asked_for(dossier: Dossier, position: int) -> frozenset[int]:
    """Those of `fingers_asked_for` that no capture of this position shows yet."""
    capture = dossier.capture_of(position)
    return frozenset(fingers_asked_for(dossier, position)) - (frozenset() if capture is None else capture.shown)


def require_complete(dossier: Dossier) -> None:
    """Raises DossierIncomplete with the names of what is missing."""
    items = missing(dossier)
    if items:
        names = ", ".join(f"{item.kind} {item.name}".rstrip() for item in items)
        raise DossierIncomplete(
            f"{len(items)} items are missing: {names}",
            dossier_id=dossier.dossier_id,
            count=len(items),
            items=names,
        )
