"""Where a development registry keeps its files. Folders are 0700, private files 0600.

registry-trust.pem      public: what stations pin (docs/package-format.md)
tls/ca.pem server.pem   public: the authority of stations and server, and the server's certificate
keys/                   private: six keys, one a file; recipient-ID/ for each rotation
registry.db             ledger, stations, open uploads (unless --database names another)
uploads/                packages that are not complete yet
objects/ab/abcd....epkg packages in the ledger, by their SHA-256
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from enrollment.registry.errors import SetupInvalid


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The paths under one root."""

    root: Path

    @property
    def trust_file(self) -> Path:
        """What stations pin, public."""
        return self.root / "registry-trust.pem"

    @property
    def keys(self) -> Path:
        """The folder of private keys."""
        return self.root / "keys"

    @property
    def authority_key(self) -> Path:
        """The certificate authority's private key."""
        return self.keys / "ca.pem"

    @property
    def authority_certificate(self) -> Path:
        """The certificate authority, public."""
        return self.root / "tls" / "ca.pem"

    @property
    def server_key(self) -> Path:
        """The server's private TLS key."""
        return self.keys / "server.pem"

    @property
    def server_certificate(self) -> Path:
        """The server's TLS certificate, public."""
        return self.root / "tls" / "server.pem"

    @property
    def uploads(self) -> Path:
        """Packages that are not complete yet."""
        return self.root / "uploads"

    @property
    def objects(self) -> Path:
        """Packages in the ledger."""
        return self.root / "objects"

    @property
    def default_database(self) -> str:
        """The SQLAlchemy URL of the SQLite file in the folder."""
        return f"sqlite:///{(self.root / 'registry.db').as_posix()}"

    def create(self) -> None:
        """Make the folders. Raises SetupInvalid where a registry is already there."""
        if self.trust_file.exists():
            raise SetupInvalid("the data folder already holds a registry", folder=self.root.name, problem="exists")
        if self.keys.exists():
            raise SetupInvalid(
                "the data folder holds keys, but no trust file: take that back from a station or a backup; where init "
                "was cut short and nothing was ever received, remove the folder and run it again",
                folder=self.root.name,
                problem="no trust file",
            )
        for folder in (self.root, self.keys, self.authority_certificate.parent, self.uploads, self.objects):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)  # also where it was there before

    def replace_trust_file(self, content: bytes) -> None:
        """Put another trust file in place, in one step."""
        new = self.trust_file.with_name(f"{self.trust_file.name}.new")
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.trust_file)

    def require(self) -> None:
        """Raise SetupInvalid where no registry was initialised."""
        if not self.trust_file.is_file():
            raise SetupInvalid(
                "the data folder holds no registry: run `init` first", folder=self.root.name, problem="no registry"
            )
