"""What the operator is told of a portrait with live view: what changed, and not every frame."""

from __future__ import annotations

import pytest

from enrollment.cli.narrator import Narrator
from enrollment.cli.output import Output
from enrollment.v1 import capture_pb2, types_pb2


def test_live_view_is_told_when_it_asks_for_something_else(capsys: pytest.CaptureFixture[str]) -> None:
    narrator = Narrator(Output.make(as_json=False, language="en"))
    dark, good = types_pb2.CAPTURE_HINT_TOO_DARK, types_pb2.CAPTURE_HINT_UNSPECIFIED
    for hint in (dark, dark, dark, good, good):
        narrator.portrait(capture_pb2.CapturePortraitResponse(live=capture_pb2.Judged(hint=hint)))
    refused = capture_pb2.StillRefused(attempt=1, reason="PICTURE_REFUSED")
    narrator.portrait(capture_pb2.CapturePortraitResponse(refused=refused))
    shown = capsys.readouterr()
    lines = (shown.out + shown.err).splitlines()
    assert [line.split(maxsplit=1)[1] for line in lines] == [
        "live view: too dark",
        "live view: good",
        "the camera took no picture",
    ]
