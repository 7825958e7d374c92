"""CardService is designed but not built: every method answers NOT_IMPLEMENTED."""

from __future__ import annotations

from enrollment.v1 import card_pb2_grpc


class CardServicer(card_pb2_grpc.CardServiceServicer):
    """Nothing yet."""
