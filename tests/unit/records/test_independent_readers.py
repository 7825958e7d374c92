"""Records written here are opened by readers that others wrote.

    iso19794                        finger image records of 2011: header, raw and JPEG 2000
    pip install afis==1.2.7         finger minutiae records of 2005; skipped where it is not installed
    openssl                         the data objects of CBEFF, not what they mean; likewise

No package reads the other formats (docs/records.md says what was looked at).
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from iso19794 import FIR  # type: ignore[import-untyped]

from enrollment.core.fingerprint.image import FingerprintImage
from enrollment.core.records import iso19785_3_tlv as cbeff
from enrollment.core.records import iso19794_2_2005, iso19794_4_2011
from enrollment.core.records.extended_data import ExtendedArea
from enrollment.core.records.iso19794_1_2011 import CaptureBlock, CaptureTime, Certification, QualityBlock
from enrollment.core.records.minutia import Minutia

PIXELS = np.random.default_rng(0).integers(0, 256, (300, 250), dtype=np.uint8)


@pytest.mark.parametrize(
    ("compression", "name"),
    [
        (iso19794_4_2011.Compression.UNCOMPRESSED, "RAW"),
        (iso19794_4_2011.Compression.JPEG_2000_LOSSLESS, "JPEG2000_LOSSLESS"),
    ],
)
def test_iso19794_reads_image_records_of_2011(compression: int, name: str) -> None:
    capture = CaptureBlock(
        CaptureTime.at(datetime(2026, 11, 25, 8, 30, 5, tzinfo=UTC)),
        technology=4,
        device_vendor=1,
        device_type=2,
        qualities=(QualityBlock(70, 3, 4),),
        certifications=(Certification(5, 1),),
    )
    slap = iso19794_4_2011.record_from_image(
        FingerprintImage(PIXELS), position=13, impression=0, capture=capture, compression=compression
    )
    rolled = iso19794_4_2011.record_from_image(
        FingerprintImage(PIXELS[:200]),
        position=6,
        impression=1,
        capture=capture,
        compression=compression,
        extended=(ExtendedArea(0x100, b"vendor"),),
    )
    record = iso19794_4_2011.FingerImageRecord((*slap.representations, *rolled.representations))

    class Reader(FIR.FIRImageFile):  # type: ignore[misc]
        """Pillow has made `mode` read-only since 10.1; the package, of 2020, sets it."""

        mode = property(lambda self: self._mode, lambda self, mode: setattr(self, "_mode", mode))

    found: Any = Reader(io.BytesIO(record.encode()))
    assert (found.n_frames, found.info["nb_position"], found.info["certification_flag"]) == (2, 2, True)
    assert np.array_equal(np.asarray(found), PIXELS)
    header = found.header
    assert (header["position"], header["impression_type"]) == ("PLAIN_RIGHT_FOUR_FINGERS", "LIVESCAN_PLAIN")
    assert (header["image_compression_algo"], header["scale_units"]) == (name, "PPCM")
    assert header["horizontal_image_sampling_rate"] == header["vertical_scan_sampling_rate"] == 197
    assert header["quality_records"] == [(70, b"\0\3", b"\0\4")]
    assert header["certification_records"] == [(b"\0\5", b"\1")]
    assert header["capture_datetime"] == datetime(2026, 11, 25, 8, 30, 5)  # noqa: DTZ001
    found.seek(1)
    assert (found.header["position"], found.header["impression_type"]) == ("LEFT_THUMB", "LIVESCAN_ROLLED")
    assert np.array_equal(np.asarray(found), PIXELS[:200])


def test_afis_reads_minutiae_records_of_2005() -> None:
    package = pytest.importorskip("afis.algorithms.templates")
    minutiae = (Minutia(1, 100, 50, 64, 90), Minutia(2, 200, 289, 224, 30))
    view = iso19794_2_2005.FingerView(2, 0, 1, 87, minutiae)
    data = iso19794_2_2005.FingerMinutiaeRecord(384, 290, 197, 196, (view,)).encode()
    header, found = package.decode_iso19794_2(data)
    assert (header.width, header.height, header.resolution_x, header.resolution_y) == (384, 290, 197, 196)
    assert (header.finger_position, header.impression_type, header.image_quality) == (2, 1, 87)
    assert found[:, :2].tolist() == [[100, 50], [200, 289]]
    assert np.degrees(found[:, 2]).tolist() == pytest.approx([90, 315])
    assert found[:, 3].tolist() == [0, 1]  # its ending and bifurcation


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_reads_the_data_objects_of_cbeff() -> None:
    template = cbeff.wrap_finger(
        bytes(300),
        cbeff.FINGER_IMAGE,
        position=2,
        created=datetime(2026, 11, 25, 8, 30, 5, tzinfo=UTC),
        product=(0x1A, 0x105),
    )
    done = subprocess.run(
        ["openssl", "asn1parse", "-inform", "DER"],
        input=cbeff.encode_group([template, template]),
        capture_output=True,
        check=True,
    )
    found = re.findall(r"d=(\d+) .*l= *(\d+) (cons|prim): (\S+)(?: \[ (\d+) \])?", done.stdout.decode())
    header = [(length, "prim", "cont", tag) for tag, length in enumerate((2, 1, 1, 7, None, None, 4, 2, 2)) if length]
    one = [(340, "cons", "appl", 96), (33, "cons", "cont", 1), *header, (300, "prim", "appl", 46)]
    wanted = [(693, "cons", "appl", 97), (1, "prim", "INTEGER", 0), *one, *one]
    assert [(int(length), form, kind, int(tag or 0)) for _, length, form, kind, tag in found] == wanted
    assert "".join(depth for depth, *_ in found) == "01" + 2 * "1233333332"
