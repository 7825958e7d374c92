"""The chain of the station's packages: which number and predecessor the next one has.

It goes on after the station's last package; or, where the database was set back to an older copy, after the last one
that the registry has, which is not among ours. Functions work inside the caller's transaction.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from enrollment.service.store.errors import ChainSound
from enrollment.service.store.tables import PACKAGES, SETTINGS

# Settings; each a number and a digest.
UNKNOWN_AT_REGISTRY: Final = "registry_last"  # the registry's last package of this station, which is not known here
REJOINED_AFTER: Final = "chain_after"  # the same, once the chain goes on after it


@dataclass(frozen=True, slots=True)
class ChainLink:
    """The place of the next package: its number, and the digest of the one before (None for the first)."""

    sequence: int
    previous_sha256: bytes | None


def next_link(connection: Connection) -> ChainLink:
    """The place of the next package."""
    last = select(PACKAGES.c.sequence, PACKAGES.c.sha256).order_by(PACKAGES.c.sequence.desc()).limit(1)
    row = connection.execute(last).one_or_none()
    after = _read(connection, REJOINED_AFTER)
    if after is not None and (row is None or row.sequence < after[0]):
        return ChainLink(after[0] + 1, after[1])
    return ChainLink(1, None) if row is None else ChainLink(row.sequence + 1, bytes(row.sha256))


def sequence_of(connection: Connection, sha256: bytes) -> int:
    """The number of the package with this digest; 0 where it is neither ours nor what we rejoined after."""
    found = connection.execute(select(PACKAGES.c.sequence).where(PACKAGES.c.sha256 == sha256)).scalar_one_or_none()
    if found is not None:
        return int(found)
    after = _read(connection, REJOINED_AFTER)
    return after[0] if after is not None and after[1] == sha256 else 0


def note_unknown(connection: Connection, sequence: int, sha256: bytes) -> None:
    """Remember the registry's last package of this station, which is not known here."""
    _keep(connection, UNKNOWN_AT_REGISTRY, json.dumps([sequence, sha256.hex()]))


def forget_unknown(connection: Connection) -> None:
    """The two are in step."""
    connection.execute(delete(SETTINGS).where(SETTINGS.c.name == UNKNOWN_AT_REGISTRY))


def go_on_after_unknown(connection: Connection) -> int:
    """Let the chain go on after the registry's last package, and return its number. Raises ChainSound."""
    unknown = _read(connection, UNKNOWN_AT_REGISTRY)
    if unknown is None:
        raise ChainSound("the registry knows no package of this station that is not known here")
    sequence, sha256 = unknown
    _keep(connection, REJOINED_AFTER, json.dumps([sequence, sha256.hex()]))
    forget_unknown(connection)
    return sequence


def _read(connection: Connection, name: str) -> tuple[int, bytes] | None:
    kept = connection.execute(select(SETTINGS.c.value).where(SETTINGS.c.name == name)).scalar_one_or_none()
    if kept is None:
        return None
    sequence, sha256 = json.loads(kept)
    return int(sequence), bytes.fromhex(sha256)


def _keep(connection: Connection, name: str, value: str) -> None:
    row = insert(SETTINGS).values(name=name, value=value)
    connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": value}))
