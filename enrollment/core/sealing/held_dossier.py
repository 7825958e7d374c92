"""A dossier that the registry holds already, under a package that the station does not know: the proof of it.

A receipt names no dossier. What ties one to a dossier is the manifest that the station signed itself: both name the
package id, the station and the sequence number. So nobody can pass one dossier's receipt off as another's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from enrollment.core.errors import DigestMismatch
from enrollment.core.sealing import container, cose
from enrollment.core.sealing.manifest import MAX_MANIFEST_BYTES, Manifest
from enrollment.core.sealing.receipt import Receipt, read_receipt
from enrollment.core.sealing.seal import MANIFEST_CONTENT_TYPE
from enrollment.core.sealing.signing_key import VerifyingKey


@dataclass(frozen=True, slots=True)
class HeldDossier:
    """A package that was made of the dossier, and the registry's word that it holds that package.

    size_bytes: of the sealed package. signed_receipt: as it came.
    """

    manifest: Manifest
    receipt: Receipt
    size_bytes: int
    signed_receipt: bytes


def verify_held_dossier(
    signed_manifest: bytes,
    signed_receipt: bytes,
    *,
    stations: Mapping[bytes, VerifyingKey],
    registry: Mapping[bytes, VerifyingKey],
    station_id: str,
    dossier_id: UUID,
) -> HeldDossier:
    """Verify that the registry holds a package of this dossier, in this order:

    1. the manifest is one that the station signed, as in a package     else as verify.open_package, 4 to 7
    2. it is of this station and this dossier                           else DigestMismatch
    3. the receipt is one that the registry signed                      else as receipt.verify_receipt, 1 to 4
    4. it is for the manifest's package: id, station, sequence number   else DigestMismatch

    stations, registry: key id -> verifying key, of the station itself and of its registry.
    """
    message = cose.SignedMessage.decode(signed_manifest, MANIFEST_CONTENT_TYPE, MAX_MANIFEST_BYTES)  # 1
    message.verify(stations)
    manifest = Manifest.decode(message.payload)
    if (manifest.station_id, manifest.dossier_id) != (station_id, dossier_id):  # 2
        raise DigestMismatch("the manifest is of another station or dossier", found=str(manifest.dossier_id))
    receipt = read_receipt(signed_receipt, registry)  # 3
    named = (receipt.package_id, receipt.station_id, receipt.sequence)
    if named != (manifest.package_id, manifest.station_id, manifest.sequence):  # 4
        raise DigestMismatch("the receipt is for another package than the manifest", sequence=receipt.sequence)
    size = container.sealed_size(len(signed_manifest), sum(part.length for part in manifest.parts))
    return HeldDossier(manifest, receipt, size, signed_receipt)
