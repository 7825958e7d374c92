"""Client certificates of stations: each names its station by one URI, urn:enrollment:station:ID."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from cryptography import x509

from enrollment.core.certificates import CertificateAuthority
from enrollment.registry.errors import StationUnknown

STATION_URI: Final = "urn:enrollment:station:"


def issue_station_certificate(
    authority: CertificateAuthority, request_pem: bytes, station_id: str, now: datetime
) -> x509.Certificate:
    """Certify the key of a station's signing request under the station's name. Raises CertificateRefused."""
    return authority.issue_client_certificate(request_pem, station_id, STATION_URI + station_id, now)


def station_of(auth_context: Mapping[str, Iterable[bytes]]) -> str:
    """The station that a verified client certificate names, from gRPC's authentication context.

    Raises StationUnknown unless exactly one name is a station's.
    """
    names = [name.decode("utf-8", "replace") for name in auth_context.get("x509_subject_alternative_name", ())]
    stations = [name.removeprefix(STATION_URI) for name in names if name.startswith(STATION_URI)]
    if len(stations) != 1:
        raise StationUnknown("the client certificate names no station")
    return stations[0]
