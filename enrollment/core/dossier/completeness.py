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

    A group of fingers is excused only when each of its fingers is.
    """
    absent = {finger.position for finger in dossier.absent_fingers}
    captured = {capture.position for capture in dossier.captures}
    items = [
        MissingItem("fingerprint", str(planned.position))
        for planned in dossier.plan.fingerprints
        if planned.position not in captured
        and not absent.issuperset(FINGER_GROUPS.get(planned.position, (planned.position,)))
    ]
    if dossier.plan.portrait is not None and None not in captured:
        items.append(MissingItem("portrait", ""))
    items += [
        MissingItem("field", planned.name)
        for planned in dossier.plan.fields
        if planned.required and not dossier.demographics.get(planned.name)
    ]
    return tuple(items)


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
