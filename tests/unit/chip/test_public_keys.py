"""Keys with their curve's parameters written out, as ICAO has countries issue them; OpenSSL writes them here."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from enrollment.core.chip.access import curve as curves
from enrollment.core.chip.passive_authentication import examine, is_issued_by
from enrollment.core.chip.public_keys import key_of, load_public_key
from enrollment.core.chip.security_object import sign_security_object
from enrollment.core.errors import MalformedRecord
from tests.unit.chip.signed_cards import FILES, NOW


def openssl(*arguments: str, given: bytes = b"", folder: Path | None = None) -> bytes:
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True, cwd=folder).stdout


@cache
def private(curve: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(next(found for found in curves.BY_PARAMETER.values() if found.name == curve))


@cache
def written_out(curve: str, form: str = "uncompressed") -> bytes:
    """A SubjectPublicKeyInfo of `private(curve)`, its parameters written out."""
    named = private(curve).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    options = ["ec", "-pubin", "-inform", "DER", "-pubout", "-outform", "DER", "-param_enc", "explicit", "-conv_form"]
    return openssl(*options, form, given=named)


@pytest.mark.parametrize("curve", [found.name for found in curves.BY_PARAMETER.values()])
def test_parameters_of_a_known_curve_are_read_as_its_name(curve: str) -> None:
    octets = written_out(curve)
    assert len(octets) > 300
    assert load_public_key(octets) == private(curve).public_key()


def test_every_changed_parameter_is_refused() -> None:
    """No curve of anybody's own: whatever octet is changed, the key is refused, or another point of the same curve."""
    octets = written_out("brainpoolP256r1")
    point = len(octets) - 66
    for at in range(len(octets)):
        other = bytearray(octets)
        other[at] ^= 1
        if at >= point or b"\x01\x01" in (octets[at : at + 2], octets[at - 1 : at + 1]):
            continue  # the point; the cofactor and version, which say nothing
        try:
            found = load_public_key(bytes(other))
        except MalformedRecord:
            continue
        pytest.fail(f"octet {at} of {octets.hex()}: {found}")


def test_unknown_curve_and_compressed_generator_are_refused() -> None:
    unknown = openssl(*["ecparam", "-genkey", "-noout", "-name", "brainpoolP320r1"])
    explicit = openssl(*["ec", "-pubout", "-outform", "DER", "-param_enc", "explicit"], given=unknown)
    for octets in (explicit, written_out("brainpoolP256r1", "compressed"), b"", b"\x30\x00"):
        with pytest.raises(MalformedRecord):
            load_public_key(octets)


def test_country_whose_certificates_write_parameters_out_passes(tmp_path: Path) -> None:
    """CSCA and document signer made by OpenSSL: every check of passive authentication passes."""
    for name, curve in (("csca", "brainpoolP384r1"), ("signer", "brainpoolP256r1")):
        options = f"ecparam -genkey -noout -name {curve} -param_enc explicit -out {name}.pem"
        openssl(*options.split(), folder=tmp_path)
    (tmp_path / "extensions").write_text("keyUsage=critical,digitalSignature\n")
    authority = "req -x509 -new -key csca.pem -sha384 -subj /C=VN/CN=CSCA -out csca.crt -days 40 -extensions v3_ca"
    authority += " -addext keyUsage=critical,keyCertSign,cRLSign"
    openssl(*authority.split(), folder=tmp_path)
    openssl(*["req", "-new", "-key", "signer.pem", "-subj", "/C=VN/CN=signer", "-out", "signer.csr"], folder=tmp_path)
    issue = "x509 -req -in signer.csr -CA csca.crt -CAkey csca.pem -sha384 -out signer.crt -days 30 -set_serial 7"
    openssl(*issue.split(), "-extfile", "extensions", folder=tmp_path)
    csca, signer = (
        x509.load_pem_x509_certificate((tmp_path / f"{name}.crt").read_bytes()) for name in ("csca", "signer")
    )
    assert key_of(csca).curve.name == "brainpoolP384r1"  # type: ignore[union-attr]
    assert is_issued_by(signer, csca)
    assert not is_issued_by(csca, signer)

    checks = examine(sign_security_object(FILES, signer, signing(tmp_path)), FILES, [csca], NOW + timedelta(days=1))
    assert [check.outcome.value for check in checks] == ["passed"] * 6


def signing(folder: Path) -> ec.EllipticCurvePrivateKey:
    """The signer's key, its curve named again: to sign is the country's business, and it has other tools."""
    named = openssl(*["ec", "-in", "signer.pem", "-param_enc", "named_curve"], folder=folder)
    key = load_pem_private_key(named, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key
