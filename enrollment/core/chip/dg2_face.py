"""EF.DG2: the portrait, as one face image record (ISO/IEC 19794-5:2005) under its CBEFF header.

    75 { 7F61 { 02 01 01, 7F60 { A1 header, 5F2E record } } }

Source: ICAO Doc 9303-10, 8th edition, 4.7.2.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from enrollment.core.chip.elementary_file import value_of
from enrollment.core.errors import ImageOverBudget, InvalidImage, MalformedRecord
from enrollment.core.records.compressed_image import ImageForm, decode_colours
from enrollment.core.records.data_object import DataObject
from enrollment.core.records.iso19785_3_tlv import FACE_IMAGE, SC37_OWNER, decode_group, encode_group, wrap_face
from enrollment.core.records.iso19794_5_2005 import FaceImage, FaceImageRecord, ImageDataType
from enrollment.core.records.octets import check_range

TAG: Final = 0x75
IMAGE_BUDGET_OCTETS: Final = 20 * 1024
# Sides of the portrait on the card, pixels: 3 x 4, two and a half times the 240 x 320 of 9303-9's smallest.
MAX_WIDTH_PX, MAX_HEIGHT_PX = 480, 640
MIN_SIDE_PX: Final = 64  # of what is given
MAX_READ_SIDE_PX: Final = 1024  # of a card's portrait, whoever made it: its decoder has 3 MB to fill
# Peak signal to noise over all samples, dB: below 28 eyes and mouth smear, above 50 nobody sees a difference.
LEAST_PSNR_DB, MOST_PSNR_DB = 28.0, 50.0
PSNR_STEP_DB: Final = 0.5

_FORMS: Final[Mapping[int, ImageForm]] = {
    ImageDataType.JPEG: ImageForm.JPEG,
    ImageDataType.JPEG_2000: ImageForm.JPEG_2000,
}


def compress_portrait(bgr: NDArray[np.uint8], budget: int = IMAGE_BUDGET_OCTETS) -> FaceImage:
    """The portrait in JPEG 2000, as good as `budget` octets allow.

    bgr: (H, W, 3) uint8; made smaller to fit MAX_WIDTH_PX x MAX_HEIGHT_PX, never larger.
    Raises InvalidImage for another array, ImageOverBudget where even LEAST_PSNR_DB takes more octets.
    """
    pixels = _reduced(_checked(bgr))
    least = _encoded(pixels, LEAST_PSNR_DB)
    if len(least) > budget:
        raise ImageOverBudget(
            f"the portrait needs {len(least)} octets to be recognisable, the card has room for {budget}",
            needed=len(least),
            budget=budget,
        )
    best = least
    fits, too_good = 0, round((MOST_PSNR_DB - LEAST_PSNR_DB) / PSNR_STEP_DB) + 1
    while too_good - fits > 1:
        middle = (fits + too_good) // 2
        found = _encoded(pixels, LEAST_PSNR_DB + middle * PSNR_STEP_DB)
        if len(found) <= budget:
            fits, best = middle, found
        else:
            too_good = middle
    height, width = pixels.shape[:2]
    return FaceImage(width=width, height=height, image=best)


def middle_of_frame(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The middle of a frame that is broader than a card's portrait, 3 x 4; a view. No face is looked for.

    bgr: (H, W, 3); one that is not broader comes back as it is.
    """
    height, width = bgr.shape[:2]
    wanted = round(height * MAX_WIDTH_PX / MAX_HEIGHT_PX)
    left = max(0, (width - wanted) // 2)
    return bgr[:, left : left + min(wanted, width)]


def encode_dg2(face: FaceImage) -> bytes:
    """EF.DG2."""
    return DataObject(TAG, encode_group([wrap_face(FaceImageRecord((face,)).encode())])).encode()


def decode_dg2(octets: bytes) -> FaceImage:
    """Read EF.DG2, the first image of the first face. The image itself stays as it is.

    Raises MalformedRecord, also where the group holds something else than a face image record.
    """
    template = decode_group(value_of(octets, TAG, "EF.DG2"))[0]
    owner, kind = template.format
    if (owner, kind) != (SC37_OWNER, FACE_IMAGE):
        raise MalformedRecord(f"EF.DG2: its CBEFF header says {owner:04X}, {kind:04X}", owner=owner, type=kind)
    return FaceImageRecord.decode(template.record).faces[0]


def portrait_pixels(face: FaceImage) -> NDArray[np.uint8]:
    """The portrait, (H, W, 3) uint8 RGB, of the sides that its record tells.

    Raises MalformedRecord where it is larger than MAX_READ_SIDE_PX, does not decode, or is of other sides.
    """
    for side in (face.width, face.height):
        check_range(side, 1, MAX_READ_SIDE_PX, "side", "portrait")
    form = _FORMS.get(face.image_data_type)
    if form is None:
        raise MalformedRecord("portrait: of an unknown image data type", type=face.image_data_type)
    return decode_colours(face.image, face.width, face.height, form)


def _checked(bgr: object) -> NDArray[np.uint8]:
    if not isinstance(bgr, np.ndarray) or bgr.dtype != np.uint8 or bgr.ndim != 3 or bgr.shape[2] != 3:
        described = f"{bgr.dtype} {bgr.shape}" if isinstance(bgr, np.ndarray) else type(bgr).__name__
        raise InvalidImage(f"a portrait must be a (H, W, 3) array of uint8, not {described}", found=described)
    if min(bgr.shape[:2]) < MIN_SIDE_PX:
        raise InvalidImage("a portrait too small for a card", width=int(bgr.shape[1]), height=int(bgr.shape[0]))
    return bgr


def _reduced(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB, within the sides that a card's portrait may have."""
    height, width = bgr.shape[:2]
    scale = min(1.0, MAX_WIDTH_PX / width, MAX_HEIGHT_PX / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    reduced = bgr if scale == 1 else cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(reduced, cv2.COLOR_BGR2RGB), np.uint8)


def _encoded(rgb: NDArray[np.uint8], psnr_db: float) -> bytes:
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG2000", quality_mode="dB", quality_layers=[psnr_db], irreversible=True)
    return out.getvalue()
