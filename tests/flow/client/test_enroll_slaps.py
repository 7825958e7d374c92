"""A whole visit at a ten-print scanner as enrollctl carries it out: slaps, an excused finger, receipt, sheet."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from enrollment.cli.commands_enroll import enroll as enroll_command
from enrollment.cli.connection import connect
from enrollment.cli.contact_sheet import contact_sheet, entries
from enrollment.cli.enrollment_flow import Absence, Enrollment, Person, captured_fingers, enroll
from enrollment.cli.evidence import read_parts
from enrollment.cli.narrator import Narrator
from enrollment.cli.output import Output
from enrollment.v1 import outbox_pb2, types_pb2
from tests.flow.running_station import DEMOGRAPHICS, MakeStation, RegistryProcess, StationFolder, running_here

if TYPE_CHECKING:
    from tests.contract.device_stubs import CameraStub, TenPrintStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

PERSON = 7  # whose fingers the stub has grown already


class HandsOn(Person):
    """Somebody with a bandaged right little finger."""

    def __init__(self, scanner: TenPrintStub) -> None:
        self.scanner = scanner

    def present_finger(self, position: int, attempt: int) -> None:
        self.scanner.lay_slap(PERSON, position, attempt - 1, missing=5)

    def lift_finger(self) -> None:
        self.scanner.lift()


def visit(folder: StationFolder, subject: Person, out: Output) -> tuple[Enrollment, dict[str, bytes]]:
    with connect(folder.socket, folder.issue_token()) as station:
        done = enroll(
            station,
            plan_id="card-issue-slaps",
            demographics=DEMOGRAPHICS,
            subject=subject,
            listener=Narrator(out),
            absent={5: Absence(types_pb2.FINGER_ABSENCE_BANDAGED, "băng gạc")},
        )
        return done, read_parts(station, done.dossier)


async def test_a_visit_with_slaps_and_an_excused_finger_ends_with_the_receipt_and_nine_fingers_on_the_sheet(
    make_station: MakeStation, registry_process: RegistryProcess, slap_scanner: TenPrintStub, camera_stub: CameraStub
) -> None:
    folder = make_station([slap_scanner.url, camera_stub.url], registry_process)
    said = io.StringIO()
    out = Output(as_json=False, language="vi", console=Console(file=said, width=200))
    async with running_here(folder):
        done, parts = await asyncio.to_thread(visit, folder, HandsOn(slap_scanner), out)
    assert done.package.state == outbox_pb2.PACKAGE_STATE_ACKNOWLEDGED
    assert captured_fingers(done.dossier) == frozenset(range(1, 11)) - {5}
    assert [finger.position for finger in done.dossier.absent_fingers] == [5]
    told = said.getvalue()
    for words in ("bốn ngón tay phải", "… đặt các ngón tay lên mặt kính", "ngón út trái", "đạt, đã lưu"):
        assert words in told
    assert "ngón út phải" not in told
    found = entries(done.dossier, parts)
    assert [entry.title[:2].strip() for entry in found] == ["2", "3", "4", "7", "8", "9", "10", "1", "6", "po"]
    sheet = contact_sheet(found, "trial", [])
    assert np.asarray(sheet).std() > 10


@pytest.mark.parametrize("wrong", ["11=bandaged", "5=lost", "=damaged", "x"])
def test_an_absence_that_names_no_finger_or_reason_is_refused_before_anything_is_sent(wrong: str) -> None:
    refused = CliRunner().invoke(enroll_command, ["--absent", wrong])
    assert refused.exit_code == 2
    assert "--absent" in refused.output
