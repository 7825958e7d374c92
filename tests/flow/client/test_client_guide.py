"""docs/client-guide.md: its client runs as it stands, its error reader reads a real error."""

from __future__ import annotations

import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import grpc
import pytest

from enrollment.cli.card_flow import encoder_of
from enrollment.cli.connection import connect
from enrollment.cli.demo.station import DemoStation
from enrollment.cli.demo.subject import StandIn, SyntheticImpressions
from enrollment.cli.lease import held_lease
from enrollment.v1 import dossier_pb2, dossier_pb2_grpc

GUIDE = Path(__file__).parents[3] / "docs" / "client-guide.md"
CLIENT_LINES = 45


def code_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), flags=re.MULTILINE | re.DOTALL)


def test_the_guides_client_enrolls_a_person_as_it_stands(demo: DemoStation, tmp_path: Path) -> None:
    client = tmp_path / "client.py"
    client.write_text(code_blocks()[0])
    assert len(code_blocks()[0].splitlines()) <= CLIENT_LINES
    person = StandIn(demo.platen, demo.scene, SyntheticImpressions(5), None, person=5, order=[])
    person.present_face()
    said: list[str] = []
    with subprocess.Popen(
        [sys.executable, client, str(demo.socket), demo.token, "card-issue"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        attempt = 0
        for line in process.stdout:
            said.append(line)
            match line.split():
                case ["finger", position, "waiting"]:
                    attempt += 1
                    person.present_finger(int(position), attempt)
                case ["finger", _, "lift_finger"]:
                    person.lift_finger()
                case ["finger", _, "accepted" | "exhausted"]:
                    person.lift_finger()
                    attempt = 0
        complaints = process.stderr.read()
    assert process.returncode == 0, complaints
    assert "PACKAGE_STATE_ACKNOWLEDGED" in said[-1]
    assert sum(line.endswith(("accepted \n", "exhausted \n")) for line in said if line.startswith("finger")) == 10
    if not demo.reader.why_not:
        write_the_newest_dossiers_card(demo)


def write_the_newest_dossiers_card(demo: DemoStation) -> None:
    found: dict[str, Any] = {}
    exec(next(block for block in code_blocks() if "def write_card" in block), found)  # noqa: S102 - likewise
    shown: list[str] = []
    with connect(demo.socket, demo.token) as station:
        newest = station.dossiers.ListDossiers(dossier_pb2.ListDossiersRequest(page_size=1)).dossiers[0].dossier_id
        with held_lease(station, encoder_of(station), client_name="guide") as lease:
            request = str(uuid.uuid4())
            card = found["write_card"](station.cards, lease, newest, request, lambda name, *_: shown.append(name))
            again = found["write_card"](station.cards, lease, newest, request, lambda *_: None)
    assert (card.dossier_id, again.card_id) == (newest, card.card_id)
    assert "signature" in shown


def test_the_guides_error_reader_gives_reason_and_sentence(demo: DemoStation) -> None:
    found: dict[str, Any] = {}
    exec(code_blocks()[1], found)  # noqa: S102 - the guide's own text is what is tested
    with grpc.insecure_channel(f"unix:{demo.socket}") as channel:
        dossiers = dossier_pb2_grpc.DossierServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            dossiers.GetDossier(
                dossier_pb2.GetDossierRequest(dossier_id="01890000-0000-7000-8000-000000000000"),
                metadata=(("authorization", f"Bearer {demo.token}"),),
            )
    reason, _facts, sentence = found["explain"](caught.value)
    assert reason == "DOSSIER_UNKNOWN"
    assert "hồ sơ" in sentence.lower()
    assert found["explain"](caught.value, "en")[2] != sentence
