"""A request that the camera refuses."""

from __future__ import annotations


class Refusal(Exception):
    """status: HTTP, 4xx. reason: stable, UPPER_SNAKE. detail: for people."""

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.status = status
        self.reason = reason
        self.detail = detail
