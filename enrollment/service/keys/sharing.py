"""Which other PCs may use this station's devices: an authority of the station's own, and one certificate a PC.

    ca.pem, ca-key.pem            certifies this station's server and the PCs, and nothing else
    server.pem, server-key.pem    what the PCs check
    clients/NAME.pem              who may call now: a PC is admitted with exactly this certificate

A PC's private key never leaves it: it sends a signing request. Taking its file away shuts it out from its next message
on; a newer certificate under the same name shuts the older one out. Private files are those of private_files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from enrollment.core.certificates import (
    AUTHORITY_LIFETIME,
    CertificateAuthority,
    certificate_pem,
    private_key_pem,
)
from enrollment.core.errors import CertificateRefused
from enrollment.service.keys.errors import ClientNotAdmitted, ClientUnknown, KeysExist, KeysUnusable
from enrollment.service.keys.private_files import (
    alone_in,
    protection,
    read_private,
    replace_file,
    sync_folder,
    write_new,
)
from enrollment.service.keys.software_keys import load_tls_key

AUTHORITY_FILE: Final = "ca.pem"
AUTHORITY_KEY_FILE: Final = "ca-key.pem"
SERVER_FILE: Final = "server.pem"
SERVER_KEY_FILE: Final = "server-key.pem"
CLIENTS_FOLDER: Final = "clients"
PRIVATE_FILES: Final = (AUTHORITY_KEY_FILE, SERVER_KEY_FILE)

CLIENT_URI: Final = "urn:enrollment:client:"
CLIENT_DAYS: Final = 365
CLIENT_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MAX_CERTIFICATE_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class AdmittedClient:
    """A PC that may call, and until when."""

    name: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class SharingFolder:
    """The folder of one station."""

    folder: Path

    def create(self, owner: str, names: Sequence[str], now: datetime, passphrase: bytes | None) -> None:
        """Make the authority and the server's certificate for these host names and addresses.

        Raises KeysExist, CertificateRefused (a name), KeysUnusable (the folder cannot be written).
        """
        if self.complete:
            raise KeysExist(f"{self.folder} is set up already", folder=str(self.folder))
        authority = CertificateAuthority.create(owner, now)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = authority.issue_server_certificate(key.public_key(), names, now, AUTHORITY_LIFETIME)
        protect = protection(passphrase)
        try:
            (self.folder / CLIENTS_FOLDER).mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            for name, content, mode in (
                (AUTHORITY_KEY_FILE, protect(authority.key_pem()), 0o600),
                (SERVER_KEY_FILE, protect(private_key_pem(key)), 0o600),
                (AUTHORITY_FILE, certificate_pem(authority.certificate), 0o644),
                # Last: a folder with a server's certificate is a complete one. Before it, nothing was certified.
                (SERVER_FILE, certificate_pem(certificate), 0o644),
            ):
                (self.folder / name).unlink(missing_ok=True)
                write_new(self.folder / name, content, mode)
            sync_folder(self.folder)
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    @property
    def complete(self) -> bool:
        """Whether it was made whole."""
        return (self.folder / SERVER_FILE).exists()

    def rename_server(self, names: Sequence[str], now: datetime, passphrase: bytes | None) -> None:
        """Certify the server under other names or addresses; the PCs need nothing new. Raises as `create`, `issue`."""
        authority = self._authority(passphrase)
        key = self.server_certificate().public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise KeysUnusable(f"{self.folder / SERVER_FILE} holds a key of another kind", folder=str(self.folder))
        certificate = authority.issue_server_certificate(key, names, now, AUTHORITY_LIFETIME)
        _replace(self.folder / SERVER_FILE, certificate_pem(certificate))

    def issue(
        self, client: str, request_pem: bytes, now: datetime, lifetime: timedelta, passphrase: bytes | None
    ) -> bytes:
        """Certify a PC's signing request and admit it: its certificate, then the authority's, PEM.

        Raises CertificateRefused for the name or the request, KeysUnusable, AuthorityUnusable.
        """
        _require_name(client)
        authority = self._authority(passphrase)
        certificate = authority.issue_client_certificate(request_pem, client, CLIENT_URI + client, now, lifetime)
        pem = certificate_pem(certificate)
        with alone_in(self.folder):  # of two at once, each writes its own
            _replace(self._client_file(client), pem)
        return pem + certificate_pem(authority.certificate)

    def revoke(self, client: str) -> None:
        """Shut a PC out. Raises CertificateRefused for what is no name, ClientUnknown."""
        _require_name(client)
        try:
            self._client_file(client).unlink()
            sync_folder(self.folder / CLIENTS_FOLDER)
        except FileNotFoundError:
            raise ClientUnknown("no PC of this name has a certificate", client=client) from None
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    def clients(self) -> list[AdmittedClient]:
        """Who may call, by name. Raises KeysUnusable, naming a file that is no certificate."""
        files = sorted((self.folder / CLIENTS_FOLDER).glob("*.pem"))
        return [AdmittedClient(path.stem, _certificate(path).not_valid_after_utc) for path in files]

    def server_certificate(self) -> x509.Certificate:
        """What the PCs check. Raises KeysUnusable."""
        return _certificate(self.folder / SERVER_FILE)

    def server_pems(self, passphrase: bytes | None) -> tuple[bytes, bytes, bytes]:
        """The server's private key, in memory only; its certificate; the authority. Raises KeysUnusable."""
        key = load_tls_key(self.folder / SERVER_KEY_FILE, passphrase)
        return key, self._read(SERVER_FILE), self._read(AUTHORITY_FILE)

    def admit(self, presented_pem: bytes, now: datetime) -> str:
        """The name of the PC behind a certificate that TLS has verified. Raises ClientNotAdmitted.

        Reads one small file, so that a PC is shut out at once, whatever connections it holds.
        """
        presented = _presented(presented_pem)
        if presented is None:
            raise ClientNotAdmitted("the certificate names no PC of this share", why="unknown")
        client, der, expires = presented
        try:
            admitted = _certificate(self._client_file(client)).public_bytes(Encoding.DER)
        except KeysUnusable:
            admitted = b""
        if admitted != der:
            raise ClientNotAdmitted("the PC was shut out, or has a newer certificate", client=client, why="removed")
        if now >= expires:
            raise ClientNotAdmitted("the PC's certificate has expired", client=client, why="expired")
        return client

    def _authority(self, passphrase: bytes | None) -> CertificateAuthority:
        key = read_private(self.folder / AUTHORITY_KEY_FILE, passphrase)
        return CertificateAuthority.load(self._read(AUTHORITY_FILE), key)

    def _client_file(self, client: str) -> Path:
        return self.folder / CLIENTS_FOLDER / f"{client}.pem"

    def _read(self, name: str) -> bytes:
        return _read(self.folder / name)


@lru_cache(maxsize=64)  # a stream asks for every message
def _presented(pem: bytes) -> tuple[str, bytes, datetime] | None:
    """The PC's name, the certificate's DER and its end; None for a certificate that names no PC."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return None
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    clients = [uri.removeprefix(CLIENT_URI) for uri in uris if uri.startswith(CLIENT_URI)]
    if len(clients) != 1 or CLIENT_NAME.fullmatch(clients[0]) is None:
        return None
    return clients[0], certificate.public_bytes(Encoding.DER), certificate.not_valid_after_utc


def _require_name(client: str) -> None:
    if CLIENT_NAME.fullmatch(client) is None:
        raise CertificateRefused("a PC's name has 1..64 letters, digits, '.', '_' or '-'", field="client")


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(_read(path))
    except ValueError as error:
        raise KeysUnusable(f"{path} is no certificate", file=str(path)) from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_CERTIFICATE_BYTES)
    except OSError as error:
        raise KeysUnusable(f"{path} cannot be read: {error.strerror}", file=str(path)) from error


def _replace(path: Path, content: bytes) -> None:
    try:
        replace_file(path, content, 0o644)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> KeysUnusable:
    return KeysUnusable(f"{error.filename or path} cannot be written: {error.strerror}", file=str(path))
