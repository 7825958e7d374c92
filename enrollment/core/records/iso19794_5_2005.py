"""Face image records, ISO/IEC 19794-5:2005.

    record header, 14 octets           feature points, 8 octets each
      "FAC" 0                            kept as they are
      "010" 0                          image information, 12 octets, and the image
      length of the record   4           face image type            1
      number of faces        2           image data type            1
    facial information, 20 octets        width, height              2 + 2
      length, image and all  4           colour space               1
      feature points         2           source type                1
      gender                 1           capture device             2
      eye colour             1           quality                    2
      hair colour            1
      properties             3
      expression             2
      pose: yaw, pitch, roll 3
      its uncertainty        3

All numbers are big endian. Lengths, counts and sizes are checked; codes are kept as read. Images are kept as octets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from enrollment.core.records.octets import OctetReader, OctetWriter, check_range

FORMAT_IDENTIFIER: Final = b"FAC\0"
VERSION: Final = b"010\0"
FULL_FRONTAL: Final = 1
SRGB: Final = 1  # 24 bits
DIGITAL_CAMERA: Final = 2  # a still from one
UNSPECIFIED_GENDER, MALE, FEMALE = 0, 1, 2

_NAME: Final = "face image record"
_HEADER_OCTETS: Final = 14
_FIXED_OCTETS: Final = 20 + 12
_POINT_OCTETS: Final = 8


class ImageDataType(IntEnum):
    """How the image is compressed."""

    JPEG = 0
    JPEG_2000 = 1


@dataclass(frozen=True, slots=True)
class FaceImage:
    """One image of one face.

    width, height: pixels. image: octets as image_data_type says. pose: the octets of pose and uncertainty, 0 not told.
    feature_points: 8 octets each. All codes as the standard's tables; 0 is not told.
    Raises MalformedRecord for what does not fit its field.
    """

    width: int
    height: int
    image: bytes = field(repr=False)
    image_data_type: int = ImageDataType.JPEG_2000
    face_image_type: int = FULL_FRONTAL
    colour_space: int = SRGB
    source_type: int = DIGITAL_CAMERA
    capture_device: int = 0
    quality: int = 0
    gender: int = UNSPECIFIED_GENDER
    eye_colour: int = 0
    hair_colour: int = 0
    properties: int = 0
    expression: int = 0
    pose: bytes = field(default=bytes(6), repr=False)
    feature_points: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        for name in ("image_data_type", "face_image_type", "colour_space", "source_type"):
            check_range(getattr(self, name), 0, 0xFF, name, _NAME)
        for name in ("gender", "eye_colour", "hair_colour"):
            check_range(getattr(self, name), 0, 0xFF, name, _NAME)
        for name in ("capture_device", "quality", "expression"):
            check_range(getattr(self, name), 0, 0xFFFF, name, _NAME)
        check_range(self.properties, 0, 0xFFFFFF, "properties", _NAME)
        check_range(self.width, 1, 0xFFFF, "width", _NAME)
        check_range(self.height, 1, 0xFFFF, "height", _NAME)
        check_range(len(self.pose), 6, 6, "octets of the pose", _NAME)
        check_range(len(self.feature_points) % _POINT_OCTETS, 0, 0, "odd octets of feature points", _NAME)
        check_range(len(self.feature_points) // _POINT_OCTETS, 0, 0xFFFF, "feature points", _NAME)
        check_range(len(self.image), 1, 0xFFFFFFFF - self.octets + len(self.image), "image length", _NAME)

    @property
    def octets(self) -> int:
        """How many octets it has, image and all."""
        return _FIXED_OCTETS + len(self.feature_points) + len(self.image)


@dataclass(frozen=True, slots=True)
class FaceImageRecord:
    """A whole record. Raises MalformedRecord for no face, or too many."""

    faces: tuple[FaceImage, ...]

    def __post_init__(self) -> None:
        check_range(len(self.faces), 1, 0xFFFF, "number of faces", _NAME)

    def encode(self) -> bytes:
        """The record's octets."""
        out = OctetWriter(_NAME)
        out.raw(FORMAT_IDENTIFIER + VERSION)
        out.unsigned(_HEADER_OCTETS + sum(face.octets for face in self.faces), 4, "record length")
        out.unsigned(len(self.faces), 2, "number of faces")
        for face in self.faces:
            _write_face(out, face)
        return out.encoded()

    @classmethod
    def decode(cls, data: bytes) -> FaceImageRecord:
        """Read a record. Raises MalformedRecord for anything that `encode` would not have written."""
        reader = OctetReader(data, _NAME)
        reader.expect(FORMAT_IDENTIFIER, "format identifier")
        reader.expect(VERSION, "version")
        reader.expect_length(reader.unsigned(4, "record length"))
        count = reader.unsigned(2, "number of faces")
        check_range(count, 1, max(1, reader.remaining // _FIXED_OCTETS), "number of faces", _NAME)
        faces = tuple(_read_face(reader) for _ in range(count))
        reader.expect_end()
        return cls(faces)


def _write_face(out: OctetWriter, face: FaceImage) -> None:
    out.unsigned(face.octets, 4, "facial data length")
    out.unsigned(len(face.feature_points) // _POINT_OCTETS, 2, "feature points")
    for code in (face.gender, face.eye_colour, face.hair_colour):
        out.unsigned(code, 1, "facial information")
    out.unsigned(face.properties, 3, "properties")
    out.unsigned(face.expression, 2, "expression")
    out.raw(face.pose + face.feature_points)
    out.unsigned(face.face_image_type, 1, "face image type")
    out.unsigned(face.image_data_type, 1, "image data type")
    out.unsigned(face.width, 2, "width")
    out.unsigned(face.height, 2, "height")
    out.unsigned(face.colour_space, 1, "colour space")
    out.unsigned(face.source_type, 1, "source type")
    out.unsigned(face.capture_device, 2, "capture device")
    out.unsigned(face.quality, 2, "quality")
    out.raw(face.image)


def _read_face(reader: OctetReader) -> FaceImage:
    with reader.locating():
        octets = reader.unsigned(4, "facial data length")
        check_range(octets, _FIXED_OCTETS + 1, 0xFFFFFFFF, "facial data length", _NAME)
        face = reader.block(octets - 4, "facial data")
        points = face.unsigned(2, "feature points")
        gender, eye_colour, hair_colour = face.take(3, "facial information")
        properties = face.unsigned(3, "properties")
        expression = face.unsigned(2, "expression")
        pose = face.take(6, "pose")
        feature_points = face.take(points * _POINT_OCTETS, "feature points")
        face_image_type, image_data_type = face.take(2, "image information")
        width, height = face.unsigned(2, "width"), face.unsigned(2, "height")
        colour_space, source_type = face.take(2, "image information")
        capture_device, quality = face.unsigned(2, "capture device"), face.unsigned(2, "quality")
        return FaceImage(
            width=width,
            height=height,
            image=face.take(face.remaining, "image"),
            image_data_type=image_data_type,
            face_image_type=face_image_type,
            colour_space=colour_space,
            source_type=source_type,
            capture_device=capture_device,
            quality=quality,
            gender=gender,
            eye_colour=eye_colour,
            hair_colour=hair_colour,
            properties=properties,
            expression=expression,
            pose=pose,
            feature_points=feature_points,
        )
