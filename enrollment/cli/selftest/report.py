"""A self-test's report: what the daemon streamed, put together. It holds ids, figures and maps."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from enrollment.cli.doctor.report import Finding, Severity
from enrollment.v1 import device_pb2, diagnostics_pb2


@dataclass(slots=True)
class SelfTestReport:
    """device: as it was when the test began. made_at: the station's clock, UTC."""

    device: device_pb2.Device
    made_at: datetime
    software: str
    measures: dict[str, float] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    maps: dict[str, diagnostics_pb2.SensorMap] = field(default_factory=dict)

    def take(self, event: diagnostics_pb2.RunDeviceSelfTestResponse) -> None:
        """Note one event."""
        match event.WhichOneof("event"):
            case "measure":
                self.measures[event.measure.name] = event.measure.value
            case "finding":
                self.findings.append(Finding.of_message(event.finding))
            case "map":
                self.maps[event.map.name] = event.map

    @property
    def worst(self) -> Severity:
        return max((finding.severity for finding in self.findings), default=Severity.ERROR)

    @property
    def name(self) -> str:
        """Of its files, without what follows the dot."""
        return f"selftest-{self.device.device_id}-{self.made_at:%Y%m%dT%H%M%SZ}"

    def as_json(self) -> dict[str, Any]:
        device = self.device
        return {
            "status": self.worst.name.lower(),
            "made_at": self.made_at.isoformat(timespec="seconds"),
            "software": self.software,
            "device": {
                "device_id": device.device_id,
                "driver": device.driver,
                "vendor": device.vendor,
                "model": device.model,
                "serial": device.serial,
                "firmware": device.firmware,
                "address": device.address,
                "generation": device.generation,
            },
            "measures": dict(self.measures),
            "findings": [finding.as_json() for finding in self.findings],
            "maps": {
                name: {"low": given.low, "high": given.high, "cell_px": given.cell_px}
                for name, given in self.maps.items()
            },
        }
