"""The gRPC server around the intake: mutual TLS, health, reflection, a small thread pool."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from sqlalchemy.orm import Session

from enrollment.core.errors import MalformedPackage
from enrollment.core.sealing.public_keys import RegistryTrust, decode_registry_trust, encode_registry_trust
from enrollment.core.sealing.recipient_key import RecipientPublicKey
from enrollment.registry.data_folder import DataFolder
from enrollment.registry.error_status import ErrorStatusInterceptor
from enrollment.registry.errors import SetupInvalid
from enrollment.registry.intake import Intake
from enrollment.registry.keys import RegistryKeys, SoftwareRecipientKey, SoftwareSigningKey
from enrollment.registry.package_files import PackageFiles
from enrollment.registry.recipients import RecipientKeys
from enrollment.registry.registry_servicer import RegistryServicer
from enrollment.registry.tables import open_database
from enrollment.v1 import registry_pb2, registry_pb2_grpc

SERVICE: Final = registry_pb2.DESCRIPTOR.services_by_name["RegistryService"].full_name
THREADS: Final = 4  # verification and disk; both release the GIL
MAX_MESSAGE_BYTES: Final = 1024 * 1024  # four times a chunk: too large a chunk still gets a typed answer
KEEPALIVE_MS: Final = 30_000  # a station whose cable was cut is noticed
GRACE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The server's own certificate and key, and the authority of its clients; PEM files."""

    certificate: Path
    key: Path
    client_authority: Path

    def credentials(self) -> grpc.ServerCredentials:
        """Server credentials that demand a client certificate. Raises SetupInvalid."""
        try:
            key, certificate, authority = (
                file.read_bytes() for file in (self.key, self.certificate, self.client_authority)
            )
        except OSError as error:
            raise SetupInvalid(
                "a TLS file cannot be read", file=Path(error.filename).name, problem="unreadable"
            ) from error
        return grpc.ssl_server_credentials([(key, certificate)], authority, require_client_auth=True)


def now_ms() -> int:
    """The registry's clock, milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000


def load_registry(folder: DataFolder) -> tuple[RegistryTrust, RegistryKeys]:
    """Read keys and trust file, and require that they belong together. Raises SetupInvalid."""
    folder.require()
    try:
        trust = decode_registry_trust(folder.trust_file.read_bytes())
    except MalformedPackage as error:
        raise SetupInvalid(
            "the registry trust file cannot be read", file=folder.trust_file.name, problem="unreadable"
        ) from error
    receipt = SoftwareSigningKey.load(folder.keys)
    if trust.receipt_key != receipt.verifying_key:
        raise SetupInvalid(
            "the registry trust file belongs to other keys", file=folder.trust_file.name, problem="other keys"
        )
    return trust, RegistryKeys(receipt, SoftwareRecipientKey.load(folder.keys, trust.recipient.key_id))


def publish_recipient(folder: DataFolder, trust: RegistryTrust, recipient: RecipientPublicKey) -> None:
    """Have the trust file, which new stations pin, name this recipient."""
    if recipient != trust.recipient:
        folder.replace_trust_file(encode_registry_trust(replace(trust, recipient=recipient)))


@asynccontextmanager
async def serving(folder: DataFolder, database: str, tls: TlsFiles, host: str, port: int) -> AsyncIterator[str]:
    """Serve until the block ends; gives the address with the port that was bound. Raises SetupInvalid."""
    trust, keys = load_registry(folder)
    engine = open_database(database)
    recipients = RecipientKeys(folder.keys, keys.recipient)
    with Session(engine) as session, session.begin():
        recipients.opening(session, now_ms())  # what is missing is told now, not to a station
        publish_recipient(folder, trust, recipients.current(session))  # where a rotation was cut short
    intake = Intake(
        engine=engine,
        files=PackageFiles(folder),
        recipients=recipients,
        receipt_key=keys.receipt,
        registry_id=trust.registry_id,
        now_ms=now_ms,
    )
    with ThreadPoolExecutor(THREADS, thread_name_prefix="intake") as executor:
        await asyncio.get_running_loop().run_in_executor(executor, intake.clean_up)
        server = grpc.aio.server(
            interceptors=[ErrorStatusInterceptor(SERVICE)],
            options=[
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.keepalive_time_ms", KEEPALIVE_MS),
                ("grpc.http2.ping_timeout_ms", KEEPALIVE_MS),
                ("grpc.so_reuseport", 0),  # a second registry on the same port must fail, not share it
            ],
        )
        registry_pb2_grpc.add_RegistryServiceServicer_to_server(RegistryServicer(intake, executor), server)
        checks = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(checks, server)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        try:
            bound = server.add_secure_port(f"{host}:{port}", tls.credentials())
        except RuntimeError as error:
            raise SetupInvalid(
                "the address cannot be bound, or the TLS files do not fit", port=port, problem="address"
            ) from error
        await server.start()
        for service in ("", SERVICE):
            await checks.set(service, health_pb2.HealthCheckResponse.SERVING)
        try:
            yield f"{host}:{bound}"
        finally:
            await checks.enter_graceful_shutdown()
            await server.stop(GRACE_S)
            engine.dispose()
