"""One call for whoever has a finger record's octets and need not care which version they are of.

The format is told by the record's own first octets; a CBEFF header around it (iso19785_3_tlv.py) is taken off, and must
say the same.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from enrollment.core.errors import MalformedRecord
from enrollment.core.fingerprint.image import FingerprintImage
from enrollment.core.fingerprint.template import FingerprintTemplate
from enrollment.core.records import iso19785_3_tlv as cbeff
from enrollment.core.records import iso19794_2_2005, iso19794_2_2011, iso19794_4_2005, iso19794_4_2011

MinutiaeRecord: TypeAlias = iso19794_2_2005.FingerMinutiaeRecord | iso19794_2_2011.FingerMinutiaeRecord
ImageRecord: TypeAlias = iso19794_4_2005.FingerImageRecord | iso19794_4_2011.FingerImageRecord

_NAME: Final = "finger record"
_START_OCTETS: Final = 8
_TEMPLATE_TAG: Final = cbeff.TEMPLATE.to_bytes(2, "big")
_MINUTIAE_FORMATS: Final = frozenset({cbeff.FINGER_MINUTIAE_N, cbeff.FINGER_MINUTIAE_X})
_IMAGE_FORMATS: Final = frozenset({cbeff.FINGER_IMAGE})


def read_minutiae(data: bytes) -> MinutiaeRecord:
    """A finger minutiae record of ISO/IEC 19794-2:2005 or :2011. Raises MalformedRecord."""
    octets = _unwrapped(data, _MINUTIAE_FORMATS)
    match octets[:_START_OCTETS]:
        case b"FMR\0 20\0":
            return iso19794_2_2005.FingerMinutiaeRecord.decode(octets)
        case b"FMR\x00030\0":
            return iso19794_2_2011.FingerMinutiaeRecord.decode(octets)
    raise _unknown("finger minutiae record")


def read_images(data: bytes) -> ImageRecord:
    """A finger image record of ISO/IEC 19794-4:2005 or :2011. Raises MalformedRecord."""
    octets = _unwrapped(data, _IMAGE_FORMATS)
    match octets[:_START_OCTETS]:
        case b"FIR\x00010\0":
            return iso19794_4_2005.FingerImageRecord.decode(octets)
        case b"FIR\x00020\0":
            return iso19794_4_2011.FingerImageRecord.decode(octets)
    raise _unknown("finger image record")


def read_template(data: bytes, view: int = 0) -> FingerprintTemplate:
    """The template at index `view` of a finger minutiae record, at 500 ppi. Raises MalformedRecord."""
    record = read_minutiae(data)
    if isinstance(record, iso19794_2_2005.FingerMinutiaeRecord):
        return iso19794_2_2005.template_from_record(record, view)
    return iso19794_2_2011.template_from_record(record, view)


def read_image(data: bytes, view: int = 0) -> FingerprintImage:
    """The image at index `view` of a finger image record. Raises MalformedRecord, InvalidImage."""
    record = read_images(data)
    if isinstance(record, iso19794_4_2005.FingerImageRecord):
        return iso19794_4_2005.image_from_record(record, view)
    return iso19794_4_2011.image_from_record(record, view)


def _unwrapped(data: bytes, formats: frozenset[int]) -> bytes:
    if not data.startswith(_TEMPLATE_TAG):
        return data
    template = cbeff.BiometricInformationTemplate.decode(data)
    owner, kind = template.format
    if owner != cbeff.SC37_OWNER or kind not in formats:
        raise MalformedRecord(f"{_NAME}: its CBEFF header says {owner:04X}, {kind:04X}", owner=owner, type=kind)
    return template.record


def _unknown(what: str) -> MalformedRecord:
    return MalformedRecord(f"{_NAME}: it begins as no {what} of a version that is read here", offset=0, record=what)
