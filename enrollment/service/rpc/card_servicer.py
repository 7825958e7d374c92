"""CardService: read, call the ledger once, write. Its calls with a card in an encoder are CardEncodingServicer's."""

from __future__ import annotations

from enrollment.service.rpc.card_encoding_servicer import CardEncodingServicer


class CardServicer(CardEncodingServicer):
    """The ledger of cards over gRPC."""
