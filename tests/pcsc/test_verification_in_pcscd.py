"""A card that was issued is verified through the real pcscd, and what goes wrong on the way there is told."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from drivers.card.pcsc_encoder import PcscEncoder
from drivers.spi import CancelToken
from enrollment.core.chip.access.password import AccessKey
from enrollment.core.chip.apdu import Response
from enrollment.core.chip.passive_authentication import Outcome
from enrollment.core.chip.security_object import cms_of
from enrollment.core.chip.verification import verify_card
from enrollment.core.chip.verification_report import VerificationReport
from firmware_stubs.card.memory import Memory
from tests.card_wire import CardWire
from tests.pcsc.card_process import WAIT_S, Connection, PcscError, connected
from tests.pcsc.conftest import CardShelf
from tests.unit.chip.issued_cards import CAN, PROFILE, TRUST, ZONE, issued
from tests.unit.chip.signed_cards import NOW

SLOT = 1
EXTENDED, SHORT = 60_000, 256


def verified(connection: Connection, access: AccessKey = CAN, block: int = EXTENDED) -> VerificationReport:
    wire = CardWire(connection.transmit)
    return verify_card(wire.transmit, PROFILE, access, TRUST, now=NOW, chance=secrets.token_bytes, block=block)


@pytest.fixture(scope="module")
def issued_slot(shelf: CardShelf) -> Iterator[None]:
    """An issued card lies in the slot; being read leaves it as it is."""
    shelf.put(SLOT, issued().card.memory)
    yield
    shelf.put(SLOT, Memory.blank(SLOT))


@pytest.fixture
def card(issued_slot: None, cards: CardShelf) -> Callable[[], Connection]:
    """Each call connects to it anew."""
    return lambda: connected(SLOT)


@pytest.mark.parametrize("access", [CAN, ZONE], ids=["can", "zone"])
@pytest.mark.parametrize("block", [EXTENDED, SHORT])
def test_issued_card_is_verified(card: Callable[[], Connection], access: AccessKey, block: int) -> None:
    report = verified(card(), access, block)
    assert report.failed == ()
    assert report.is_verified


@pytest.mark.parametrize("access", [CAN, ZONE], ids=["can", "zone"])
def test_issued_card_is_verified_through_the_encoder(card: Callable[[], Connection], access: AccessKey) -> None:
    reader = card().reader
    Connection.opened.pop().close()  # the encoder holds a card for itself alone
    encoder = PcscEncoder(f"pcsc:{reader}")
    encoder.open()
    try:
        with encoder.hold(timeout_s=WAIT_S, cancel=CancelToken()) as held:
            report = verify_card(
                lambda command: Response.decode(held.transmit(command.encode())),
                PROFILE,
                access,
                TRUST,
                now=NOW,
                chance=secrets.token_bytes,
                block=held.block,
            )
    finally:
        encoder.close()
    assert report.is_verified


def test_openssl_verifies_the_security_object_that_was_read(card: Callable[[], Connection], tmp_path: Path) -> None:
    report = verified(card())
    (tmp_path / "sod.cms").write_bytes(cms_of(report.files["EF.SOD"]))
    (tmp_path / "csca.pem").write_bytes(TRUST[0].public_bytes(Encoding.PEM))
    command = "openssl cms -verify -inform DER -in sod.cms -CAfile csca.pem -purpose any -out signed"
    found = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "signed").read_bytes() in report.files["EF.SOD"]


def test_card_pulled_while_it_is_read_is_the_readers_error_and_it_is_verified_later(
    card: Callable[[], Connection], cards: CardShelf
) -> None:
    cards.stub.arm("pull", SLOT, ins=0xB0, after=5)
    with pytest.raises(PcscError):
        verified(card())
    cards.stub.insert(SLOT)
    cards.stub.await_connected(SLOT)
    assert verified(card()).is_verified


def test_wrong_can_is_told_and_the_right_one_opens_it_then(card: Callable[[], Connection]) -> None:
    connection = card()
    refused = verified(connection, AccessKey.of_access_number("000000"))
    assert [check.reason for check in refused.failed] == ["WRONG_CARD_PASSWORD"]
    assert refused.check(21).outcome is Outcome.NOT_POSSIBLE
    assert verified(connection).is_verified
