"""Fuzz targets of what a card answers: its files, which may hold any octets."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Final, TypeVar

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from PIL import Image

from bench.fuzzing.target import Target, require
from enrollment.core.chip import security_infos
from enrollment.core.chip.dg2_face import decode_dg2, encode_dg2, portrait_pixels
from enrollment.core.chip.dg3_fingers import decode_dg3, encode_dg3
from enrollment.core.chip.dg13_identity import PrintedIdentity
from enrollment.core.chip.dg15_public_key import decode_dg15, encode_dg15
from enrollment.core.chip.document_authority import SigningAuthority
from enrollment.core.chip.ef_com import CommonData
from enrollment.core.chip.mrz import MachineReadableZone
from enrollment.core.chip.passive_authentication import Outcome, examine
from enrollment.core.chip.security_object import sign_security_object
from enrollment.core.records.iso19794_5_2005 import FaceImage, FaceImageRecord

T = TypeVar("T")

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
FILES: Final = {1: b"\x61\x00", 2: b"\x75\x00"}
SPECIMEN: Final = "I<UTOD231458907<<<<<<<<<<<<<<<7408122F1204159UTO<<<<<<<<<<<6ERIKSSON<<ANNA<MARIA<<<<<<<<<<"
KEY: Final = ec.derive_private_key(7, ec.BrainpoolP256R1()).public_key()
CARD_ACCESS: Final = (
    security_infos.numbered(security_infos.CHIP_AUTHENTICATION_AES_128, 1),
    security_infos.numbered(security_infos.PACE_ECDH_GM_AES_128, 2, security_infos.BRAINPOOL_P256R1),
    security_infos.active_authentication(),
)


@cache
def authority() -> SigningAuthority:
    """Of this process only."""
    return SigningAuthority.create("VN", "fuzzing", ec.generate_private_key(ec.SECP256R1()), NOW)


@cache
def security_object() -> bytes:
    """EF.SOD over FILES."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = authority().certify_signer("fuzzing", key.public_key(), NOW, ["ID"])
    return sign_security_object(FILES, certificate, key, signed_at=NOW)


def comes_back(decode: Callable[[bytes], T], encode: Callable[[T], bytes]) -> Callable[[bytes], None]:
    """What is read is written again octet for octet."""

    def run(data: bytes) -> None:
        require(encode(decode(data)) == data, "the file does not come back")

    return run


def identity(data: bytes) -> None:
    """In any order of its fields: what is written is the same person."""
    person = PrintedIdentity.decode(data)
    require(PrintedIdentity.decode(person.encode()) == person, "the person does not come back")


def dg14(data: bytes) -> None:
    for info in security_infos.decode_dg14(data):
        _ = info.version, info.parameter, info.protocol


def passive(data: bytes) -> None:
    """Every check is made; only the security object itself passes them all."""
    checks = examine(data, FILES, [authority().certificate], NOW)
    passed = all(check.outcome is Outcome.PASSED for check in checks)
    require(not passed or data == security_object(), "a changed security object passes")


def portrait(data: bytes) -> None:
    """The first two octets are its sides, the first bit of them how it is compressed."""
    if len(data) < 3:
        return
    width, height = 1 + (data[0] & 0x7F), 1 + data[1]
    face = FaceImage(width, height, data[2:], image_data_type=data[0] >> 7)
    require(portrait_pixels(face).shape == (height, width, 3), "pixels of other sides")


def portraits() -> list[bytes]:
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    found = []
    for form, first in (("JPEG", 29), ("JPEG2000", 0x80 | 29)):
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, form)
        found.append(bytes((first, 19)) + out.getvalue())
    return found


CHIP_TARGETS: Final = (
    Target("EF-COM", comes_back(CommonData.decode, CommonData.encode), lambda: [CommonData((1, 2, 14)).encode()], 64),
    Target(
        "EF-CardAccess",
        comes_back(security_infos.decode_card_access, security_infos.encode_card_access),
        lambda: [security_infos.encode_card_access(CARD_ACCESS)],
        256,
    ),
    Target(
        "EF-DG1",
        comes_back(MachineReadableZone.decode, MachineReadableZone.encode),
        lambda: [MachineReadableZone.from_text(SPECIMEN).encode()],
        128,
    ),
    Target(
        "EF-DG2", lambda data: require(decode_dg2(data).width, "no width"), lambda: [encode_dg2(FaceImage(3, 4, b"x"))]
    ),
    Target("portrait", portrait, portraits),
    Target("EF-DG3", lambda data: require(len(decode_dg3(data)) <= 255, "fingers"), lambda: [encode_dg3((), bytes(8))]),
    Target(
        "EF-DG13", identity, lambda: [PrintedIdentity("001195000017", "Ân", "02/09/1995", father="x").encode()], 1024
    ),
    Target("EF-DG14", dg14, lambda: [security_infos.encode_dg14(CARD_ACCESS)], 512),
    Target("EF-DG15", lambda data: require(decode_dg15(data), "no key"), lambda: [encode_dg15(KEY)], 512),
    Target("EF-SOD", passive, lambda: [security_object()]),
    Target(
        "19794-5:2005",
        comes_back(FaceImageRecord.decode, FaceImageRecord.encode),
        lambda: [FaceImageRecord((FaceImage(3, 4, b"x", feature_points=bytes(8)),)).encode()],
        256,
    ),
)
