"""A finger from a scanner of 385 ppi without a serial number, through the daemon to its records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enrollment.core.records import iso19794_4_2005
from enrollment.v1 import dossier_pb2
from tests.flow.running_station import Hands, MakeStation, running_here

if TYPE_CHECKING:
    from tests.contract.device_stubs import Nb1010Stub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

FINGER = 9


async def test_finger_of_an_nb1010_is_accepted_and_its_record_keeps_the_scanners_resolution(
    make_station: MakeStation, nb1010_stub: Nb1010Stub
) -> None:
    async with running_here(make_station([nb1010_stub.url])) as here:
        client = here.client
        dossier = await client.open_dossier()
        scanner = await client.scanner()
        assert scanner.device_id.startswith("nb1010-")
        position = dossier.plan.fingerprints[0].position
        async with client.lease(scanner.device_id) as lease:
            events = await Hands(nb1010_stub).follow(
                client.capture_finger(dossier.dossier_id, lease, position), finger=FINGER
            )
        kind, outcome = events[-1]
        assert kind == "accepted"
        (name,) = (part for part in outcome.part_names if part.endswith(".fir"))
        content = b""
        request = dossier_pb2.ReadPartRequest(dossier_id=dossier.dossier_id, part_name=name)
        async for answer in client.dossiers.ReadPart(request):
            content += answer.chunk.content
        image = iso19794_4_2005.image_from_record(iso19794_4_2005.FingerImageRecord.decode(content))
        assert image.pixels.shape == (180, 256)
        assert round(image.resolution_ppi) in (384, 385, 386)
