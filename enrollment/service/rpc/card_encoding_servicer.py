"""The two calls of CardService that need a card in an encoder: personalise and verify. Not built yet."""

from __future__ import annotations

from enrollment.v1 import card_pb2_grpc


class CardEncodingServicer(card_pb2_grpc.CardServiceServicer):
    """CardServicer's first half; the ledger's calls are in card_servicer.py."""
