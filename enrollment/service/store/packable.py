"""Refuses at the counter what the registry would refuse later: a dossier must fit into one package, whoever made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from enrollment.core.dossier.documents import DOCUMENT_PARTS
from enrollment.core.dossier.model import Dossier
from enrollment.core.errors import InvalidInput, MalformedPackage
from enrollment.core.sealing.container import MAX_PACKAGE_BYTES
from enrollment.core.sealing.field_rules import DIGEST_BYTES, require_text
from enrollment.core.sealing.manifest import Part

ROOM_FOR_DOCUMENTS: Final = 2 * 1024 * 1024  # bytes; what the sealer adds is at most a quarter of it
MAX_CAPTURED_BYTES: Final = MAX_PACKAGE_BYTES - ROOM_FOR_DOCUMENTS


def require_operator(operator_id: str) -> None:
    """Raises InvalidInput for an id that a manifest cannot name. (Their number is bounded by the plan's positions.)"""
    try:
        require_text("operator_id", operator_id)
    except MalformedPackage as error:
        raise InvalidInput(f"no package can name this operator: {error}", field="operator_id") from error


def operators_of(dossier: Dossier) -> tuple[str, ...]:
    """Everybody who worked on it, each once, the one who opened it first."""
    captured = (capture.operator_id for capture in dossier.captures)
    absent = (finger.operator_id for finger in dossier.absent_fingers)
    return tuple(dict.fromkeys((dossier.operator_id, *captured, *absent)))


def require_parts(dossier: Dossier, position: int | None, parts: Mapping[str, tuple[str, bytes]]) -> None:
    """Raises InvalidInput unless these parts can stand in the dossier's package, in place of what the position has."""
    facts = {"dossier_id": dossier.dossier_id}
    if not parts:
        raise InvalidInput("a capture must bring a part", **facts)
    others = [part for capture in dossier.captures if capture.position != position for part in capture.parts]
    taken = DOCUMENT_PARTS.union(part.name for part in others)
    for name, (media_type, content) in parts.items():
        try:
            Part(name=name, media_type=media_type, length=len(content), sha256=bytes(DIGEST_BYTES))
        except MalformedPackage as error:
            raise InvalidInput(f"no package can carry this part: {error}", **facts) from error
        if name in taken:
            raise InvalidInput("the dossier has another part of this name", part=name, **facts)
    total = sum(part.length for part in others) + sum(len(content) for _, content in parts.values())
    if total > MAX_CAPTURED_BYTES:
        raise InvalidInput(
            f"the dossier would be larger than the {MAX_CAPTURED_BYTES} bytes that a package takes",
            length=total,
            most=MAX_CAPTURED_BYTES,
            **facts,
        )
