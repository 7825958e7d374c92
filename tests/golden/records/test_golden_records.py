"""Records written down by hand, octet by octet: the decoders must read what the comments say, and write it again."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from enrollment.core.fingerprint.template import FingerprintTemplate, MinutiaKind
from enrollment.core.records import iso19794_2_2011, iso19794_4_2011
from enrollment.core.records.extended_data import ExtendedArea
from enrollment.core.records.image_extended import Absence, Annotations, Segment, Segmentation
from enrollment.core.records.iso19785_3_tlv import FINGER_IMAGE, decode_group, encode_group, wrap_finger
from enrollment.core.records.iso19794_1_2011 import CaptureBlock, CaptureTime, Certification, QualityBlock
from enrollment.core.records.iso19794_2_2005 import (
    FingerMinutiaeRecord,
    FingerView,
    record_from_template,
    template_from_record,
)
from enrollment.core.records.iso19794_4_2005 import FingerImageRecord, FingerImageView
from enrollment.core.records.minutia import Minutia
from enrollment.core.records.minutiae_extended import CoresAndDeltas, RidgeCount, RidgeCounts, Singularity, ZonalQuality
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


CAPTURED = datetime(2026, 11, 25, 8, 30, 5, 500_000, tzinfo=UTC)


def test_finger_minutiae_record_of_2011_reads_as_its_comments_say() -> None:
    data = octets("finger_minutiae_2011.hex")
    first = iso19794_2_2011.MinutiaeRepresentation(
        position=7,
        number=0,
        impression=0,
        width=384,
        height=290,
        resolution_ppcm=(197, 197),
        minutiae=(Minutia(1, 100, 50, 64, 90), Minutia(2, 200, 289, 224, 254)),
        capture=CaptureBlock(
            CaptureTime.at(CAPTURED), 1, 0x001A, 0x0105, (QualityBlock(90, 0x0101, 7),), (Certification(0x000F, 3),)
        ),
        extended=(
            RidgeCounts(0, (RidgeCount(0, 1, 5),)).area(),
            CoresAndDeltas((Singularity(190, 140, (64,)),), (Singularity(70, 230),)).area(),
        ),
    )
    zones = np.array([[0, 1, 2], [3, 0, 1], [2, 3, 0]], np.uint8)
    second = iso19794_2_2011.MinutiaeRepresentation(
        position=7,
        number=1,
        impression=1,
        width=512,
        height=512,
        resolution_ppcm=(197, 197),
        minutiae=(Minutia(0, 10, 20, 128, 254),),
        capture=CaptureBlock(certifications=()),
        extended=(ZonalQuality(zones, 255, 255, 2, (0, 0)).area(),),
        ridge_ending_type=1,
        with_quality=False,
    )
    record = iso19794_2_2011.FingerMinutiaeRecord.decode(data)
    assert record == iso19794_2_2011.FingerMinutiaeRecord((first, second))
    assert record.encode() == data
    assert record.representations[0].capture.time.moment == CAPTURED
    assert record.representations[1].capture.time.moment is None


def test_extended_minutiae_data_of_2011_reads_as_its_comments_say() -> None:
    first, second = iso19794_2_2011.FingerMinutiaeRecord.decode(octets("finger_minutiae_2011.hex")).representations
    counts, singularities = (area.content for area in first.extended)
    assert RidgeCounts.decode(counts, minutiae=2) == RidgeCounts(0, (RidgeCount(0, 1, 5),))
    assert CoresAndDeltas.decode(singularities, 384, 290) == CoresAndDeltas(
        (Singularity(190, 140, (64,)),), (Singularity(70, 230),)
    )
    zonal = ZonalQuality.decode(second.extended[0].content, 512, 512, with_algorithm=True)
    assert zonal.zones.tolist() == [[0, 1, 2], [3, 0, 1], [2, 3, 0]]
    assert (zonal.zone_width, zonal.zone_height, zonal.bits, zonal.algorithm) == (255, 255, 2, (0, 0))


def test_finger_image_record_of_2011_reads_as_its_comments_say() -> None:
    data = octets("finger_image_2011.hex")
    found = iso19794_4_2011.FingerImageRepresentation(
        position=13,
        number=0,
        impression=0,
        scale_units=ScaleUnits.PER_CM,
        scan_resolution=(197, 197),
        image_resolution=(197, 197),
        width=4,
        height=3,
        image=bytes.fromhex("004080ff014181fe024282fd"),
        capture=CaptureBlock(CaptureTime(), 4, 0x001A, 0x0105, (QualityBlock(70, 0x000F, 1),)),
        extended=(
            Segmentation((Segment(2, ((0, 0), (2, 3)), 80, 240),), (0x001A, 2), 95, (0x001A, 3)).area(),
            Annotations(((5, Absence.AMPUTATED),)).area(),
            ExtendedArea(0x0100, b"\xab\xcd"),
        ),
    )
    record = iso19794_4_2011.FingerImageRecord.decode(data)
    assert record == iso19794_4_2011.FingerImageRecord((found,))
    assert record.encode() == data
    segmentation, annotation, _ = (area.content for area in record.representations[0].extended)
    assert Segmentation.decode(segmentation, 4, 3).segments == (Segment(2, ((0, 0), (2, 3)), 80, 240),)
    assert Annotations.decode(annotation) == Annotations(((5, Absence.AMPUTATED),))


def test_cbeff_group_reads_as_its_comments_say() -> None:
    data = octets("cbeff_group.hex")
    (template,) = decode_group(data)
    assert template == wrap_finger(b"FIR\0", FINGER_IMAGE, position=2, created=CAPTURED, product=(0x001A, 0x0105))
    assert (template.biometric_type, template.subtype, template.format) == (8, 9, (0x0101, 7))
    assert template.record == b"FIR\0"
    assert encode_group([template]) == data
