"""A card in an encoder through the API: written, or read and checked; shared by enrollctl and the demo."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from enrollment.cli.connection import Station
from enrollment.cli.enrollment_flow import ready_device
from enrollment.cli.lease import held_lease
from enrollment.cli.output import plain_of
from enrollment.core.chip.security_object import cms_of
from enrollment.core.errors import MalformedRecord
from enrollment.v1 import card_pb2, device_pb2

CLIENT_NAME: Final = "enrollctl card"
SECURITY_OBJECT: Final = "EF.SOD"


class CardListener(Protocol):
    """Hears what happens, for people."""

    def progress(self, progress: card_pb2.CardProgress) -> None:
        """How far it is."""

    def check(self, check: card_pb2.CardCheck) -> None:
        """A check has ended."""


@dataclass(slots=True)
class CardReport:
    """What was found of a card. checks: one of each, by number. files: as the card gave them. card: in the ledger.

    verified: what the daemon makes of the checks. access: how the card was opened.
    """

    checks: dict[int, card_pb2.CardCheck] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    card: card_pb2.Card | None = None
    verified: bool = False
    access: str = ""

    @property
    def failed(self) -> list[card_pb2.CardCheck]:
        """The checks that failed, by number."""
        return [check for check in self.in_order if check.result == card_pb2.CHECK_RESULT_FAILED]

    @property
    def in_order(self) -> list[card_pb2.CardCheck]:
        """All checks, by number."""
        return [self.checks[number] for number in sorted(self.checks)]

    def as_json(self) -> dict[str, Any]:
        """For programs: of the files their lengths alone, for they hold personal fields."""
        return {
            "verified": self.verified,
            "access": self.access,
            "checks": [plain_of(check) for check in self.in_order],
            "files": {name: len(content) for name, content in sorted(self.files.items())},
        }


def leave(report: CardReport, folder: Path) -> None:
    """Write the files as the card gave them, the SignedData alone as openssl reads it, and the report.

    They hold personal fields. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in report.files.items():
        ending = ".bin" if name.startswith("EF.DG") else ""
        (folder / f"{name.replace('/', '-')}{ending}").write_bytes(content)
    if SECURITY_OBJECT in report.files:
        with suppress(MalformedRecord):  # the report says so
            (folder / "sod.der").write_bytes(cms_of(report.files[SECURITY_OBJECT]))
    text = json.dumps(report.as_json(), ensure_ascii=False, indent=1)
    (folder / "report.json").write_text(text + "\n", "utf-8")


def encoder_of(station: Station, wanted: str = "") -> str:
    """The encoder of this name, or the first that is ready. Raises DeviceMissing."""
    kind = device_pb2.DEVICE_KIND_CARD_ENCODER
    listed = station.devices.ListDevices(device_pb2.ListDevicesRequest(kind=kind)).devices
    return ready_device(listed, kind, wanted)


def personalise(
    station: Station, dossier_id: str, *, request_id: str, encoder: str, profile: str, listener: CardListener
) -> CardReport:
    """Write a dossier's card and have it verified. Raises grpc.RpcError as the daemon answers."""
    report = CardReport()
    with held_lease(station, encoder, client_name=CLIENT_NAME) as lease:
        request = card_pb2.PersonaliseCardRequest(
            dossier_id=dossier_id, lease=lease, profile=profile, request_id=request_id
        )
        _take(report, station.cards.PersonaliseCard(request), listener)
    return report


def verify(
    station: Station, *, dossier_id: str, access_key: str, encoder: str, profile: str, listener: CardListener
) -> CardReport:
    """Read and check the card in an encoder. Raises grpc.RpcError as the daemon answers."""
    report = CardReport()
    with held_lease(station, encoder, client_name=CLIENT_NAME) as lease:
        request = card_pb2.VerifyCardRequest(lease=lease, dossier_id=dossier_id, access_key=access_key, profile=profile)
        _take(report, station.cards.VerifyCard(request), listener)
    return report


def _take(report: CardReport, events: Iterable[Any], listener: CardListener) -> None:
    for event in events:
        match event.WhichOneof("event"):
            case "progress":
                listener.progress(event.progress)
            case "check":
                report.checks[event.check.number] = event.check
                listener.check(event.check)
            case "file":
                report.files[event.file.name] = event.file.content
            case "card":
                report.card, report.verified = event.card, True  # a card that does not verify ends with an error
            case "verdict":
                report.verified, report.access = event.verdict.verified, event.verdict.access
