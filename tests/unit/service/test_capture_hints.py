"""Whatever the core may say of a capture has a name in the API."""

from __future__ import annotations

from enum import Enum

import pytest

from enrollment.core.acceptance import Objection
from enrollment.core.fingerprint import QualityHint, SlapFindingKind, SlapHint
from enrollment.service.capture import live_scan
from enrollment.service.capture.fingerprint_try import HINT_NAMES
from enrollment.service.rpc.messages import hint
from enrollment.v1 import capture_pb2, types_pb2

LIVE = (live_scan.HOLD_STILL, live_scan.CLEAN_PLATEN, live_scan.ROLL_FINGER)
SAID: list[Enum] = [*SlapHint, *Objection]


@pytest.mark.parametrize(
    "name", [*LIVE, *(said.value for said in SAID), *(HINT_NAMES.get(one, one.value) for one in QualityHint)]
)
def test_every_hint_of_a_capture_is_one_of_the_apis(name: str) -> None:
    assert hint(name) != types_pb2.CAPTURE_HINT_UNSPECIFIED


@pytest.mark.parametrize("kind", SlapFindingKind)
def test_every_finding_is_one_of_the_apis(kind: SlapFindingKind) -> None:
    assert capture_pb2.SlapFindingKind.Value(f"SLAP_FINDING_KIND_{kind.value}")
