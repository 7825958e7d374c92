"""Targets: lists of cards from the centre, receipts of hand-overs."""

from __future__ import annotations

import json
from typing import Final
from uuid import UUID

from bench.fuzzing.sealing import SIGNER, TRUSTED
from bench.fuzzing.target import Target, require
from enrollment.core.dossier.card_batch import batch_digest, well_formed
from enrollment.core.dossier.card_list import read_card_list
from enrollment.core.sealing.hand_over_receipt import (
    FingerVerified,
    HandOverReceipt,
    TwoOfficers,
    sign_hand_over,
    verify_hand_over,
)

DOSSIER: Final = "019ac0e2-5b1e-7c11-8f00-1f2e3d4c5b6a"
FINGER: Final = FingerVerified(
    position=2, score=31_500, threshold=1_500, algorithm="a", version="1", false_match_rate=100_000
)
HAND_OVERS: Final = tuple(
    HandOverReceipt(
        receipt_id=UUID(DOSSIER),
        station_id="HN-07",
        card_id="4A01B2C3D4",
        dossier_id=UUID(DOSSIER),
        operator_id="op-1",
        handed_over_at_ms=1_795_000_000_000,
        how=how,
    )
    for how in (FINGER, TwoOfficers(second_operator_id="op-2", reason="bandaged"))
)


def card_list(data: bytes) -> None:
    found = read_card_list(data)
    require(len(batch_digest(found.rows)) == 32, "the list has no digest")
    for row in found.rows:
        well_formed(row)


def card_list_seeds() -> list[bytes]:
    rows = [{"card_number": "4A01B2C3D4", "dossier_id": DOSSIER, "point": "HN-07"}, {"card_number": "4A01"}]
    csv = f'# batch: b-1\n# sha256: {"ab" * 32}\ncard_number,dossier_id,point\n4A01B2C3D4,{DOSSIER},"HN-07"\n4A01\n'
    return [csv.encode(), json.dumps({"batch_id": "b-1", "sha256": "ab" * 32, "cards": rows}).encode()]


def hand_over(data: bytes) -> None:
    require(HandOverReceipt.decode(data).encode() == data, "the receipt does not come back")


def signed_hand_over(data: bytes) -> None:
    require(verify_hand_over(data, TRUSTED) in HAND_OVERS, "a receipt that nobody signed holds")


CARD_LEDGER_TARGETS: Final = (
    Target("card-list", card_list, card_list_seeds),
    Target("hand-over", hand_over, lambda: [receipt.encode() for receipt in HAND_OVERS], 1024),
    Target("signed-hand-over", signed_hand_over, lambda: [sign_hand_over(one, SIGNER) for one in HAND_OVERS]),
)
