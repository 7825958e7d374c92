"""The ledger walked through with enrollctl alone: from a collected dossier to a card that was handed over, and back."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from enrollment.cli.main import main as enrollctl_main
from enrollment.service.store.operator_sessions import Role
from tests.flow.cards.counter import Counter, enroll, open_counter, station_of_cards
from tests.flow.running_station import Hands, MakeStation, RegistryProcess, StationFolder

if TYPE_CHECKING:
    from tests.contract.device_stubs import ScannerStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")


@dataclass
class Desk:
    """A terminal at the counter: enrollctl as an operator, or as another."""

    counter: Counter
    folder: Path

    @property
    def station(self) -> StationFolder:
        return self.counter.here.folder

    def token(self, operator_id: str, role: Role = Role.OPERATOR) -> Path:
        path = self.folder / f"token-{operator_id}"
        if not path.exists():
            path.write_text(self.station.issue_token(operator_id, role))
        return path

    async def __call__(self, *arguments: object, token: Path | None = None, lang: str = "en") -> Result:
        environment = {
            "ENROLL_SOCKET": str(self.station.socket),
            "ENROLL_TOKEN_FILE": str(token or self.token("op-1")),
            "COLUMNS": "200",
        }
        words = ["--lang", lang, *map(str, arguments)]
        return await asyncio.to_thread(CliRunner().invoke, enrollctl_main, words, env=environment)

    async def values(self, *arguments: object, token: Path | None = None, status: int = 0) -> list[Any]:
        """What --json gives, one value a line."""
        done = await self("--json", "card", *arguments, token=token)
        assert done.exit_code == status, done.output
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
async def desk(
    make_station: MakeStation,
    scanner_stub: ScannerStub,
    registry_process: RegistryProcess,
    hands: Hands,
    tmp_path: Path,
) -> AsyncIterator[Desk]:
    folder = station_of_cards(make_station, [scanner_stub.url], registry_process, "\n[hand_over]\ntries = 1\n")
    async with open_counter(folder, hands) as counter:
        yield Desk(counter, tmp_path)


async def test_ledger_from_collected_to_handed_over_and_back(desk: Desk, tmp_path: Path) -> None:
    counter = desk.counter
    supervisor = desk.token("sup-1", Role.SUPERVISOR)
    waiting = await enroll(counter.client, counter.hands)

    # Which, where, since when.
    (totals,) = await desk.values("totals")
    assert (totals["collected"], totals["unaccounted"]) == (2, 0)
    assert totals["cards"] == {
        "collected": 0, "sent": 1, "personalised": 0, "arrived": 1, "handed_over": 0, "returned": 0, "destroyed": 0
    }  # fmt: skip
    (listed,) = await desk.values("list", "--state", "sent")
    assert [card["dossier_id"] for card in listed["cards"]] == [waiting]
    assert (await desk.values("list", "--older-than", "1"))[0] == {"cards": [], "more": False}, "nothing is a day old"
    (first,) = await desk.values("list", "--limit", "1")
    assert (len(first["cards"]), first["more"]) == (1, True)
    assert "vẫn còn nữa" in (await desk("card", "list", "--limit", "1", lang="vi")).output
    assert "vẫn còn nữa" not in (await desk("card", "list", "--limit", "2", lang="vi")).output
    (shown,) = await desk.values("show", "--dossier", waiting)
    assert [change["state"] for change in shown["history"]] == ["CARD_STATE_COLLECTED", "CARD_STATE_SENT"]

    # It arrives, by a list of the centre that names others too.
    stranger = uuid.uuid4()
    delivery = tmp_path / "delivery.csv"
    rows = [f"NEW1,{waiting}", f"FAR1,{stranger}", f"NEW1,{waiting}"]
    delivery.write_text("\n".join(["# batch: box-7", "card_number,dossier_id", *rows, ""]))
    refused = tmp_path / "refused.csv"
    import_it = ("import", delivery, "--place", "safe 2", "--not-arrived", refused)
    answer, *others = await desk.values(*import_it, status=1)
    assert answer["arrived"] == 1
    assert [(row["number"], row["outcome"]) for row in others] == [
        (2, "CARD_ROW_OUTCOME_UNKNOWN_DOSSIER"),
        (3, "CARD_ROW_OUTCOME_DUPLICATE"),
    ]
    assert refused.read_text().splitlines()[1:] == [
        f"2,FAR1,{stranger},unknown-dossier,",
        f"3,NEW1,{waiting},duplicate,1",
    ]
    again, *_ = await desk.values(*import_it, status=1)
    assert again["already_done"] is True
    long = tmp_path / "long.csv"
    long.write_text("\n".join(["# batch: box-8", "card_number", *(f"LOST{number}" for number in range(60))]))
    answer, *others = await desk.values("import", long, status=1)
    assert ([row["number"] for row in others], len(answer["unknown_card_ids"])) == (list(range(1, 61)), 60)
    assert "còn 10 dòng khác chưa về" in (await desk("card", "import", long, lang="vi")).output
    (shown,) = await desk.values("show", "new1")
    assert (shown["location"], len(shown["history"])) == ("safe 2", 3)

    # It is handed over to the finger of its dossier, and the receipt holds without any daemon.
    await counter.hands.lay(2, 5)
    request = str(uuid.uuid4())
    give = ("hand-over", "NEW1", "--dossier", waiting, "--finger", "2", "--request-id", request)
    (card,) = await desk.values(*give)
    assert card["state"] == "CARD_STATE_HANDED_OVER"
    await counter.hands.lift()
    papers = tmp_path / "papers"
    (receipt,) = await desk.values("receipt", "NEW1", "--out", papers)
    assert (receipt["receipt_verified"], receipt["valid"], receipt["how"]["position"]) == (True, True, 2)
    key = desk.station.folder / "keys" / "verifying-key.txt"
    offline = ("receipt", "--receipt", papers / "hand-over.cose", "--key", key)
    assert (await desk.values(*offline)) == [receipt]

    # A supervisor takes it back; the receipt is void; a second hand-over by two officers; then it is given up.
    denied = await desk("--json", "card", "undo", "NEW1", "--reason", "twin")
    assert (denied.exit_code, json.loads(denied.stdout)["error"]["reason"]) == (1, "ROLE_REQUIRED")
    (undone,) = await desk.values("undo", "NEW1", "--reason", "wrong twin", token=supervisor)
    assert (undone["state"], undone["undone"]) == ("CARD_STATE_ARRIVED", True)
    late = await desk("card", "hand-over", "NEW1", "--request-id", request, lang="vi")
    assert "nay ở trạng thái: đã về điểm" in late.output
    (receipt,) = await desk.values("receipt", "NEW1", "--out", papers)
    assert (receipt["valid"], receipt["voided"]["reason"]) == (False, "wrong twin")
    assert (await desk.values(*offline, "--void", papers / "hand-over-void.cose")) == [receipt]
    assert (papers / "hand-over-void.cose").exists()
    vouched = ("hand-over", "NEW1", "--second-token-file", desk.token("op-2"), "--reason", "hand in plaster")
    assert (await desk.values(*vouched))[0]["state"] == "CARD_STATE_HANDED_OVER"
    assert (await desk.values("receipt", "NEW1", "--out", papers))[0]["valid"] is True
    assert not (papers / "hand-over-void.cose").exists(), "it would void a receipt that it is not of"
    returned = await desk.values("return", "NEW1", "--reason", "name misspelt", token=supervisor)
    assert (returned[0]["state"], returned[0]["location"]) == ("CARD_STATE_RETURNED", "centre")
    assert (await desk.values("destroy", "NEW1", "--reason", "cut", token=supervisor))[0]["state"].endswith("DESTROYED")
    (totals,) = await desk.values("totals")
    assert (totals["cards"]["destroyed"], totals["cards"]["arrived"], totals["unaccounted"]) == (1, 1, 0)


async def test_people_read_it_in_their_language(desk: Desk, tmp_path: Path) -> None:
    counter = desk.counter
    said = {lang: (await desk("card", "list", lang=lang)).output for lang in ("en", "vi")}
    assert "arrived" in said["en"]
    assert "đã về điểm" in said["vi"]
    assert all(counter.card_id in text and counter.dossier_id in text for text in said.values())
    totals = (await desk("card", "totals", lang="vi")).output
    assert "1 hồ sơ đã thu nhận = 1 thẻ trong sổ" in totals
    shown = (await desk("card", "show", counter.card_id, lang="vi")).output
    assert "đã gửi trung tâm" in shown
    await counter.hands.lay(9, 5)
    failed = await desk("card", "hand-over", counter.card_id, "--finger", "7", lang="vi")
    assert failed.exit_code == 1
    assert "ngón trỏ trái" in failed.output
    assert "FINGER_NOT_MATCHED" in failed.output
    await counter.hands.lift()


async def test_personal_number_in_the_place_of_a_cards_is_refused_and_shown_nowhere(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for command in (("show",), ("hand-over",), ("receipt",), ("return", "--reason", "x"), ("undo", "--reason", "x")):
        done = await desk("--json", "card", *command, "001099000017", token=desk.token("sup-1", Role.SUPERVISOR))
        assert json.loads(done.stdout)["error"]["reason"] == "CARD_NUMBER_INVALID", command
        assert "001099000017" not in done.output
    assert "001099000017" not in caplog.text


async def test_files_that_cannot_be_written_or_read_are_named(desk: Desk, tmp_path: Path) -> None:
    delivery, no_text = tmp_path / "delivery.csv", tmp_path / "token"
    delivery.write_text("# batch: box-9\ncard_number\nLOST\n")
    no_text.write_bytes(b"\xff")
    nowhere = tmp_path / "none" / "file.csv"
    for arguments, named in (
        (("import", delivery, "--not-arrived", nowhere), nowhere),
        (("hand-over", "C1", "--second-token-file", no_text, "--reason", "plaster"), no_text),
    ):
        done = await desk("card", *arguments)
        assert isinstance(done.exception, SystemExit)
        assert done.exit_code in (1, 2)
        assert named.name in done.output
    damaged = tmp_path / "damaged.csv"
    damaged.write_text("# batch: b\ncard_number,dossier_id\nA1,\nA2,x,y\n")
    told = (await desk("card", "import", damaged, lang="vi")).output
    assert "dòng dữ liệu 2" in told
    assert "card_number" in told


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("card_number\nA\n", ""),  # no batch id: wrong usage
        ("# batch: b\ncard_number\n", "CARD_BATCH_MALFORMED"),
        ("# batch: b\n# sha256: " + "0" * 64 + "\ncard_number\nA\n", "DIGEST_MISMATCH"),
        ("# batch: no id!\ncard_number\nA\n", "MALFORMED_REQUEST"),
    ],
)
async def test_list_that_cannot_be_used_changes_nothing(desk: Desk, tmp_path: Path, content: str, reason: str) -> None:
    file = tmp_path / "list.csv"
    file.write_text(content)
    done = await desk("--json", "card", "import", file)
    if not reason:
        assert done.exit_code == 2
        return
    assert (done.exit_code, json.loads(done.stdout)["error"]["reason"]) == (1, reason)
