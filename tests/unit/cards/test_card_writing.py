"""The work at an encoder where somebody changes cards in the moment between writing and reading.

The encoder is scripted: a slot of the real pcscd's virtual reader keeps its card for life.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from drivers.errors import CaptureCancelled
from drivers.spi import CancelToken, CardEncoder, DeviceIdentity, HeldCard
from enrollment.core.chip.apdu import OK, Command
from enrollment.core.errors import CardBelongsElsewhere
from enrollment.service.cards.authority import CardIssuer
from enrollment.service.cards.card_writing import VERIFY, CardWriting
from enrollment.service.cards.held_card import Patience, transmit_each_of
from enrollment.service.keys.card_trust import CardTrust
from firmware_stubs.card.card import Card
from tests.unit.cards.test_contents import AUTHORITY, NOW, SIGNER, material, plan_of
from tests.unit.chip.blank_cards import KEY_VERSION, blank_card, keys


class HeldModel:
    """The model of a card, held."""

    answer_to_reset = b""
    block = 4096

    def __init__(self, card: Card) -> None:
        self.transmit = card.transmit

    def transmit_each(self, apdus: Iterable[bytes]) -> Iterator[bytes]:
        for apdu in apdus:
            answer = self.transmit(apdu)
            yield answer
            if answer[-2:] != b"\x90\x00":
                return


class ChangedCards:
    """An encoder in which another card lies each time."""

    identity = DeviceIdentity("", "scripted", "", "")

    def __init__(self, *cards: Card) -> None:
        self._cards = iter(cards)

    def open(self) -> None: ...

    def close(self) -> None: ...

    @contextmanager
    def hold(self, *, timeout_s: float, cancel: CancelToken) -> Iterator[HeldCard]:
        card = next(self._cards)
        card.power_off()
        yield HeldModel(card)


def writing(met: list[str]) -> CardWriting:
    issuer = CardIssuer(SIGNER, keys(), KEY_VERSION, CardTrust((AUTHORITY.certificate,)))
    return CardWriting(
        plan_of(material(())),
        issuer,
        begun="",
        meet=lambda card_id, begun: met.append(card_id),
        patience=Patience(),
        now=lambda: NOW,
        tell=lambda event: None,
    )


def test_row_of_commands_ends_where_it_is_cancelled() -> None:
    cancel = CancelToken()
    select = Command(0, 0xA4, 0x04, 0x0C, bytes.fromhex("A0000002471001"))
    answers = transmit_each_of(HeldModel(blank_card()), cancel)([select] * 3)
    assert next(answers).status == OK
    cancel.cancel()
    with pytest.raises(CaptureCancelled):
        next(answers)


def test_card_that_lies_there_still_is_verified() -> None:
    card, met = blank_card(1), list[str]()
    encoder: CardEncoder = ChangedCards(card, card)
    assert writing(met).work(encoder, CancelToken()).is_verified
    assert met == [card.memory.serial.hex().upper()]


def test_written_card_does_not_suffer_for_one_that_was_put_in_its_place() -> None:
    written, other = blank_card(1), blank_card(2)
    with pytest.raises(CardBelongsElsewhere) as refused:
        writing([]).work(ChangedCards(written, other), CancelToken())
    assert refused.value.facts == {"card_id": other.memory.serial.hex().upper(), "step": VERIFY}
    assert not other.memory.files
