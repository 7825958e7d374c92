"""EF.DG3: fingers, each a record of its own under its CBEFF header; readable only after terminal authentication.

    63 { 7F61 { 02 01 n, 7F60 { A1 header, 5F2E record } ... } }

A record is a finger image record (ISO/IEC 19794-4:2005, as Doc 9303 asks) or finger minutiae record (19794-2:2005).
A card without fingers has the group with a count of 0 and random octets, so that no two such files are alike.
Source: ICAO Doc 9303-10, 8th edition, 4.7.3.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import numpy as np
from PIL import Image

from enrollment.core.chip.elementary_file import value_of
from enrollment.core.errors import ImageOverBudget, MalformedRecord
from enrollment.core.fingerprint.image import FingerprintImage
from enrollment.core.records import iso19794_2_2005, iso19794_4_2005
from enrollment.core.records.data_object import DataObject, encode_objects, read_objects
from enrollment.core.records.iso19785_3_tlv import (
    COUNT,
    FINGER_IMAGE,
    FINGER_MINUTIAE_N,
    FINGER_MINUTIAE_X,
    FINGERPRINT,
    GROUP,
    SC37_OWNER,
    SUBTYPES,
    BiometricInformationTemplate,
    decode_group,
    encode_group,
    wrap_finger,
)
from enrollment.core.records.octets import check_member, check_range

TAG: Final = 0x63
MAX_FINGERS: Final = 10
RIGHT_INDEX, LEFT_INDEX = 2, 7
# Raw octets over compressed ones: what WSQ is set to for 500 ppi (FBI IAFIS-IC-0110, 0.75 bit a pixel, some 15 : 1).
# JPEG 2000 of that size is no worse, and our own comparison cannot tell it from the raw print.
COMPRESSION_RATIO: Final = 15

FingerRecord: TypeAlias = iso19794_4_2005.FingerImageRecord | iso19794_2_2005.FingerMinutiaeRecord

_NAME: Final = "EF.DG3"
_POSITIONS: Final[Mapping[int, int]] = {subtype: position for position, subtype in SUBTYPES.items()}
_DISCRETIONARY: Final = 0x53


@dataclass(frozen=True, slots=True)
class CardFinger:
    """A finger on a card. position: 1 right thumb .. 10 left little; the record must hold this finger alone.

    Raises MalformedRecord for another position, and a record of another or of several fingers.
    """

    position: int
    record: FingerRecord = field(repr=False)

    def __post_init__(self) -> None:
        check_member(self.position, frozenset(SUBTYPES), "finger position", _NAME)
        held = {view.position for view in self.record.views}
        if held != {self.position}:
            raise MalformedRecord(f"{_NAME}: a record holds other fingers than its own", position=self.position)


def compress_finger(
    image: FingerprintImage, *, position: int, impression: int, quality: int, budget: int
) -> CardFinger:
    """A print in JPEG 2000, COMPRESSION_RATIO times smaller than its pixels.

    impression: a code of 19794-4:2005. quality: 0..100. budget: octets that the card has for the image.
    Raises ImageOverBudget where it is larger all the same, MalformedRecord for a code that the standard does not have.
    """
    out = io.BytesIO()
    layers = [COMPRESSION_RATIO]
    Image.fromarray(np.ascontiguousarray(image.pixels)).save(
        out, "JPEG2000", quality_mode="rates", quality_layers=layers, irreversible=True
    )
    octets = out.getvalue()
    if len(octets) > budget:
        raise ImageOverBudget(
            f"a print needs {len(octets)} octets, the card has room for {budget}", needed=len(octets), budget=budget
        )
    raw = iso19794_4_2005.record_from_image(image, position=position, impression=impression, quality=quality)
    view = replace(raw.views[0], image=octets)
    return CardFinger(position, replace(raw, views=(view,), compression=iso19794_4_2005.Compression.JPEG_2000))


def encode_dg3(fingers: Sequence[CardFinger], salt: bytes = b"") -> bytes:
    """EF.DG3 of up to MAX_FINGERS different fingers; of none, with `salt`, 8 or more random octets.

    Raises MalformedRecord for more fingers, one twice, and for none without salt.
    """
    check_range(len(fingers), 0, MAX_FINGERS, "number of fingers", _NAME)
    if len({finger.position for finger in fingers}) != len(fingers):
        raise MalformedRecord(f"{_NAME}: a finger stands twice", fingers=len(fingers))
    if fingers:
        return DataObject(TAG, encode_group([_template(finger) for finger in fingers])).encode()
    check_range(len(salt), 8, 64, "octets of salt", _NAME)
    empty = encode_objects((DataObject(COUNT, b"\0"), DataObject(_DISCRETIONARY, salt)))
    return DataObject(TAG, DataObject(GROUP, empty).encode()).encode()


def decode_dg3(octets: bytes) -> tuple[CardFinger, ...]:
    """Read EF.DG3; no finger where there is none. Raises MalformedRecord for anything that is not as drawn above."""
    content = value_of(octets, TAG, _NAME)
    groups = read_objects(content, _NAME)
    if len(groups) == 1 and groups[0].tag == GROUP:
        count, *others = read_objects(groups[0].value, _NAME) or (DataObject(GROUP, b""),)
        if count == DataObject(COUNT, b"\0") and [found.tag for found in others] in ([], [_DISCRETIONARY]):
            return ()
    return tuple(_finger(template) for template in decode_group(content))


def _template(finger: CardFinger) -> BiometricInformationTemplate:
    record = finger.record
    if isinstance(record, iso19794_4_2005.FingerImageRecord):
        kind = FINGER_IMAGE
    else:
        kind = FINGER_MINUTIAE_X if any(view.extended for view in record.views) else FINGER_MINUTIAE_N
    return wrap_finger(record.encode(), kind, position=finger.position)


def _finger(template: BiometricInformationTemplate) -> CardFinger:
    owner, kind = template.format
    position = _POSITIONS.get(template.subtype or 0)
    if owner != SC37_OWNER or template.biometric_type != FINGERPRINT or position is None:
        raise MalformedRecord(f"{_NAME}: a CBEFF header that is not of one finger", owner=owner, type=kind)
    if kind == FINGER_IMAGE:
        return CardFinger(position, iso19794_4_2005.FingerImageRecord.decode(template.record))
    check_member(kind, frozenset({FINGER_MINUTIAE_N, FINGER_MINUTIAE_X}), "type of the record's format", _NAME)
    return CardFinger(position, iso19794_2_2005.FingerMinutiaeRecord.decode(template.record))
