"""Which other PCs are admitted: exactly those whose certificate lies in the folder, for its time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from enrollment.core.certificates import CertificateAuthority, certificate_pem, signing_request
from enrollment.core.errors import CertificateRefused
from enrollment.service.keys.errors import ClientNotAdmitted, ClientUnknown, KeysExist, KeysUnusable
from enrollment.service.keys.sharing import CLIENT_URI, PRIVATE_FILES, SERVER_FILE, SharingFolder

NOW = datetime(2026, 3, 1, tzinfo=UTC)
YEAR = timedelta(days=365)


@pytest.fixture
def share(tmp_path: Path) -> SharingFolder:
    made = SharingFolder(tmp_path / "share")
    made.create("HN-0042-1", ["scanner-pc", "192.168.1.10"], NOW, None)
    return made


@pytest.fixture(scope="module")
def request_pem() -> bytes:
    return signing_request(ec.generate_private_key(ec.SECP256R1()), "whatever it asks for")


def own(issued: bytes) -> bytes:
    """A PC's own certificate out of what it is given, as gRPC tells of it."""
    return certificate_pem(x509.load_pem_x509_certificates(issued)[0])


def why(share: SharingFolder, presented: bytes, at: datetime = NOW) -> str:
    with pytest.raises(ClientNotAdmitted) as refused:
        share.admit(presented, at)
    return str(refused.value.facts["why"])


def test_a_certified_pc_is_admitted_under_the_name_that_it_was_given(share: SharingFolder, request_pem: bytes) -> None:
    issued = share.issue("counter-3", request_pem, NOW, YEAR, None)
    assert share.admit(own(issued), NOW) == "counter-3"
    assert [(client.name, client.expires) for client in share.clients()] == [("counter-3", NOW + YEAR)]
    certificate, authority = x509.load_pem_x509_certificates(issued)
    PolicyBuilder().store(Store([authority])).time(NOW).build_client_verifier().verify(certificate, [])


def test_a_pc_is_shut_out_by_revoking_by_a_newer_certificate_and_by_time(
    share: SharingFolder, request_pem: bytes
) -> None:
    first = own(share.issue("counter-3", request_pem, NOW, YEAR, None))
    second = own(share.issue("counter-3", request_pem, NOW, YEAR, None))
    assert why(share, first) == "removed"
    assert share.admit(second, NOW + YEAR - timedelta(seconds=1)) == "counter-3"
    assert why(share, second, NOW + YEAR) == "expired"
    share.revoke("counter-3")
    assert why(share, second) == "removed"
    with pytest.raises(ClientUnknown):
        share.revoke("counter-3")


def test_certificates_that_name_no_pc_or_come_from_elsewhere_are_not_admitted(
    share: SharingFolder, request_pem: bytes
) -> None:
    share.issue("counter-3", request_pem, NOW, YEAR, None)
    other = CertificateAuthority.create("other", NOW)

    def named(uri: str) -> bytes:
        return certificate_pem(other.issue_client_certificate(request_pem, "x", uri, NOW))

    assert why(share, named(f"{CLIENT_URI}counter-3")) == "removed"
    assert why(share, named("urn:enrollment:station:HN-07")) == "unknown"
    assert why(share, named(f"{CLIENT_URI}../../etc/passwd")) == "unknown"
    assert why(share, (share.folder / SERVER_FILE).read_bytes()) == "unknown"
    assert why(share, b"no certificate") == "unknown"


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 65, "quầy 3", "a\nb"])
def test_what_cannot_be_a_file_or_a_name_is_refused(share: SharingFolder, request_pem: bytes, name: str) -> None:
    for refused in (lambda: share.issue(name, request_pem, NOW, YEAR, None), lambda: share.revoke(name)):
        with pytest.raises(CertificateRefused):
            refused()
    assert share.clients() == []


def test_private_files_are_private_and_encrypted_under_a_passphrase(tmp_path: Path, request_pem: bytes) -> None:
    share = SharingFolder(tmp_path / "share")
    share.create("HN-0042-1", ["scanner-pc"], NOW, b"secret")
    assert share.folder.stat().st_mode & 0o777 == 0o700
    for name in PRIVATE_FILES:
        assert (share.folder / name).stat().st_mode & 0o777 == 0o600, name
        assert b"PRIVATE KEY" not in (share.folder / name).read_bytes(), name
    assert share.server_pems(b"secret")[0].startswith(b"-----BEGIN PRIVATE KEY-----")
    share.issue("counter-3", request_pem, NOW, YEAR, b"secret")
    for wrong in (None, b"another"):
        with pytest.raises(KeysUnusable):
            share.issue("counter-4", request_pem, NOW, YEAR, wrong)
    (share.folder / PRIVATE_FILES[0]).chmod(0o640)
    with pytest.raises(KeysUnusable, match="read by others"):
        share.issue("counter-4", request_pem, NOW, YEAR, b"secret")


def test_a_share_is_never_overwritten_but_one_that_was_cut_short_is(share: SharingFolder) -> None:
    with pytest.raises(KeysExist):
        share.create("HN-0042-1", ["scanner-pc"], NOW, None)
    (share.folder / SERVER_FILE).unlink()  # written last: without it nothing was certified
    share.create("HN-0042-1", ["scanner-pc"], NOW, None)
    assert share.server_certificate().not_valid_after_utc > NOW + 9 * YEAR


def test_another_name_of_the_server_changes_nothing_for_the_pcs(share: SharingFolder, request_pem: bytes) -> None:
    issued = share.issue("counter-3", request_pem, NOW, YEAR, None)
    key, _, authority = share.server_pems(None)

    def verified_as(name: str) -> None:
        builder = PolicyBuilder().store(Store(x509.load_pem_x509_certificates(authority))).time(NOW)
        builder.build_server_verifier(x509.DNSName(name)).verify(share.server_certificate(), [])

    verified_as("scanner-pc")
    share.rename_server(["new-name", "10.0.0.5"], NOW, None)
    verified_as("new-name")
    with pytest.raises(VerificationError):
        verified_as("scanner-pc")
    assert share.server_pems(None)[::2] == (key, authority)
    assert share.admit(own(issued), NOW) == "counter-3"


def test_files_that_are_missing_or_no_certificate_are_named(share: SharingFolder) -> None:
    (share.folder / "clients" / "counter-9.pem").write_text("no certificate")
    with pytest.raises(KeysUnusable, match=r"counter-9\.pem"):
        share.clients()
    (share.folder / SERVER_FILE).unlink()
    with pytest.raises(KeysUnusable, match=r"server\.pem"):
        share.server_pems(None)
