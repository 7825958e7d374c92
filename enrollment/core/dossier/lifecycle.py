"""Which change of state is allowed.

OPEN -> COMPLETE -> SEALED -> ACKNOWLEDGED -> PURGED
OPEN -> ABANDONED
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from enrollment.core.dossier.model import Dossier, DossierState
from enrollment.core.errors import DossierNotOpen, RuleViolation

NEXT: Final[Mapping[DossierState, frozenset[DossierState]]] = {
    DossierState.OPEN: frozenset({DossierState.COMPLETE, DossierState.ABANDONED}),
    DossierState.COMPLETE: frozenset({DossierState.SEALED}),
    DossierState.SEALED: frozenset({DossierState.ACKNOWLEDGED}),
    DossierState.ACKNOWLEDGED: frozenset({DossierState.PURGED}),
    DossierState.ABANDONED: frozenset(),
    DossierState.PURGED: frozenset(),
}


class TransitionRefused(RuleViolation):
    """A change of state that the life of a dossier does not have."""

    reason = "DOSSIER_TRANSITION_REFUSED"


def require_open(dossier: Dossier) -> None:
    """Raises DossierNotOpen unless the dossier may still be changed."""
    if dossier.state is not DossierState.OPEN:
        raise DossierNotOpen(
            f"the dossier is {dossier.state.value}, so it cannot be changed",
            dossier_id=dossier.dossier_id,
            state=dossier.state.value,
        )


def require_transition(dossier_id: str, present: DossierState, wanted: DossierState) -> None:
    """Raises TransitionRefused unless a dossier in the present state may enter the wanted one."""
    if wanted not in NEXT[present]:
        raise TransitionRefused(
            f"a dossier that is {present.value} cannot become {wanted.value}",
            dossier_id=dossier_id,
            state=present.value,
            wanted=wanted.value,
        )
