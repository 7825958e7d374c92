"""Records written down by hand, octet by octet: the decoders must read what the comments say, and write it again."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from enrollment.core.fingerprint.template import FingerprintTemplate, MinutiaKind
from enrollment.core.records.extended_data import ExtendedArea
from enrollment.core.records.iso19794_2_2005 import (
    FingerMinutiaeRecord,
    FingerView,
    record_from_template,
    template_from_record,
)
from enrollment.core.records.iso19794_4_2005 import FingerImageRecord, FingerImageView
from enrollment.core.records.minutia import Minutia
from enrollment.core.records.resolution import ScaleUnits


def octets(name: str) -> bytes:
    """The octets of a commented hexadecimal file beside this one."""
    lines = (Path(__file__).parent / name).read_text("ascii").splitlines()
    return bytes.fromhex("".join(line.partition("#")[0] for line in lines))


def test_finger_minutiae_record_reads_as_its_comments_say() -> None:
    data = octets("finger_minutiae.hex")
    record = FingerMinutiaeRecord.decode(data)
    minutiae = (Minutia(1, 100, 50, 64, 90), Minutia(2, 200, 289, 224, 30))
    view = FingerView(2, 0, 0, 87, minutiae, (ExtendedArea(0x0101, bytes.fromhex("763100ff7f")),))
    assert record == FingerMinutiaeRecord(384, 290, 197, 197, (view,), 42, 8)
    assert record.encode() == data


def test_finger_minutiae_record_gives_the_template_its_comments_describe() -> None:
    template = template_from_record(FingerMinutiaeRecord.decode(octets("finger_minutiae.hex")))
    assert template.size == (384, 290)
    assert template.positions.tolist() == [[100, 50], [200, 289]]
    up, right_and_down = template.directions.tolist()
    assert (math.cos(up), math.sin(up)) == pytest.approx((0, -1), abs=1e-6)
    assert (math.cos(right_and_down), math.sin(right_and_down)) == pytest.approx((math.sqrt(0.5), math.sqrt(0.5)))
    assert template.kinds.tolist() == [MinutiaKind.ENDING, MinutiaKind.BIFURCATION]
    assert template.reliabilities.tolist() == pytest.approx([0.9, 0.3])


def test_template_writes_the_octets_that_stand_in_the_file() -> None:
    template = FingerprintTemplate(
        positions=np.array([[100, 50], [200, 289]], np.float32),
        directions=np.array([1.5 * math.pi, 0.25 * math.pi], np.float32),
        kinds=np.array([1, 2], np.uint8),
        reliabilities=np.array([0.9, 0.3], np.float32),
        size=(384, 290),
    )
    written = record_from_template(template, position=2, impression=0, quality=87, capture_device_type=42).encode()
    wanted = bytearray(octets("finger_minutiae.hex")[:-9])  # a template has no extended data,
    wanted[8:12] = len(wanted).to_bytes(4, "big")
    wanted[12] = 0  # and claims no certificate
    wanted[-2:] = b"\0\0"
    assert written == bytes(wanted)


def test_finger_image_record_reads_as_its_comments_say() -> None:
    data = octets("finger_image.hex")
    record = FingerImageRecord.decode(data)
    view = FingerImageView(6, 0, 88, 4, 3, bytes.fromhex("004080ff014181fe024282fd"))
    assert record == FingerImageRecord(ScaleUnits.PER_CM, (197, 197), (197, 197), (view,), capture_device=7)
    assert record.encode() == data
