"""Targets: what clients, technicians and a station's disk give to the daemon and the registry."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench.fuzzing.sealing import PLANS
from bench.fuzzing.target import Target, require
from enrollment.core.certificates import CertificateAuthority
from enrollment.core.dossier.demographics import validated
from enrollment.core.dossier.plan import Plan, parse_plan
from enrollment.core.errors import CertificateRefused
from enrollment.registry.certificates import issue_station_certificate
from enrollment.service.config import load_config

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
STATION_TOML: Final = """\
[station]
id = "HN-07"
[state]
folder = "state"
[listen]
socket_mode = 0o600
[registry]
address = "registry.example:50443"
[devices]
addresses = ["usb:", "usbip://127.0.0.1:3240/1-1"]
poll_s = 2.0
[outbox]
chunk_bytes = 65536
backoff_min_s = 1
[plans]
folder = "plans"
"""


@cache
def card_plan() -> Plan:
    return parse_plan((PLANS / "card-issue.toml").read_text("utf-8"))


def demographics(data: bytes) -> None:
    """A field a line, NAME=VALUE."""
    pairs = (line.partition("=") for line in data.decode("utf-8", "surrogateescape").split("\n"))
    fields = validated(card_plan(), {name: value for name, _, value in pairs})
    require(validated(card_plan(), fields) == fields, "fields that were put in order are changed again")
    for value in fields.values():
        require(value.isprintable() and value.encode(), "a field holds what cannot be seen or written")


def demographics_seeds() -> Iterator[bytes]:
    yield "full_name=Nguyễn Thị Mẫu\ndate_of_birth=02/09/1991\nsex=F".encode()
    yield b"personal_number=001191000001\ndate_of_birth=02/09/1991\nsex=F"


@cache
def authority() -> CertificateAuthority:
    return CertificateAuthority.create("registry-1", NOW)


def signing_request(data: bytes) -> None:
    """The DER inside: the armour would hide it."""
    lines = base64.encodebytes(data).decode("ascii")
    armoured = f"-----BEGIN CERTIFICATE REQUEST-----\n{lines}-----END CERTIFICATE REQUEST-----\n"
    certificate = issue_station_certificate(authority(), armoured.encode(), "HN-07", NOW)
    require(certificate.subject.rfc4514_string() == "CN=HN-07", "a certificate of another station's name")


def signing_request_seeds() -> Iterator[bytes]:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "HN-08")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    for curve in (ec.SECP256R1(), ec.SECP384R1()):
        yield builder.sign(ec.generate_private_key(curve), hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@cache
def folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def station_config(data: bytes) -> None:
    path = Path(folder().name) / "station.toml"
    path.write_bytes(data)
    load_config(path)


STATION_TARGETS: Final = (
    Target("demographics", demographics, demographics_seeds, 1024),
    Target("station-config", station_config, lambda: [STATION_TOML.encode()], 1024),
    Target("signing-request", signing_request, signing_request_seeds, 1024, refusal=CertificateRefused),
)
